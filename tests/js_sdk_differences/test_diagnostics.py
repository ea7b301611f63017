"""js-sdk 14.4: where JavaScript hides the cause, names none or prints secrets, ours says what, where and what to do."""

from __future__ import annotations

import logging

import pytest

import anycreds
from anycreds import (
    ClientConfig,
    ConfigParseError,
    Credentials,
    CredentialsError,
    InvalidConfigurationError,
    MalformedResponseError,
    NoCredentialsError,
    NotConfiguredError,
    RetrievalError,
)
from anycreds.testing import CANARY, Body, FakeAWS, Forever, MemoryNetwork, Refuse, VirtualClock
from js_sdk_differences.backends import once, virtual
from js_sdk_differences.environment import DEVICE, ROLE, Machine, Routes, error_of, key_lines, keys
from support.raw_http_server import httpx_loaded  # noqa: F401

pytestmark = pytest.mark.anyio

EKS = "169.254.170.23"
CHAIN = ("environment variables", "SSO", "web identity", "shared files", "container credentials")


def role(lines: str, aws: FakeAWS) -> str:
    """Return a config file with a profile ``work`` for a role; the lines come third."""
    return f"[profile work]\nrole_arn = {ROLE}\n{lines}\nsource_profile = base\n[profile base]\n{keys(aws)}"


async def test_14_25_every_cause_is_told(machine: Machine) -> None:
    """The error of a chain has one record for each provider: its name, why it has nothing, and how long that took."""
    error = await error_of(anycreds.from_default_chain())
    assert isinstance(error, NoCredentialsError)
    assert [attempt.provider for attempt in error.attempts] == [*CHAIN, "EC2 instance metadata"]
    for attempt in error.attempts:
        assert attempt.reason in str(error)
        assert isinstance(attempt.error, NotConfiguredError)
    assert "AWS_EC2_METADATA_DISABLED" in error.attempts[-1].reason


