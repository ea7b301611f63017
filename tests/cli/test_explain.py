"""``explain`` prints where credentials are looked for, the results and what to do next, and no secrets."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anycreds._cli import main
from anycreds._config.settings import _warn_of_old_name
from anycreds._factories.default_chain import (
    CHAIN_WITH_PROFILE,
    CHAIN_WITHOUT_PROFILE,
    CONTAINER,
    ENVIRONMENT,
    INSTANCE_METADATA,
    SHARED_FILES,
    SSO,
    ChainEntry,
)
from anycreds._providers.chain import IGNORED_KEYS
from anycreds.testing import CANARY, FakeAWS, Forever, Hang, ResetAfter, Status

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret"}
SSO_CONFIG = (
    "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\nregion = eu-central-1\n"
    "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
)


def explain(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit status, and the text with all white space as single blanks."""
    status = main.run(["explain", *arguments])
    output = capsys.readouterr()
    assert output.err == ""
    assert CANARY not in output.out
    return status, " ".join(output.out.split())


def explain_as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Return the exit status and the JSON document."""
    status = main.run(["explain", "--json", *arguments])
    text = capsys.readouterr().out
    assert CANARY not in text
    return status, json.loads(text)


def numbered(entry: ChainEntry, chain: tuple[ChainEntry, ...] = CHAIN_WITHOUT_PROFILE) -> str:
    """Return the number and the title of a provider in the text."""
    return f"{chain.index(entry) + 1}. {entry.title}"


def split_at(sources: list[Any], entry: ChainEntry) -> tuple[list[Any], Any, list[Any]]:
    """Return the sources of a document before a provider, its own, and those after it."""
    index = [source["name"] for source in sources].index(entry.name)
    return sources[:index], sources[index], sources[index + 1 :]


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def config(home: Path, text: str) -> None:
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text(text)


def test_keys_in_the_environment(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys in the environment are found, the other providers are not tried, and the region has its origin."""
    set_variables(monkeypatch, {**KEYS, "AWS_REGION": "eu-west-1"})
    status, text = explain(capsys)
    assert status == 0
    assert f"{numbered(ENVIRONMENT)}: FOUND" in text
    assert text.count("NOT TRIED") == len(CHAIN_WITHOUT_PROFILE) - 1
    assert "Credentials found: AKIDENV, from environment variables They do not expire." in text
    assert "requests to AWS STS are sent to https://sts.eu-west-1.amazonaws.com (region eu-west-1, AWS_REGION)" in text


def test_few_modules_are_imported_for_environment_keys(aws_isolated: Path) -> None:
    """With keys in the environment no event loop is imported, although the shared files are read."""
    config(aws_isolated, "[default]\nregion = eu-north-1\n")
    text, names = run_program("from anycreds.__main__ import main; main(['explain'])")
    assert "FOUND" in text
    assert "https://sts.eu-north-1.amazonaws.com" in text
    heavy = {"asyncio", "difflib", "httpx", "json", "socket", "ssl", "subprocess", "trio"}
    assert (names - run_program("import anyio")[1]) & heavy == set()


def run_program(program: str) -> tuple[str, set[str]]:
    """Run a program with the keys. Return its output, and the names of the modules that it imports."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    text, _, names = done.stdout.strip().rpartition("\n")
    return text, set(names.split())


@pytest.mark.parametrize("half", KEYS)
def test_one_of_two_key_variables(
    half: str, aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If one of the two variables is missing, the first provider fails, and no other is tried."""
    monkeypatch.setenv(half, KEYS[half])
    status, text = explain(capsys)
    assert status == 1
    assert f"{numbered(ENVIRONMENT)}: FAILED" in text
    assert text.count("NOT TRIED") == len(CHAIN_WITHOUT_PROFILE) - 1


