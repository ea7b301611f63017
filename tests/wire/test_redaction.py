"""Texts that may contain a secret that is not known, such as the last line of a command's stderr."""

from __future__ import annotations

from anycreds._wire.redaction import looks_like_secret
from support.rows import each_row


@each_row(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "key=ASIAQWERTYUIOPASDFGH",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "IQoJb3JpZ2luX2VjEHoaCXVzLWVhc3QtMSJH",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig",
        "0123456789abcdef0123",
        "3f2a1b4c-0000-4000-8000-000000000001",
        "password=x",
        "Password: x",
        "passphrase = x",
        "SECRET_ACCESS_KEY=x",
        "'token': 'x'",
        '{"api_key":"x"}',
        "credentials: x",
        "Authorization: Bearer x",
        "got bearer x",
    ],
)
def test_text_that_looks_like_a_secret(text: str) -> None:
    """Access key IDs, long words of base64 with a digit, and values after names of secrets look like secrets."""
    assert looks_like_secret(text)
    assert looks_like_secret(f"error in line 1: {text} is wrong")


@each_row(
    "text",
    [
        "",
        "Error: the session has expired; run helper login",
        "token expired",
        "An error occurred (ExpiredTokenException) when calling the AssumeRole operation",
        "[Errno 2] No such file or directory: '/home/user/.config/helper/settings.json'",
        "ModuleNotFoundError: No module named 'botocore'",
        "HTTP 503 from https://vault.example.com:8200",
        "User: arn:aws:iam::123456789012:user/alice is not authorized",
        "a" * 100,
    ],
)
def test_text_without_a_secret(text: str) -> None:
    """Ordinary error messages do not look like secrets."""
    assert not looks_like_secret(text)