@virtual
async def test_14_26_a_container_that_refuses_is_what_is_told(network: MemoryNetwork, machine: Machine) -> None:
    """On EKS the refusal of its agent is the error, with code and message; one client asks, and once."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    network.serve(aws)
    aws.script("container", Forever(Refuse(403, "AccessDeniedException", "the service account has no association")))
    machine.environ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{EKS}/v2/credentials/anycreds"})
    error = await error_of(anycreds.cached(anycreds.from_default_chain(), clock=clock))
    assert isinstance(error, RetrievalError)
    assert (error.status, error.code) == (403, "AccessDeniedException")
    assert "the service account has no association" in str(error)
    assert aws.count() == 1


@once
async def test_14_27_a_missing_session_is_named(machine: Machine) -> None:
    """A profile whose ``sso-session`` section is missing is an error with both names, file, line and a hint."""
    machine.config(
        "[profile dev]\nsso_session = crop\nsso_account_id = 1\nsso_role_name = R\n[sso-session corp]\nx = y\n"
    )
    error = await error_of(anycreds.from_sso("dev"))
    assert isinstance(error, InvalidConfigurationError)
    for told in ("sso-session 'crop'", "profile 'dev'", "~/.aws/config:2", "did you mean 'corp'"):
        assert told in str(error)


@pytest.mark.parametrize("variable", ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"])
@pytest.mark.parametrize("url", ["localhost/x", "http://", "http://[::1", "https://host:port/"])
@once
async def test_14_27_a_bad_url_is_named(variable: str, url: str, machine: Machine) -> None:
    """A text that is no URL is an error that names the variable."""
    machine.environ({"AWS_EC2_METADATA_DISABLED": "false", variable: url})
    error = await error_of(anycreds.from_default_chain())
    assert isinstance(error, InvalidConfigurationError)
    assert variable in str(error)


@pytest.mark.parametrize(
    ("roles", "kind", "told"),
    [(b"", NotConfiguredError, "no role attached"), (b"one\ntwo", MalformedResponseError, "not the name of one role")],
    ids=["none", "two"],
)
async def test_14_27_an_instance_has_one_role(
    roles: bytes, kind: type[CredentialsError], told: str, aws: FakeAWS, machine: Machine
) -> None:
    """An empty list of roles means that there is none; two are an answer that cannot be right."""
    machine.environ(aws.metadata_environ())
    aws.script("role list", Body(roles))
    error = await error_of(anycreds.from_instance_metadata())
    assert type(error) is kind
    assert told in str(error)
    assert aws.count("role") == 0


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b"", b"<html>"])
@once
async def test_14_27_a_body_is_never_taken_on_trust(body: bytes, aws: FakeAWS, machine: Machine) -> None:
    """JSON that is no object, and what is no JSON at all, is a ``MalformedResponseError``."""
    machine.environ({**aws.container_environ(), **aws.metadata_environ()})
    aws.script("container", Body(body))
    aws.script("role", Body(body))
    assert isinstance(await error_of(anycreds.from_container_metadata()), MalformedResponseError)
    assert isinstance(await error_of(anycreds.from_instance_metadata()), MalformedResponseError)


async def test_14_28_what_the_service_says_is_told(aws: FakeAWS, machine: Machine) -> None:
    """Code and message of EC2 metadata's document, and of a container's refusal, are in the error."""
    machine.environ(aws.metadata_environ())
    aws.script("role", Body(b'{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role"}'))
    aws.script("container", Refuse(400, "InvalidTokenException", "this token is of yesterday"))
    error = await error_of(anycreds.from_instance_metadata())
    assert isinstance(error, RetrievalError)
    assert error.code == "AssumeRoleUnauthorizedAccess"
    assert "EC2 cannot assume the role" in str(error)
    assert "trust policy" in str(error)
    error = await error_of(anycreds.from_http(full_uri=aws.container_url))
    assert isinstance(error, RetrievalError)
    assert (error.status, error.code) == (400, "InvalidTokenException")
    assert "this token is of yesterday" in str(error)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("services = nosuch", "services 'nosuch'"),
        ("duration_seconds = abc", "duration_seconds"),
        ("duration_seconds = 3600.5", "duration_seconds"),
        ("duration_seconds = 60", "duration_seconds"),
        ("endpoint_url = sts", "endpoint"),
    ],
)
@once
async def test_14_29_a_wrong_setting_is_an_error(line: str, told: str, aws: FakeAWS, machine: Machine) -> None:
    """A setting that cannot be right is never passed over: the error names it, with file and line."""
    machine.without("AWS_ENDPOINT_URL")
    machine.config(role(line, aws))
    error = await error_of(anycreds.from_ini("work"))
    assert isinstance(error, InvalidConfigurationError)
    assert told in str(error)
    assert "~/.aws/config:3" in str(error)
    assert aws.count() == 0


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "1", "yes"])
@once
async def test_14_29_every_usual_word_for_true_counts(word: str, aws: FakeAWS, machine: Machine) -> None:
    """A switch may be written in any case, and as 1: here it says that the environment's endpoint is not to be used."""
    routes = Routes(aws)
    machine.environ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": word})
    machine.config(role("region = eu-west-1", aws))
    config = ClientConfig(http_client_factory=routes.client)
    await anycreds.from_ini("work", client_config=config)()
    assert routes.hosts == ["sts.eu-west-1.amazonaws.com"]


@pytest.mark.parametrize(
    "bad",
    ["[__proto__]\nx = y\n", "[profile __proto__]\nx = y\n", "[profile bad\nx = y\n", "no equals sign\n", "\x00 = 1\n"],
)
@once
async def test_14_30_a_bad_line_hurts_only_its_own_section(bad: str, machine: Machine) -> None:
    """Whatever stands in one section, and whatever it is called, the others are read."""
    machine.config(f"[profile other]\n{bad}[profile dev]\n{key_lines('AKIDGOOD')}")
    assert (await anycreds.from_ini("dev")()).access_key_id == "AKIDGOOD"


