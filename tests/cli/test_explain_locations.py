"""``explain`` prints for each source where it looked on this machine, and no secrets."""

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
def profiles_and_services(aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> FakeAWS:
    """Set up a home directory with these profiles, and fake services."""
    ((key, secret),) = fake_aws.keys.items()
    write_config(aws_isolated, FILES.format(key=key, secret=secret))
    (aws_isolated / "token").write_text(f"{CANARY}-unknown-token")  # a missing file is waited for
    for name, value in {**fake_aws.service_environ(), "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    return fake_aws


def tried_sources(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    """Return the sources that were tried, from the JSON document. Check that the text has the same locations."""
    main.run(["explain", "--json", *arguments])
    document = capsys.readouterr().out
    main.run(["explain", *arguments])
    text = capsys.readouterr().out
    sources = [source for source in json.loads(document)["sources"] if source["outcome"] != "not tried"]
    assert CANARY not in document
    assert CANARY not in text
    plain = " ".join(text.split())
    for source in sources:
        label = "found in" if source["outcome"] == "found" else "looked at"
        locations = " ".join(source["locations"])
        assert f"reads {source['reads']} {label + ' ' + locations if locations else ''}".strip() in plain
    return sources


def locations(capsys: pytest.CaptureFixture[str], profile: str) -> list[str]:
    """Return the locations of a selected profile."""
    found: list[str] = tried_sources(capsys, "--profile", profile)[0]["locations"]
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
def test_locations_of_a_profile(
    profile: str, expected: list[str], profiles_and_services: FakeAWS, capsys: pytest.CaptureFixture[str]
) -> None:
    """The locations are the line of the profile, each role of its role chain, and the source at its end."""
    assert locations(capsys, profile) == expected


def test_locations_of_a_console_login(
    profiles_and_services: FakeAWS, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The locations of a console login are its line, and the token file with the variable that sets its directory."""
    monkeypatch.setenv("AWS_LOGIN_CACHE_DIRECTORY", "~/logins")
    first, second, third = locations(capsys, "console")
    assert (first, second) == ("profile 'console' (~/.aws/config:30)", "login_session (~/.aws/config:31)")
    assert third.startswith("token file ~/logins/")
    assert third.endswith(".json (AWS_LOGIN_CACHE_DIRECTORY)")


def test_locations_of_environment_variables(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The locations are the key variables that are set, also if one is missing; an account id alone is none."""
    monkeypatch.setenv("AWS_ACCOUNT_ID", "123456789012")
    assert tried_sources(capsys)[0]["locations"] == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    assert tried_sources(capsys)[0]["locations"] == ["AWS_ACCESS_KEY_ID, AWS_ACCOUNT_ID (environment)"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{CANARY}-secret")
    (source,) = tried_sources(capsys)
    assert source["locations"] == ["AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ACCOUNT_ID (environment)"]


def test_location_of_a_container_is_its_origin(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the URL of a container only the origin is printed, because its path may be secret."""
    variables = fake_aws.container_environ()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    source = tried_sources(capsys)[-1]
    assert source["outcome"] == "found"
    origin = "/".join(fake_aws.container_url.split("/")[:3])
    assert source["locations"] == [
        f"{origin} (from AWS_CONTAINER_CREDENTIALS_FULL_URI)",
        "with the token from AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ]
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{origin}/{CANARY}?{CANARY}")
    failed = tried_sources(capsys)[-1]
    assert (failed["outcome"], failed["locations"]) == ("failed", source["locations"])
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://elsewhere.example.com/{CANARY}")
    # Requests to that host are not allowed, so nothing of the URL is printed.
    assert tried_sources(capsys)[-1]["locations"][0] == "AWS_CONTAINER_CREDENTIALS_FULL_URI"


def test_location_of_metadata_is_its_endpoint(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The location of EC2 metadata is its endpoint and the variable that sets it; if disabled, there is none."""
    assert tried_sources(capsys)[-1]["locations"] == []
    for name, value in fake_aws.metadata_environ().items():
        monkeypatch.setenv(name, value)
    source = tried_sources(capsys)[-1]
    assert source["outcome"] == "found"
    endpoint = fake_aws.metadata_url.rstrip("/")
    assert source["locations"] == [f"{endpoint} (from AWS_EC2_METADATA_SERVICE_ENDPOINT)"]


def test_locations_of_a_token_file(
    profiles_and_services: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The locations of a token file are its path, the role, and both variables."""
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "~/token")
    source = tried_sources(capsys)[-1]
    assert source["outcome"] == "failed"
    assert source["locations"] == [f"role '{ROLE}' (AWS_ROLE_ARN)", "token file ~/token (AWS_WEB_IDENTITY_TOKEN_FILE)"]


def test_default_profile_with_sso_settings_only(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SSO of the default profile has the locations of a profile. If a profile is selected, that provider has none."""
    section = "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
    write_config(aws_isolated, f"[default]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = R\n{section}")
    source = tried_sources(capsys)[-1]
    assert (source["outcome"], source["locations"][0]) == ("failed", "profile 'default' (~/.aws/config:1)")
    assert source["locations"][-1] == f"token file {CORP}"
    write_config(aws_isolated, "[profile plain]\nregion = eu-central-1\n")
    shared, sso, *_ = tried_sources(capsys, "--profile", "plain")
    assert (shared["locations"], sso["locations"]) == (["profile 'plain' (~/.aws/config:1)"], [])
