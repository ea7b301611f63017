"""js-sdk 14.1: where JavaScript goes on to another identity in silence, ours stops, or takes the one that was meant."""

from __future__ import annotations

import pytest

import anycreds
from anycreds import (
    ClientContext,
    Credentials,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    ProfileLoopError,
    ProfileNotFoundError,
    RetrievalError,
)
from anycreds.testing import CANARY, FakeAWS, Forever, Status
from js_sdk_differences.backends import once
from js_sdk_differences.environment import LOGIN, OTHER_ROLE, ROLE, Machine, error_of, key_lines, keys
from support.raw_http_server import httpx_loaded  # noqa: F401

pytestmark = pytest.mark.anyio

EXPIRED = (
    f'{{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "{CANARY}", "Expiration": "2020-01-01T00:00:00Z"}}'
)
LOOP = f"[profile work]\nrole_arn = {ROLE}\nsource_profile = b\n[profile b]\nrole_arn = {ROLE}\nsource_profile = work\n"


@pytest.fixture
def elsewhere(aws: FakeAWS, machine: Machine) -> FakeAWS:
    """Let other identities lie around: a pod's role by its token file, and an instance's by EC2 metadata."""
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
async def test_14_1_a_named_profile_is_never_replaced(
    config: str, kind: type[InvalidConfigurationError], by: str, elsewhere: FakeAWS, machine: Machine
) -> None:
    """A profile that somebody named and that cannot be used is an error; nothing else is asked."""
    machine.config(config)
    if by == "variable":
        machine.environ({"AWS_PROFILE": "work"})
    error = await error_of(anycreds.from_default_chain("work" if by == "argument" else None))
    assert type(error) is kind
    assert elsewhere.count() == 0


@pytest.mark.parametrize(
    ("command", "kind"),
    [("exit 3", RetrievalError), (f"echo '{EXPIRED}'", RetrievalError), ("echo '{}'", MalformedResponseError)],
    ids=["fails", "ended", "nothing"],
)
async def test_14_2_a_command_that_fails_stops_the_chain(
    command: str, kind: type[RetrievalError], aws: FakeAWS, machine: Machine
) -> None:
    """A profile whose command fails, or prints a set that has ended, said where credentials come from: nowhere else."""
    machine.environ(aws.metadata_environ())
    machine.config(f"[default]\ncredential_process = {command}\n")
    assert isinstance(await error_of(anycreds.from_default_chain()), kind)
    assert aws.count() == 0


async def test_14_2_a_login_that_cannot_be_renewed_stops_the_chain(aws: FakeAWS, machine: Machine) -> None:
    """A login that has ended, and whose refresh fails on the way, is that error, and not an instance's role."""
    machine.environ({**aws.metadata_environ(), "AWS_MAX_ATTEMPTS": "1"})
    machine.config(f"[default]\nlogin_session = {LOGIN}\n")
    machine.login(aws.login_token(expires_in=-1))
    aws.script("sign-in token", Forever(Status(502)))
    error = await error_of(anycreds.from_default_chain())
    assert isinstance(error, RetrievalError)
    assert not isinstance(error, LoginRequiredError)  # the session may be good: nobody is sent to sign in again
    assert error.status == 502
    assert aws.count() == aws.count("sign-in token") == 1


@pytest.mark.parametrize("sources", ["", "source_profile = b\ncredential_source = Environment\n"], ids=["none", "both"])
@once
async def test_14_3_a_role_without_one_source_is_an_error(sources: str, aws: FakeAWS, machine: Machine) -> None:
    """Keys beside a role that has no source, or two, are never handed out as if they were the role's."""
    machine.config(f"[profile work]\nrole_arn = {ROLE}\n{sources}{keys(aws)}[profile b]\n{keys(aws)}")
    error = await error_of(anycreds.from_ini("work"))
    assert isinstance(error, InvalidConfigurationError)
    assert "~/.aws/config:2" in str(error)
    assert aws.count() == 0