def test_missing_profile(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt profile fails with similar names, and a note says that environment keys are ignored."""
    config(aws_isolated, "[profile production]\nregion = eu-west-1\n")
    set_variables(monkeypatch, {**KEYS, "AWS_PROFILE": "prodution"})
    status, text = explain(capsys)
    assert status == 1
    assert "profile 'prodution' is selected by AWS_PROFILE, so the shared files come first" in text
    assert f"{numbered(SHARED_FILES, CHAIN_WITH_PROFILE)}: FAILED" in text
    assert "did you mean 'production'?" in text
    assert f"Note: {IGNORED_KEYS % 'AWS_PROFILE'}" in text
    assert text.count("NOT TRIED") == len(CHAIN_WITH_PROFILE) - 1
    assert (
        "No credentials found: profile 'prodution' does not exist. What you can do: - did you mean 'production'? "
        "- select an existing profile: 'production' - create this profile: aws configure sso --profile prodution "
        "- select no profile: unset AWS_PROFILE"
    ) in text


def test_old_profile_variable(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile that ``AWS_DEFAULT_PROFILE`` selects comes first, and a note names the new variable."""
    _warn_of_old_name.cache_clear()
    config(aws_isolated, "[profile dev]\naws_access_key_id = AKIDFILE\naws_secret_access_key = canary\n")
    set_variables(monkeypatch, {"AWS_DEFAULT_PROFILE": "dev"})
    status, text = explain(capsys)
    assert status == 0
    assert "profile 'dev' is selected by AWS_DEFAULT_PROFILE, so the shared files come first" in text
    assert "Note: AWS_DEFAULT_PROFILE is the old name of AWS_PROFILE" in text


def test_environment_keys_behind_a_profile_without_credentials(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Environment keys are found behind a selected profile without credentials, and no note says they are ignored."""
    config(aws_isolated, "[profile dev]\nregion = eu-west-1\n")
    set_variables(monkeypatch, {**KEYS, "AWS_PROFILE": "dev"})
    status, text = explain(capsys)
    assert status == 0
    assert f"{numbered(ENVIRONMENT, CHAIN_WITH_PROFILE)}: FOUND" in text
    assert "are ignored" not in text


def test_missing_profile_of_an_option(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a missing profile of the option the steps name the option; special characters are quoted."""
    status, text = explain(capsys, "--profile", "a b")
    assert status == 1
    assert "profile 'a b' is selected by --profile, so the shared files come first" in text
    assert "- create this profile: aws configure sso --profile 'a b' - select no profile: leave out --profile" in text
    assert "it is selected by --profile" in text
    assert explain_as_json(capsys, "--profile", "a b")[1]["profile"]["origin"] == "--profile"
    text = explain(capsys, "--profile", "a\x1b[31m")[1]
    assert "does not exist. What you can do: - select no profile: leave out --profile" in text
    assert "\x1b" not in text


def test_missing_source(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile that refers to a missing one fails with its own error, and the hint is the next step."""
    config(aws_isolated, "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = bose\n[profile base]\n")
    text = explain(capsys)[1]
    assert (
        "Shared config and credentials files is configured, but failed. What you can do: - did you mean 'base'?" in text
    )


def test_expired_sso_session(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For an expired session the text and the document have the command that signs in."""
    config(aws_isolated, SSO_CONFIG)
    status, text = explain(capsys)
    assert status == 1
    assert f"{numbered(SSO)}: FAILED" in text
    assert "run: aws sso login --profile default" in text
    status, document = explain_as_json(capsys)
    before, failed, after = split_at(document["sources"], SSO)
    assert {source["outcome"] for source in before} == {"not configured"}
    assert {source["outcome"] for source in after} == {"not tried"}
    assert (failed["outcome"], failed["error"]) == ("failed", "LoginRequiredError")
    assert failed["command"] == "aws sso login --profile default"


def test_profile_section_without_the_word_profile(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For ``[dev]`` in the config file the first step is to write ``[profile dev]``."""
    config(aws_isolated, "[dev]\nregion = eu-west-1\n")
    text = explain(capsys, "--profile", "dev")[1]
    assert "profile 'dev' does not exist. What you can do: - write [profile dev] - create this profile" in text


def test_every_source_has_a_stable_name(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the JSON document each source has the same name, whether it is found, failed, not configured or not tried."""
    names = [entry.name for entry in CHAIN_WITHOUT_PROFILE]
    document = explain_as_json(capsys)[1]
    assert [source["name"] for source in document["sources"]] == names
    assert {"environment", "sso", "web-identity-token-file", "shared-files", "container", "imds"} <= set(names)
    set_variables(monkeypatch, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9"})
    document = explain_as_json(capsys)[1]
    assert [source["name"] for source in document["sources"]] == names
    _, container, after = split_at(document["sources"], CONTAINER)
    assert container["outcome"] == "failed"
    assert {source["outcome"] for source in after} == {"not tried"}
    set_variables(monkeypatch, KEYS)
    document = explain_as_json(capsys)[1]
    assert [source["name"] for source in document["sources"]] == names
    set_variables(monkeypatch, {"AWS_PROFILE": "dev"})
    document = explain_as_json(capsys)[1]
    assert [source["name"] for source in document["sources"]] == [entry.name for entry in CHAIN_WITH_PROFILE]


def test_warnings_of_the_library_are_notes(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings are printed as notes, and not logged; the handlers of the logger are unchanged afterwards."""
    handlers = list(logging.getLogger("anycreds").handlers)
    config(aws_isolated, "[default]\naws_access_key_id = A\naws_secret_access_key = b\n[profile other]\nbroken\n")
    text = explain(capsys)[1]
    assert "Note: ~/.aws/config:5: " in text
    assert logging.getLogger("anycreds").handlers == handlers


def test_nothing_is_configured(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If nothing is configured, each provider says what it looked for, and the end says what a new user can do."""
    status, text = explain(capsys)
    assert status == 1
    count = len(CHAIN_WITHOUT_PROFILE)
    assert text.count("NOT CONFIGURED") == count
    assert "EC2 metadata is disabled by AWS_EC2_METADATA_DISABLED" in text
    assert "hop-limit" not in text
    assert f"No credentials found: none of {count} providers has credentials configured. What you can do:" in text
    assert "aws login" in text
    status, document = explain_as_json(capsys)
    assert (status, document["credentials"]) == (1, None)
    assert document["profile"] == {"name": "default", "origin": "the default", "selected_explicitly": False}
    assert document["sts"] == {
        "host": "https://sts.us-east-1.amazonaws.com",
        "origin": "region us-east-1, the default",
    }


@pytest.mark.parametrize("fault", [Hang(), ResetAfter(0)], ids=["silent", "reset"])
def test_silent_metadata_service_suggests_the_hop_limit(
    fault: Hang | ResetAfter,
    aws_isolated: Path,
    fake_aws: FakeAWS,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If the metadata service never responds, as with a hop limit of 1, the steps have the command that fixes it."""
    set_variables(monkeypatch, {**fake_aws.metadata_environ(), "AWS_METADATA_SERVICE_TIMEOUT": "0.05"})
    fake_aws.script("token", Forever(fault))
    status, text = explain(capsys)
    assert status == 1
    assert f"{numbered(INSTANCE_METADATA)}: NOT CONFIGURED" in text
    assert "not an EC2 instance" not in text
    steps = text.partition("What you can do:")[2]
    assert "HttpPutResponseHopLimit" in steps
    assert "aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2" in steps


def test_no_role_attached(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For an instance without a role the reason says so."""
    set_variables(monkeypatch, fake_aws.metadata_environ())
    fake_aws.role_name = None
    text = explain(capsys)[1]
    assert "no role attached to this EC2 instance hint attach one: aws ec2 associate-iam-instance-profile" in text
    assert "hop-limit" not in text


def test_role_of_the_instance(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Credentials that were found are printed with their source and expiration."""
    set_variables(monkeypatch, fake_aws.metadata_environ())
    status, text = explain(capsys)
    assert status == 0
    assert "from EC2 instance metadata They expire at" in text
    assert "in 5 h 59 min" in text or "in 6 h 0 min" in text
    fake_aws.script("role", Status(500))
    assert explain(capsys)[0] == 1


def test_invalid_region(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid region is printed with its origin."""
    config(aws_isolated, "[default]\nregion = evil.example/\n[profile other]\nbroken\n")
    set_variables(monkeypatch, KEYS)
    text = explain(capsys)[1]
    assert "Region: the region from ~/.aws/config:2 cannot be a part of a host name" in text


def test_region_of_the_profile(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The region of the profile precedes ``AWS_REGION`` only if the credentials are those of the profile."""
    keys = "aws_access_key_id = AKIDFILE\naws_secret_access_key = secret\n"
    config(aws_isolated, f"[default]\nregion = eu-north-1\n{keys}")
    set_variables(monkeypatch, {"AWS_REGION": "eu-west-1"})
    assert "https://sts.eu-north-1.amazonaws.com (region eu-north-1, ~/.aws/config:2)" in explain(capsys)[1]
    set_variables(monkeypatch, KEYS)
    assert "https://sts.eu-west-1.amazonaws.com (region eu-west-1, AWS_REGION)" in explain(capsys)[1]


def test_characters_that_cannot_be_encoded_are_escaped(aws_isolated: Path) -> None:
    """If the encoding of the output lacks a character, as in a minimal container, an escape is printed."""
    done = subprocess.run(
        [sys.executable, "-m", "anycreds", "explain", "--profile", "pr\u00f6d"],
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "profile 'pr\\xf6d'" in done.stdout


def test_as_a_program(aws_isolated: Path) -> None:
    """``python -m anycreds explain`` runs without warnings, and exits with 1 if there are no credentials."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "anycreds", "explain"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "What you can do:" in done.stdout
