"""What can be sent as an HTTP header, checked here before a client can raise with the value in its message."""

from __future__ import annotations

from .credentials import invalid_reason


def header_problem(token: str) -> str | None:
    """Say why a token cannot be sent as a header, without repeating it."""
    if problem := invalid_reason(token):
        return problem
    if any(character > "\xff" for character in token):
        return "has a character that no HTTP header can carry"
    return "begins or ends with a blank" if token != token.strip() else None
