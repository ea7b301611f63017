"""``explain`` says of each source where it looked, as found on this machine, and of that never a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anycreds._cli import main
from anycreds.testing import CANARY, FakeAWS
from cli.commands import write_config

ROLE = "arn:aws:iam::123456789012:role/Demo"
FILES = f"""
[profile base]
aws_access_key_id = {{key}}
aws_secret_access_key = {{secret}}

[profile dev]
role_arn = {ROLE}
source_profile = base

[profile top]
role_arn = {ROLE}
source_profile = dev

[profile command]
credential_process = vault --token {CANARY}

[profile pod]
role_arn = {ROLE}
web_identity_token_file = ~/token

[profile task]
role_arn = {ROLE}
credential_source = EcsContainer

[profile signed-in]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Reader

[profile console]
login_session = arn:aws:iam::123456789012:user/demo

[profile broken]
role_arn = {ROLE}

[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = eu-central-1
"""
DEV = f"role '{ROLE}' of profile 'dev' (~/.aws/config:7), with source_profile (~/.aws/config:8)"
BASE = "aws_access_key_id of profile 'base' (~/.aws/config:3)"
SESSION = "sso-session 'corp' (~/.aws/config:26), sso_role_name (~/.aws/config:28), sso_start_url (~/.aws/config:37)"
CORP = "~/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"  # the SHA-1 of the session's name


@pytest.fixture
def machine(aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> FakeAWS:
    """Set up a machine with these profiles; its services are a fake."""
    ((key, secret),) = fake_aws.keys.items()
    write_config(aws_isolated, FILES.format(key=key, secret=secret))
    for name, value in {**fake_aws.service_environ(), "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    return fake_aws


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    """Return the sources that were asked, as the document has them; text and document are free of secrets."""
    main.run(["explain", "--json", *arguments])
    document = capsys.readouterr().out
    main.run(["explain", *arguments])
    text = capsys.readouterr().out
    sources = [source for source in json.loads(document)["sources"] if source["outcome"] != "not asked"]
    assert CANARY not in document
    assert CANARY not in text
    plain = " ".join(text.split())
    for source in sources:
        label = "found in" if source["outcome"] == "found" else "looked at"
        places = " ".join(source["places"])
        assert f"looks at {source['looks_at']} {label + ' ' + places if places else ''}".strip() in plain
    return sources


def places(capsys: pytest.CaptureFixture[str], profile: str) -> list[str]:
    """Return where a named profile was looked for."""
    found: list[str] = asked(capsys, "--profile", profile)[0]["places"]
    return found


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("base", ["profile 'base' (~/.aws/config:2)", BASE]),
        ("dev", ["profile 'dev' (~/.aws/config:6)", DEV, BASE]),
        (
            "top",
            [
                "profile 'top' (~/.aws/config:10)",
                f"role '{ROLE}' of profile 'top' (~/.aws/config:11), with source_profile (~/.aws/config:12)",
                DEV,
                BASE,
            ],
        ),
        ("command", ["profile 'command' (~/.aws/config:14)", "credential_process (~/.aws/config:15)"]),
        (
            "pod",
            [
                "profile 'pod' (~/.aws/config:17)",
                f"role '{ROLE}' (~/.aws/config:18)",
                "token file ~/token (~/.aws/config:19)",
            ],
        ),
        (
            "task",
            [
                "profile 'task' (~/.aws/config:21)",
                f"role '{ROLE}' of profile 'task' (~/.aws/config:22), with credential_source (~/.aws/config:23)",
            ],
        ),
        (
            "signed-in",
            [
                "profile 'signed-in' (~/.aws/config:25)",
                SESSION,
                f"token file {CORP}",
            ],
        ),
        ("broken", ["profile 'broken' (~/.aws/config:33)"]),
        ("missing", ["~/.aws/config and ~/.aws/credentials (which does not exist)"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_profile(profile: str, expected: list[str], machine: FakeAWS, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile, found or failed, is told with its line, the roles on top of each other, and what they stand on."""
    assert places(capsys, profile) == expected


def test_console_login(machine: FakeAWS, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A console login is told with its line, and its token file with what says where that is."""
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", "~/logins")
    first, second, third = places(capsys, "console")
    assert (first, second) == ("profile 'console' (~/.aws/config:30)", "login_session (~/.aws/config:31)")
    assert third.startswith("token file ~/logins/")
    assert third.endswith(".json (AWS_LOGIN_CACHE_DIRECTORY)")


def test_environment(aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys in the environment are told by the variables that are set, half a pair, too; an account alone is nothing."""
    monkeypatch.setenv("AWS_ACCOUNT_ID", "123456789012")
    assert asked(capsys)[0]["places"] == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    assert asked(capsys)[0]["places"] == ["AWS_ACCESS_KEY_ID, AWS_ACCOUNT_ID (environment)"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{CANARY}-secret")
    (source,) = asked(capsys)
    assert source["places"] == ["AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ACCOUNT_ID (environment)"]


def test_container(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a container's URL only the origin is told, with the variables: its path may be as good as the keys."""
    variables = fake_aws.container_environ()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    source = asked(capsys)[-1]
    assert source["outcome"] == "found"
    origin = "/".join(fake_aws.container_url.split("/")[:3])
    assert source["places"] == [
        f"{origin} (from AWS_CONTAINER_CREDENTIALS_FULL_URI)",
        "with the token from AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ]
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{origin}/{CANARY}?{CANARY}")
    failed = asked(capsys)[-1]
    assert (failed["outcome"], failed["places"]) == ("failed", source["places"])
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://elsewhere.example.com/{CANARY}")
    assert asked(capsys)[-1]["places"][0] == "AWS_CONTAINER_CREDENTIALS_FULL_URI"  # it may not be asked


def test_metadata(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EC2 metadata is told with its endpoint, and with what names that; switched off, it has none."""
    assert asked(capsys)[-1]["places"] == []
    for name, value in fake_aws.metadata_environ().items():
        monkeypatch.setenv(name, value)
    source = asked(capsys)[-1]
    assert source["outcome"] == "found"
    endpoint = fake_aws.metadata_url.rstrip("/")
    assert source["places"] == [f"{endpoint} (from AWS_EC2_METADATA_SERVICE_ENDPOINT)"]


def test_token_file(aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A token file of the environment is told with its path, its role, and both variables."""
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "~/token")
    source = asked(capsys)[-1]
    assert source["outcome"] == "failed"
    assert source["places"] == [f"role '{ROLE}' (AWS_ROLE_ARN)", "token file ~/token (AWS_WEB_IDENTITY_TOKEN_FILE)"]


def test_default_profile_that_is_only_a_sign_in(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The chain's SSO is told like any profile's; where a profile is named it does not look, and names no place."""
    section = "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
    write_config(aws_isolated, f"[default]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = R\n{section}")
    source = asked(capsys)[-1]
    assert (source["outcome"], source["places"][0]) == ("failed", "profile 'default' (~/.aws/config:1)")
    assert source["places"][-1] == f"token file {CORP}"
    write_config(aws_isolated, "[profile plain]\nregion = eu-central-1\n")
    shared, sso, *_ = asked(capsys, "--profile", "plain")
    assert (shared["places"], sso["places"]) == (["profile 'plain' (~/.aws/config:1)"], [])
