"""What errors and log records say: the cause, the setting, the next step, and no secret."""

from __future__ import annotations

import logging

import pytest

import anycreds
import anycreds._system.http
from anycreds import (
    ClientConfig,
    ConfigParseError,
    Credentials,
    InvalidConfigurationError,
    MalformedResponseError,
    RetrievalError,
)
from anycreds.testing import CANARY, Body, FakeAWS, Forever, MemoryNetwork, ServiceError, VirtualClock
from js_sdk_differences.backends import once, virtual
from js_sdk_differences.environment import DEVICE, ROLE, Machine, Routes, error_of, key_lines, keys

pytestmark = pytest.mark.anyio

EKS = "169.254.170.23"


def role(lines: str, aws: FakeAWS) -> str:
    """Return a config file with a profile ``work`` for a role; the lines come third."""
    return f"[profile work]\nrole_arn = {ROLE}\n{lines}\nsource_profile = base\n[profile base]\n{keys(aws)}"


@virtual
async def test_container_error_ends_the_chain(network: MemoryNetwork, machine: Machine) -> None:
    """An error response of the EKS agent is the chain's error, with code and message, after one request."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    network.serve(aws)
    aws.script(
        "container", Forever(ServiceError(403, "AccessDeniedException", "the service account has no association"))
    )
    machine.environ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{EKS}/v2/credentials/anycreds"})
    error = await error_of(anycreds.cached(anycreds.from_default_chain(), clock=clock))
    assert isinstance(error, RetrievalError)
    assert (error.status, error.code) == (403, "AccessDeniedException")
    assert "the service account has no association" in str(error)
    assert aws.count() == 1


@pytest.mark.parametrize("variable", ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"])
@pytest.mark.parametrize("url", ["localhost/x", "http://", "http://[::1", "https://host:port/"])
@once
async def test_invalid_url_names_its_variable(variable: str, url: str, machine: Machine) -> None:
    """An invalid URL in a variable is an error that names the variable."""
    machine.environ({"AWS_EC2_METADATA_DISABLED": "false", variable: url})
    error = await error_of(anycreds.from_default_chain())
    assert isinstance(error, InvalidConfigurationError)
    assert variable in str(error)


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"7", b"", b"<html>"], ids=["null", "array", "number", "empty", "HTML"]
)
@once
async def test_body_that_is_no_json_object_is_malformed(body: bytes, aws: FakeAWS, machine: Machine) -> None:
    """A metadata body that is not a JSON object is a ``MalformedResponseError``."""
    machine.environ({**aws.container_environ(), **aws.metadata_environ()})
    aws.script("container", Body(body))
    aws.script("role", Body(body))
    assert isinstance(await error_of(anycreds.from_container_metadata()), MalformedResponseError)
    assert isinstance(await error_of(anycreds.from_instance_metadata()), MalformedResponseError)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("services = nosuch", "services 'nosuch'"),
        ("duration_seconds = abc", "duration_seconds"),
        ("duration_seconds = 3600.5", "duration_seconds"),
        ("duration_seconds = 60", "duration_seconds"),
        ("endpoint_url = sts", "endpoint"),
    ],
)
@once
async def test_invalid_setting_names_file_and_line(line: str, text: str, aws: FakeAWS, machine: Machine) -> None:
    """An invalid setting is never ignored: the error names it, with file and line."""
    machine.without("AWS_ENDPOINT_URL")
    machine.config(role(line, aws))
    error = await error_of(anycreds.from_ini("work"))
    assert isinstance(error, InvalidConfigurationError)
    assert text in str(error)
    assert "~/.aws/config:3" in str(error)
    assert aws.count() == 0


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "1", "yes"])
@once
async def test_spellings_of_true(word: str, aws: FakeAWS, machine: Machine) -> None:
    """A boolean variable accepts every spelling of true: here it disables the environment's endpoint."""
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
async def test_malformed_line_affects_only_its_section(bad: str, machine: Machine) -> None:
    """A malformed line or header affects only its own section; the others are read."""
    machine.config(f"[profile other]\n{bad}[profile dev]\n{key_lines('AKIDGOOD')}")
    assert (await anycreds.from_ini("dev")()).access_key_id == "AKIDGOOD"