@once
async def test_14_4_keys_come_from_one_file_together(machine: Machine) -> None:
    """Fresh keys are not paired with an old session token, or the account of other keys, out of the other file."""
    old = f"{key_lines('AKIDOLD')}aws_session_token = {CANARY}-old\naws_account_id = 111111111111\n"
    machine.config(f"[profile work]\n{old}region = eu-west-1\n")
    machine.credentials(f"[work]\n{key_lines('AKIDNEW')}")
    found = await anycreds.from_ini("work")()
    assert (found.access_key_id, found.session_token, found.account_id) == ("AKIDNEW", None, None)


async def test_14_5_an_explicit_uri_beats_the_environment(aws: FakeAWS, machine: Machine) -> None:
    """What the program names is asked, whatever a container's variables name; and with its own token."""
    machine.environ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/elsewhere"})
    machine.environ({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(machine.write("t", f"{CANARY}-other"))})
    found = await anycreds.from_http(full_uri=aws.container_url, authorization_token=aws.container_token)()
    assert found.access_key_id.startswith("ASIA")
    assert aws.count() == aws.count("container") == 1


@pytest.mark.parametrize("variable", ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
@once
async def test_14_5_an_ambient_token_stays_at_home(variable: str, aws: FakeAWS, machine: Machine) -> None:
    """The container's token is not sent to an address that the program names; that answers that it got none."""
    token = aws.container_token
    machine.environ({variable: str(machine.write("t", token)) if variable.endswith("FILE") else token})
    error = await error_of(anycreds.from_http(full_uri=aws.container_url))
    assert isinstance(error, RetrievalError)
    assert error.code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("by", ["argument", "variable", "caller"])
@once
async def test_14_6_one_rule_for_every_way_to_name_a_profile(by: str, machine: Machine) -> None:
    """A profile beats the keys of the environment, whoever named it: the program, the variable, or the client."""
    machine.environ({"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-env"})
    machine.config(f"[profile work]\n{key_lines('AKIDWORK')}")
    if by == "variable":
        machine.environ({"AWS_PROFILE": "work"})
    chain = anycreds.from_default_chain("work" if by == "argument" else None)
    found = await (chain.for_client(ClientContext(profile="work")) if by == "caller" else chain)()
    assert found.access_key_id == "AKIDWORK"


async def test_14_7_a_pods_role_beats_a_stray_default_profile(aws: FakeAWS, machine: Machine) -> None:
    """On EKS the token file that the pod was given comes before keys in a ``default`` profile; the set says so."""
    machine.config(f"[default]\n{key_lines('AKIDSTRAY')}")
    machine.web_identity(aws.web_identity_token())
    found = await anycreds.from_default_chain()()
    assert found.source == "web identity"
    assert aws.count("web identity") == 1


@pytest.mark.parametrize(
    "setting", ["endpoint_url = http://127.0.0.1:9", "use_fips_endpoint = true", "max_attempts = x"]
)
async def test_14_8_all_of_a_profile_comes_from_that_profile(setting: str, aws: FakeAWS, machine: Machine) -> None:
    """How STS is called for a profile is what that profile says, in the files that were named; no other counts."""
    machine.without("AWS_ENDPOINT_URL")
    machine.environ({"AWS_PROFILE": "ambient"})
    machine.config(f"[default]\n{setting}\n[profile ambient]\n{setting}\n[profile work]\n{setting}\n")
    mine = f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\nregion = eu-west-3\nendpoint_url = "
    named = machine.write("mine", f"[default]\n{setting}\n{mine}{aws.service_url}\n[profile base]\n{keys(aws)}")
    found = await anycreds.from_ini("work", config_filepath=str(named))()
    assert isinstance(found, Credentials)
    (asked,) = aws.exchanges
    assert asked.signed_for is not None
    assert asked.signed_for.region == "eu-west-3"
    assert OTHER_ROLE != asked.parameters["RoleArn"] == ROLE


@once
async def test_14_4_unused_keys_are_told(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """That the other file has keys too, which are not used, is a warning with file and line, once."""
    machine.config(f"[profile work]\nregion = eu-west-1\n{key_lines('AKIDOLD')}")
    machine.credentials(f"[work]\n{key_lines('AKIDNEW')}")
    provider = anycreds.from_ini("work")
    await provider()
    await provider()
    told = [record for record in caplog.records if "~/.aws/config:3" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]
