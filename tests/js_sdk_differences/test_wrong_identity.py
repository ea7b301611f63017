"""Configuration errors that must never end in the credentials of another identity."""

from __future__ import annotations

import pytest

import anycreds
import anycreds._system.http
from anycreds import (
    ClientContext,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    ProfileLoopError,
    ProfileNotFoundError,
    RetrievalError,
)
from anycreds.testing import CANARY, FakeAWS, Forever, Status
from js_sdk_differences.backends import once
from js_sdk_differences.environment import LOGIN, ROLE, Machine, error_of, key_lines, keys

pytestmark = pytest.mark.anyio

EXPIRED = (
    f'{{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "{CANARY}", "Expiration": "2020-01-01T00:00:00Z"}}'
)
LOOP = f"[profile work]\nrole_arn = {ROLE}\nsource_profile = b\n[profile b]\nrole_arn = {ROLE}\nsource_profile = work\n"


@pytest.fixture
def other_identities(aws: FakeAWS, machine: Machine) -> FakeAWS:
    """Configure other identities too: a pod's role by its token file, and an instance's role by EC2 metadata."""
    machine.web_identity(aws.web_identity_token())
    machine.environ(aws.metadata_environ())
    return aws


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        pytest.param("", ProfileNotFoundError, id="missing"),
        pytest.param(LOOP, ProfileLoopError, id="loop"),
        pytest.param(f"[profile work]\nrole_arn = {ROLE}\nsource_profile = b\n", ProfileNotFoundError, id="no source"),
    ],
)
@pytest.mark.parametrize("by", ["argument", "variable"])
@once
async def test_explicit_profile_is_never_replaced(
    config: str, kind: type[InvalidConfigurationError], by: str, other_identities: FakeAWS, machine: Machine
) -> None:
    """An explicitly selected profile that cannot be used is an error; no other source is called."""
    machine.config(config)
    if by == "variable":
        machine.environ({"AWS_PROFILE": "work"})
    error = await error_of(anycreds.from_default_chain("work" if by == "argument" else None))
    assert type(error) is kind
    assert other_identities.count() == 0


@pytest.mark.parametrize(
    ("command", "kind"),
    [("exit 3", RetrievalError), (f"echo '{EXPIRED}'", RetrievalError), ("echo '{}'", MalformedResponseError)],
    ids=["fails", "expired", "empty"],
)
async def test_failing_credential_process_stops_the_chain(
    command: str, kind: type[RetrievalError], aws: FakeAWS, machine: Machine
) -> None:
    """A ``credential_process`` that fails or prints expired credentials stops the chain."""
    machine.environ(aws.metadata_environ())
    machine.config(f"[default]\ncredential_process = {command}\n")
    assert isinstance(await error_of(anycreds.from_default_chain()), kind)
    assert aws.count() == 0


async def test_failing_login_refresh_stops_the_chain(aws: FakeAWS, machine: Machine) -> None:
    """A failed refresh of an expired login is the error; the instance's role is not used instead."""
    machine.environ({**aws.metadata_environ(), "AWS_MAX_ATTEMPTS": "1"})
    machine.config(f"[default]\nlogin_session = {LOGIN}\n")
    machine.login(aws.login_token(expires_in=-1))
    aws.script("sign-in token", Forever(Status(502)))
    error = await error_of(anycreds.from_default_chain())
    assert isinstance(error, RetrievalError)
    assert not isinstance(error, LoginRequiredError)  # the session may still be valid
    assert error.status == 502
    assert aws.count() == aws.count("sign-in token") == 1


@pytest.mark.parametrize("sources", ["", "source_profile = b\ncredential_source = Environment\n"], ids=["none", "both"])
@once
async def test_role_needs_exactly_one_source(sources: str, aws: FakeAWS, machine: Machine) -> None:
    """Access keys in a profile with a role but without exactly one source are never returned as the role's."""
    machine.config(f"[profile work]\nrole_arn = {ROLE}\n{sources}{keys(aws)}[profile b]\n{keys(aws)}")
    error = await error_of(anycreds.from_ini("work"))
    assert isinstance(error, InvalidConfigurationError)
    assert "~/.aws/config:2" in str(error)
    assert aws.count() == 0


@once
async def test_keys_of_two_files_are_not_mixed(machine: Machine) -> None:
    """New access keys are not combined with the session token or account of the keys in the other file."""
    old = f"{key_lines('AKIDOLD')}aws_session_token = {CANARY}-old\naws_account_id = 111111111111\n"
    machine.config(f"[profile work]\n{old}region = eu-west-1\n")
    machine.credentials(f"[work]\n{key_lines('AKIDNEW')}")
    found = await anycreds.from_ini("work")()
    assert (found.access_key_id, found.session_token, found.account_id) == ("AKIDNEW", None, None)


async def test_explicit_uri_beats_the_environment(aws: FakeAWS, machine: Machine) -> None:
    """``from_http`` with options calls their URI with their token, whatever the container's variables are."""
    machine.environ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/elsewhere"})
    machine.environ({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(machine.write("t", f"{CANARY}-other"))})
    found = await anycreds.from_http(full_uri=aws.container_url, authorization_token=aws.container_token)()
    assert found.access_key_id.startswith("ASIA")
    assert aws.count() == aws.count("container") == 1


@pytest.mark.parametrize("variable", ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
@once
async def test_ambient_token_is_not_sent_to_an_explicit_uri(variable: str, aws: FakeAWS, machine: Machine) -> None:
    """The container's authorization token is not sent to a URI that was passed as an option."""
    token = aws.container_token
    machine.environ({variable: str(machine.write("t", token)) if variable.endswith("FILE") else token})
    error = await error_of(anycreds.from_http(full_uri=aws.container_url))
    assert isinstance(error, RetrievalError)
    assert error.code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("by", ["argument", "variable", "client context"])
@once
async def test_explicit_profile_beats_environment_keys(by: str, machine: Machine) -> None:
    """A profile selected by argument, variable or client context beats access keys in the environment."""
    machine.environ({"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-env"})
    machine.config(f"[profile work]\n{key_lines('AKIDWORK')}")
    if by == "variable":
        machine.environ({"AWS_PROFILE": "work"})
    chain = anycreds.from_default_chain("work" if by == "argument" else None)
    found = await (chain.for_client(ClientContext(profile="work")) if by == "client context" else chain)()
    assert found.access_key_id == "AKIDWORK"


@once
async def test_unused_keys_are_logged_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """Access keys in the other file, which are not used, are logged as one warning with file and line."""
    machine.config(f"[profile work]\nregion = eu-west-1\n{key_lines('AKIDOLD')}")
    machine.credentials(f"[work]\n{key_lines('AKIDNEW')}")
    provider = anycreds.from_ini("work")
    await provider()
    await provider()
    assert [record.levelname for record in caplog.records if "~/.aws/config:3" in record.getMessage()] == ["WARNING"]