@once
async def test_14_30_a_comment_behind_a_header_needs_no_blank(machine: Machine) -> None:
    """``[dev];x`` is the header of ``dev``, and its keys are not the section's before it."""
    machine.credentials(f"[first]\n{key_lines('AKIDFIRST')}[dev];x\n{key_lines('AKIDDEV')}")
    assert (await anycreds.from_ini("first")()).access_key_id == "AKIDFIRST"
    assert (await anycreds.from_ini("dev")()).access_key_id == "AKIDDEV"


@once
async def test_14_30_a_bad_line_is_told(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """A line that cannot be read is a warning with its number, once, and an error for who uses its section."""
    machine.config(f"[profile dev]\n{key_lines('AKIDGOOD')}[profile other]\nregion eu-west-1\n")
    provider = anycreds.from_ini("dev")
    await provider()
    await provider()
    assert [record.levelname for record in caplog.records if "~/.aws/config:5" in record.getMessage()] == ["WARNING"]
    error = await error_of(anycreds.from_ini("other"))
    assert isinstance(error, ConfigParseError)
    assert (error.path, error.line) == ("~/.aws/config", 5)


async def test_14_31_a_command_is_named_and_not_quoted(machine: Machine) -> None:
    """The error of a command has its program, exit code and place; not its arguments, nor what it wrote to stderr."""
    machine.write("helper", f"echo {CANARY}-stderr >&2\nexit 3\n")
    machine.config(f"[profile dev]\ncredential_process = sh {machine.home}/helper --password {CANARY}-argument\n")
    text = str(await error_of(anycreds.from_ini("dev")))
    for told in ("sh", "exit code 3", "~/.aws/config:2"):
        assert told in text
    assert CANARY not in text
    assert "--password" not in text


async def test_14_32_a_default_region_is_logged_once(
    aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """That no region is configured is said once by a provider, on a logger of the library's."""
    machine.config(role("", aws))
    provider = anycreds.from_ini("work")
    await provider()
    await provider()
    (record,) = [record for record in caplog.records if "us-east-1" in record.getMessage()]
    assert (record.name.partition(".")[0], record.levelname) == ("anycreds", "WARNING")


async def test_14_32a_no_log_holds_a_secret(aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG, those of the HTTP library too, no key, token, code or external id is logged."""
    external, code = "id-of-a-customer", "731946"

    async def told(serial: str) -> str:
        return code

    caplog.set_level(logging.DEBUG)
    aws.roles = {ROLE: {"external_id": external, "mfa_serial": DEVICE, "mfa_codes": [code]}}
    machine.config(role(f"external_id = {external}\nmfa_serial = {DEVICE}\nregion = eu-west-1", aws))
    found = await anycreds.from_ini("work", mfa_code_provider=told)()
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (CANARY, external, code, found.secret_access_key, found.session_token or "-"):
        assert secret not in logged


@once
async def test_14_32a_printing_credentials_shows_no_secret() -> None:
    """However credentials are turned into text, what stands there is no secret."""
    found = Credentials("AKID", f"{CANARY}-secret", f"{CANARY}-session")
    for text in (repr(found), str(found), f"{found}", f"{[found]}", "{0!r}".format(found)):  # noqa: UP030, UP032
        assert "AKID" in text
        assert CANARY not in text


@pytest.mark.parametrize("line", ["use_fips_endpoint = maybe", "max_attempts = many", "use_dualstack_endpoint = 2"])
@once
async def test_14_29_the_key_of_a_wrong_setting_is_named(line: str, aws: FakeAWS, machine: Machine) -> None:
    """The error of a switch or number in a profile names its key, as file and line alone say little."""
    machine.config(role(line, aws))
    error = await error_of(anycreds.from_ini("work"))
    assert "~/.aws/config:3" in str(error)
    assert line.partition(" ")[0] in str(error)


@once
async def test_14_32_nothing_is_printed(
    aws: FakeAWS, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a program that does not configure logging, a warning of ours is not printed to its standard error."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    machine.config(role("", aws))
    await anycreds.from_ini("work")()
    assert capsys.readouterr() == ("", "")