@once
async def test_comment_after_a_header(machine: Machine) -> None:
    """``[dev];x`` is the header of ``dev``: the keys below belong to that profile."""
    machine.credentials(f"[first]\n{key_lines('AKIDFIRST')}[dev];x\n{key_lines('AKIDDEV')}")
    assert (await anycreds.from_ini("first")()).access_key_id == "AKIDFIRST"
    assert (await anycreds.from_ini("dev")()).access_key_id == "AKIDDEV"


@once
async def test_malformed_line_is_logged_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """A malformed line is logged once with its number, and is an error for users of its section."""
    machine.config(f"[profile dev]\n{key_lines('AKIDGOOD')}[profile other]\nregion eu-west-1\n")
    provider = anycreds.from_ini("dev")
    await provider()
    await provider()
    assert [record.levelname for record in caplog.records if "~/.aws/config:5" in record.getMessage()] == ["WARNING"]
    error = await error_of(anycreds.from_ini("other"))
    assert isinstance(error, ConfigParseError)
    assert (error.path, error.line) == ("~/.aws/config", 5)


async def test_command_error_shows_no_arguments(machine: Machine) -> None:
    """A command's error has its program, exit code and location, but no arguments, even if its stderr repeats one."""
    machine.write("helper", 'echo "cannot sign in with $2" >&2\nexit 3\n')
    machine.config(f"[profile dev]\ncredential_process = sh {machine.home}/helper --password {CANARY}-argument\n")
    text = str(await error_of(anycreds.from_ini("dev")))
    for part in ("sh", "exited with code 3", "~/.aws/config:2"):
        assert part in text
    assert CANARY not in text
    assert "--password" not in text


async def test_fallback_region_is_logged_once(aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """The fallback to ``us-east-1`` is logged once per provider."""
    machine.config(role("", aws))
    provider = anycreds.from_ini("work")
    await provider()
    await provider()
    (record,) = [record for record in caplog.records if "us-east-1" in record.getMessage()]
    assert (record.name.partition(".")[0], record.levelname) == ("anycreds", "WARNING")


async def test_log_records_show_no_secret(aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG, no logger shows a key, token, MFA code or external id; the HTTP library's neither."""
    external, code = "id-of-a-customer", "731946"

    async def mfa_code(serial: str) -> str:
        return code

    caplog.set_level(logging.DEBUG)
    aws.roles = {ROLE: {"external_id": external, "mfa_serial": DEVICE, "mfa_codes": [code]}}
    machine.config(role(f"external_id = {external}\nmfa_serial = {DEVICE}\nregion = eu-west-1", aws))
    found = await anycreds.from_ini("work", mfa_code_provider=mfa_code)()
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (CANARY, external, code, found.secret_access_key, found.session_token or "-"):
        assert secret not in logged


@once
async def test_printed_credentials_show_no_secret() -> None:
    """No way of converting credentials to text shows a secret."""
    found = Credentials("AKID", f"{CANARY}-secret", f"{CANARY}-session")
    for text in (repr(found), str(found), f"{found}", f"{[found]}", "{0!r}".format(found)):  # noqa: UP030, UP032
        assert "AKID" in text
        assert CANARY not in text


@pytest.mark.parametrize("line", ["use_fips_endpoint = maybe", "max_attempts = many", "use_dualstack_endpoint = 2"])
@once
async def test_invalid_setting_names_its_key(line: str, aws: FakeAWS, machine: Machine) -> None:
    """The error of an invalid boolean or number in a profile names its key, file and line."""
    machine.config(role(line, aws))
    error = await error_of(anycreds.from_ini("work"))
    assert "~/.aws/config:3" in str(error)
    assert line.partition(" ")[0] in str(error)


@once
async def test_warnings_are_not_printed(
    aws: FakeAWS, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without logging configured, a warning of the library is not printed to the standard error."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    machine.config(role("", aws))
    await anycreds.from_ini("work")()
    assert capsys.readouterr() == ("", "")
