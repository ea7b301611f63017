"""js-sdk 14.5: where JavaScript reads a format wrongly or leaves a part out, ours reads it strictly, and all of it."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import (
    ClientConfig,
    Credentials,
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    NotConfiguredError,
    Provider,
    RetrievalError,
)
from anycreds._providers.service import token_cache
from anycreds.testing import CANARY, Body, Delay, FakeAWS, ManualClock, MemoryNetwork, Refuse, Status, VirtualClock
from js_sdk_differences.backends import once, virtual
from js_sdk_differences.environment import (
    DEVICE,
    LOGIN,
    OTHER_ROLE,
    ROLE,
    Machine,
    Routes,
    document,
    error_of,
    key_lines,
    keys,
    sso_lines,
)
from support.raw_http_server import closed, httpx_loaded, serving  # noqa: F401
from support.raw_http_server import ok as answered

pytestmark = pytest.mark.anyio

POOL = "us-east-1:00000000-0000-4000-8000-00000000c0de"
EU_POOL = "eu-west-1:00000000-0000-4000-8000-00000000c0de"
LOGIN_PROVIDER = "accounts.example.com"
PLAIN = ClientConfig(region="us-east-1")
ONE_TRY = ClientConfig(region="us-east-1", max_attempts=1)
IMDS_6 = "fd00:ec2::254"
VAULT = "vault.example.com"


@pytest.fixture
def without_siblings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the file of a program that was faster with a refresh, as there is none."""
    monkeypatch.setattr(token_cache, "_SIBLING", (0.0,))


async def together(provider: Provider, *others: Provider) -> list[Credentials]:
    """Await providers at the same time; one alone, five times."""
    got: list[Credentials] = []

    async def ask(one: Provider) -> None:
        got.append(await one())

    async with anyio.create_task_group() as tasks:
        for one in (provider, *(others or [provider] * 4)):
            tasks.start_soon(ask, one)
    return got


def user(aws: FakeAWS) -> Credentials:
    """Return the keys that the fake knows."""
    return Credentials(*next(iter(aws.keys.items())))


# Tokens in files


@pytest.mark.parametrize("token", [f"{CANARY}-plain", f"{CANARY}-tökén"], ids=["ascii", "utf-8"])
@pytest.mark.parametrize("end", ["", "\n", " \r\n\n"], ids=["nothing", "newline", "blanks"])
async def test_14_33_a_token_file_is_text(token: str, end: str, aws: FakeAWS, machine: Machine) -> None:
    """STS gets the token as it is, in UTF-8, without the newline that ends the file."""
    aws.web_identity_tokens[token] = 4e9
    machine.web_identity(token + end)
    assert (await anycreds.from_token_file(client_config=PLAIN)()).source == "web identity"


async def test_14_33_a_slow_disk_does_not_hold_the_event_loop(
    aws: FakeAWS, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token file is opened in another thread than the event loop's."""
    machine.web_identity(aws.web_identity_token())
    opened: set[int] = set()
    real = os.open

    def fetch_observed(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path) == str(machine.home / "token"):
            opened.add(threading.get_ident())
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", fetch_observed)
    await anycreds.from_token_file(client_config=PLAIN)()
    assert opened
    assert threading.get_ident() not in opened


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["newline", "crlf"])
async def test_14_34_an_authorization_token_file_may_end_its_line(end: str, aws: FakeAWS, machine: Machine) -> None:
    """The newline at the end of a container's token file is not sent."""
    file = machine.write("t", aws.container_token + end)
    found = await anycreds.from_http(full_uri=aws.container_url, authorization_token_file=str(file))()
    assert found.access_key_id.startswith("ASIA")


@pytest.mark.parametrize("inside", ["\n", "\r", "\r\n", "\x00", "\x7f"], ids=ascii)
@once
async def test_14_34_a_control_character_is_never_sent(inside: str, aws: FakeAWS, machine: Machine) -> None:
    """A control character within the token is an error that does not show it, and nothing is sent."""
    file = machine.write("t", f"{CANARY}{inside}X-Header: y")
    error = await error_of(anycreds.from_http(full_uri=aws.container_url, authorization_token_file=str(file)))
    assert isinstance(error, InvalidConfigurationError)
    assert aws.count() == 0


# Containers and EC2 metadata


async def test_14_35_lasting_keys_are_taken(aws: FakeAWS) -> None:
    """A container's document without token and expiration is a set that lasts."""
    aws.script("container", Body(document(Token=..., Expiration=..., AccountId="123456789012")))
    found = await anycreds.from_http(full_uri=aws.container_url)()
    assert (found.session_token, found.expiration, found.account_id) == (None, None, "123456789012")


@pytest.mark.parametrize(
    "written", ["2999-01-01T02:00:00+02:00", "2998-12-31T19:00:00.000-05:00", "2999-01-01T00:00:00Z"]
)
@once
async def test_14_35_an_end_may_have_an_offset(written: str, aws: FakeAWS) -> None:
    """An expiration counts with its offset from UTC."""
    aws.script("container", Body(document(Expiration=written)))
    found = await anycreds.from_http(full_uri=aws.container_url)()
    assert found.expiration == datetime(2999, 1, 1, tzinfo=UTC)


async def test_14_35_a_query_is_sent_as_it_is() -> None:
    """Keys of a query keep their order and their number."""
    async with serving(answered()) as peer:
        await anycreds.from_http(full_uri=f"http://127.0.0.1:{peer.port}/x?b=1&a=2&b=3")()
    assert peer.lines[0] == "GET /x?b=1&a=2&b=3 HTTP/1.1"


@once
async def test_14_35_a_fragment_is_refused() -> None:
    """A fragment, which no client sends, is an error that says so."""
    error = await error_of(anycreds.from_http(full_uri="http://127.0.0.1:9/x#y"))
    assert isinstance(error, InvalidConfigurationError)
    assert "fragment" in str(error)


@pytest.mark.parametrize("end", ["soon", "2999-13-01T00:00:00Z", "99999999999"])
@pytest.mark.parametrize("source", ["environment", "process", "metadata", "login"])
@once
async def test_14_36_an_end_that_cannot_be_read_is_an_error(
    source: str, end: str, aws: FakeAWS, machine: Machine
) -> None:
    """An expiration that is no time never makes a set that lasts for ever: the source is at fault, and the error."""
    machine.environ({**aws.metadata_environ(), "AWS_CREDENTIAL_EXPIRATION": end})
    machine.environ({"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-env"})
    printed = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": f"{CANARY}-printed", "Expiration": end}
    file = machine.write("printed", json.dumps(printed))
    machine.config(f"[default]\ncredential_process = cat {file}\n[profile login]\nlogin_session = {LOGIN}\n")
    token = aws.login_token()
    machine.login({**token, "accessToken": {**token["accessToken"], "expiresAt": end}})
    aws.script("role", Body(document(Expiration=end)))
    factories: dict[str, Provider] = {
        "environment": anycreds.from_env(),
        "process": anycreds.from_process(),
        "metadata": anycreds.from_instance_metadata(),
        "login": anycreds.from_login_credentials("login"),
    }
    error = await error_of(factories[source])
    assert "expir" in str(error).lower()
    assert aws.count("sign-in token") == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Version", "1"),
        ("AccessKeyId", None),
        ("AccessKeyId", ""),
        ("SecretAccessKey", 7),
        ("SessionToken", 7),
        ("Expiration", "1 January 2999"),
        ("Expiration", 32_472_144_000_000),
    ],
)
@once
async def test_14_37_a_commands_output_is_read_strictly(field: str, value: object, machine: Machine) -> None:
    """Each field has one type and form; the error names the field, and the command's program."""
    printed = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": f"{CANARY}-printed", field: value}
    machine.config(f"[default]\ncredential_process = cat {machine.write('printed', json.dumps(printed))}\n")
    error = await error_of(anycreds.from_process())
    assert isinstance(error, MalformedResponseError)
    assert error.field == field
    assert "cat" in str(error)


@once
async def test_14_37_a_time_without_a_zone_is_utc(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expiration without an offset is UTC, as AWS writes it, wherever the machine stands."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    printed = {
        "Version": 1,
        "AccessKeyId": "AKID",
        "SecretAccessKey": f"{CANARY}-p",
        "Expiration": "2999-01-01T00:00:00",
    }
    machine.config(f"[default]\ncredential_process = cat {machine.write('printed', json.dumps(printed))}\n")
    assert (await anycreds.from_process()()).expiration == datetime(2999, 1, 1, tzinfo=UTC)


# IAM Identity Center


async def test_14_38_the_account_is_kept(aws: FakeAWS, machine: Machine) -> None:
    """The set knows the account that it is for."""
    machine.config(sso_lines())
    machine.sso(aws.sso_token())
    assert (await anycreds.from_sso("dev")()).account_id == "123456789012"


async def test_14_38_a_token_that_is_rejected_is_refreshed(aws: FakeAWS, machine: Machine) -> None:
    """A token that the portal rejects before its end is refreshed, and the call is made with the new one."""
    machine.config(sso_lines())
    token = aws.sso_token()
    machine.sso(token)
    aws.memory.sso_tokens[token["accessToken"]] = 0.0
    assert (await anycreds.from_sso("dev")()).access_key_id.startswith("ASIA")
    assert [exchange.status for exchange in aws.exchanges] == [401, 200, 200]


async def test_14_38_a_token_is_used_to_its_end(aws: FakeAWS, machine: Machine) -> None:
    """A token with two minutes left that cannot be refreshed is good for two minutes."""
    machine.config(sso_lines())
    machine.sso({name: text for name, text in aws.sso_token(expires_in=120).items() if name != "refreshToken"})
    assert (await anycreds.from_sso("dev")()).access_key_id.startswith("ASIA")
    assert aws.count("sso token") == 0


async def test_14_38_a_refresh_token_is_kept(aws: FakeAWS, machine: Machine) -> None:
    """Where the answer has no new refresh token, the old one stays in the file; and all else that stood there."""
    machine.config(sso_lines())
    aws.sso_refresh = "omit"
    token = {**aws.sso_token(expires_in=60), "ofTheCli": "kept"}
    file = machine.sso(token)
    await anycreds.from_sso("dev")()
    held = json.loads(file.read_text())
    assert held["accessToken"] != token["accessToken"]
    assert {name for name in token if held.get(name) != token[name]} == {"accessToken", "expiresAt"}


async def test_14_38_two_sessions_of_one_name_do_not_block_each_other(aws: FakeAWS, machine: Machine) -> None:
    """A refresh that failed keeps its own provider from another try, and not one with other config files."""
    machine.sso(aws.sso_token(expires_in=60))
    paths = [str(machine.write(name, sso_lines())) for name in ("one", "two")]
    one, two = [anycreds.from_sso("dev", config_filepath=path, client_config=ONE_TRY) for path in paths]
    aws.script("sso token", Status(500))
    await one()
    await one()
    assert aws.count("sso token") == 1
    await two()
    assert [exchange.status for exchange in aws.exchanges if exchange.route == "sso token"] == [500, 200]


async def test_14_38_a_registration_that_has_ended_is_not_used(aws: FakeAWS, machine: Machine) -> None:
    """A refresh that cannot succeed, as its client's registration has ended, is not tried: somebody has to sign in."""
    machine.config(sso_lines())
    machine.sso(aws.sso_token(expires_in=-1, registration_expires_in=-1))
    error = await error_of(anycreds.from_sso("dev"))
    assert isinstance(error, LoginRequiredError)
    assert error.command == "aws sso login --profile dev"
    assert aws.count() == 0


async def test_14_38_a_refresh_that_is_refused_is_tried_once(
    aws: FakeAWS, machine: Machine, without_siblings: None
) -> None:
    """A refresh token that is not accepted costs one request, and none within the next half a minute."""
    machine.config(sso_lines())
    machine.sso({**aws.sso_token(expires_in=-1), "refreshToken": f"{CANARY}-unknown"})
    provider = anycreds.from_sso("dev")
    for _ in range(2):
        assert isinstance(await error_of(provider), LoginRequiredError)
    assert aws.count() == aws.count("sso token") == 1


async def test_14_39_files_that_are_named_reach_sso(aws: FakeAWS, machine: Machine) -> None:
    """A profile for SSO is found in the files that the program names, with a ``~``, and so is its session."""
    machine.write("mine/config", sso_lines())
    machine.sso(aws.sso_token())
    found = await anycreds.from_ini("dev", config_filepath="~/mine/config", ignore_cache=True)()
    assert found.source == "SSO"


async def test_14_39_a_region_for_sts_does_not_move_the_portal(aws: FakeAWS, machine: Machine) -> None:
    """The portal, and the refresh of its token, are called in ``sso_region``, whatever region a program is for."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    machine.environ({"AWS_REGION": "ap-south-1"})
    machine.config(sso_lines(region="eu-north-1"))
    machine.sso(aws.sso_token(expires_in=60))
    config = ClientConfig(region="eu-west-1", http_client_factory=routes.client)
    await anycreds.from_ini("dev", client_config=config)()
    assert routes.hosts == ["oidc.eu-north-1.amazonaws.com", "portal.sso.eu-north-1.amazonaws.com"]


@pytest.mark.parametrize("line", ["sso_region = eu-west-1", "sso_start_url = https://other.awsapps.com/start"])
@once
async def test_14_39_a_conflict_is_an_error(line: str, aws: FakeAWS, machine: Machine) -> None:
    """A profile that says something else than its session is an error that names both places."""
    machine.config(sso_lines().replace("[sso-session", f"{line}\n[sso-session"))
    machine.sso(aws.sso_token())
    error = await error_of(anycreds.from_sso("dev"))
    assert isinstance(error, InvalidConfigurationError)
    assert "~/.aws/config:5" in str(error)
    assert "~/.aws/config:" in str(error).partition("~/.aws/config:5")[2]
    assert aws.count() == 0


# Web identity and login


@pytest.mark.parametrize(("option", "host"), [(None, "eu-west-1"), ("ap-south-1", "ap-south-1")])
async def test_14_40_a_web_identity_profile_counts_in_full(
    option: str | None, host: str, aws: FakeAWS, machine: Machine
) -> None:
    """A profile with a token file is used with its own region and duration, and with the program's client config."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    token = machine.write("token", aws.web_identity_token())
    machine.config(
        f"[profile web]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\nduration_seconds = 7200\n"
        "region = eu-west-1\n[default]\nregion = us-west-1\n"
    )
    config = ClientConfig(region=option, http_client_factory=routes.client)
    await anycreds.from_ini("web", client_config=config)()
    assert routes.hosts == [f"sts.{host}.amazonaws.com"]
    assert aws.exchanges[0].parameters["DurationSeconds"] == "7200"


def signed_in(aws: FakeAWS, machine: Machine, expires_in: float) -> Any:
    """Do what ``aws login`` does for the default profile. Return the file."""
    machine.config(f"[default]\nlogin_session = {LOGIN}\n")
    return machine.login(aws.login_token(expires_in=expires_in))


@pytest.mark.parametrize("providers", [1, 3])
async def test_14_41_a_login_is_renewed_once(providers: int, aws: FakeAWS, machine: Machine) -> None:
    """However many ask at once, one provider or several, the token that is good for one refresh is sent once."""
    signed_in(aws, machine, 60)
    made = [anycreds.from_login_credentials(client_config=PLAIN) for _ in range(providers)]
    aws.script("sign-in token", Delay(0.03))
    got = await together(*made)
    assert {found.access_key_id for found in got} == {got[0].access_key_id}
    assert (aws.count("sign-in token"), aws.reused_refresh_tokens) == (1, 0)


async def test_14_41_a_failed_write_loses_nothing(aws: FakeAWS, machine: Machine) -> None:
    """Tokens that were got and cannot be written are used all the same, for this refresh and the next."""
    file = signed_in(aws, machine, -1)
    aws.script("sign-in token", Delay(0.03))
    provider = anycreds.from_login_credentials(client_config=PLAIN)
    got: list[Credentials] = []

    async def ask() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        while not aws.count("sign-in token"):  # noqa: ASYNC110 - the fake has no event for this
            await anyio.sleep(0.001)
        file.unlink()
        file.mkdir()
    assert (await provider()).access_key_id == got[0].access_key_id
    assert aws.count("sign-in token") == 1


async def test_14_41_valid_credentials_are_served_when_access_is_denied(
    aws: FakeAWS, machine: Machine, without_siblings: None
) -> None:
    """A refresh that is denied is no reason to withhold credentials that last for two minutes more."""
    token = json.loads(signed_in(aws, machine, 120).read_text())
    aws.login_refusal = "INSUFFICIENT_PERMISSIONS"
    found = await anycreds.from_login_credentials(client_config=PLAIN)()
    assert found.access_key_id == token["accessToken"]["accessKeyId"]
    assert aws.count("sign-in token") == 1


@once
async def test_14_41_an_empty_variable_is_not_set(
    aws: FakeAWS, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty ``AWS_LOGIN_CACHE_DIRECTORY`` is not the working directory; home is what ``HOME`` says."""
    signed_in(aws, machine, 900)
    monkeypatch.chdir(machine.home)
    machine.environ({"AWS_LOGIN_CACHE_DIRECTORY": ""})
    assert (await anycreds.from_login_credentials()()).source == "login"


@pytest.mark.parametrize("kind", ["sso", "login"])
async def test_14_42_a_token_file_is_replaced_in_one_step(kind: str, aws: FakeAWS, machine: Machine) -> None:
    """A new file takes the place of the old one, readable by its owner only; nothing but a lock stays beside it."""
    if kind == "sso":
        machine.config(sso_lines())
        file, provider = machine.sso(aws.sso_token(expires_in=60)), anycreds.from_sso("dev")
    else:
        file, provider = signed_in(aws, machine, 60), anycreds.from_login_credentials(client_config=PLAIN)
    with file.open(encoding="utf-8") as before:
        text = file.read_text()
        await provider()
        assert before.read() == text  # whoever reads the old one reads it to its end
    assert json.loads(file.read_text()) != json.loads(text)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {one.name for one in file.parent.iterdir()} <= {file.name, f"{file.name}.lock"}


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
@once
async def test_14_42_a_file_that_others_can_read_is_told(
    aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """A token file that is open to others is a warning that says what to do, once; one that is private is none."""
    machine.config(sso_lines())
    file = machine.sso(aws.sso_token())
    provider = anycreds.from_sso("dev")
    await provider()
    await provider()
    assert ["chmod 600" in record.getMessage() for record in caplog.records if record.name.startswith("anycreds")] == [
        True
    ]
    caplog.clear()
    file.chmod(0o600)
    await anycreds.from_sso("dev")()
    assert [record for record in caplog.records if record.name.startswith("anycreds")] == []


async def test_14_42_a_refresh_is_locked(aws: FakeAWS, machine: Machine) -> None:
    """Two programs that need a new token at once get one: the second takes what the first has written."""
    machine.config(sso_lines())
    machine.sso(aws.sso_token(expires_in=-1))
    aws.script("sso token", Delay(0.03))
    assert len(await together(anycreds.from_sso("dev"), anycreds.from_sso("dev"))) == 2
    assert (aws.count("sso token"), aws.reused_refresh_tokens) == (1, 0)


# Switches and addresses


async def test_14_43_the_global_endpoint_takes_a_web_identity(aws: FakeAWS, machine: Machine) -> None:
    """Region ``aws-global`` calls the global endpoint of STS, without a signature where none is needed."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    config = ClientConfig(region="aws-global", http_client_factory=routes.client)
    await anycreds.from_web_token(ROLE, aws.web_identity_token(), client_config=config)()
    assert routes.hosts == ["sts.amazonaws.com"]
    assert aws.exchanges[0].signed_for is None


async def test_14_43_an_empty_region_is_not_set(aws: FakeAWS, machine: Machine) -> None:
    """An empty ``AWS_REGION`` counts as absent: the next place that may have a region is looked at."""
    machine.environ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"})
    await anycreds.from_temporary_credentials(ROLE, source_credentials=user(aws))()
    (asked,) = aws.exchanges
    assert asked.signed_for is not None
    assert asked.signed_for.region == "eu-west-1"


@pytest.mark.parametrize(
    ("word", "is_off"), [("true", True), ("TRUE", True), ("1", True), ("false", False), ("FALSE", False)]
)
@once
async def test_14_43_one_switch_for_metadata_everywhere(
    word: str, is_off: bool, aws: FakeAWS, machine: Machine
) -> None:
    """``AWS_EC2_METADATA_DISABLED`` counts for the provider itself and for ``credential_source``, in any case."""
    machine.environ({**aws.metadata_environ(), "AWS_EC2_METADATA_DISABLED": word, "AWS_REGION": "us-east-1"})
    machine.config(f"[profile ec2]\nrole_arn = {ROLE}\ncredential_source = Ec2InstanceMetadata\n")
    if not is_off:
        await anycreds.from_instance_metadata()()
        await anycreds.from_ini("ec2")()
        return
    assert isinstance(await error_of(anycreds.from_instance_metadata()), NotConfiguredError)
    error = await error_of(anycreds.from_ini("ec2"))
    assert isinstance(error, InvalidConfigurationError)
    assert "AWS_EC2_METADATA_DISABLED" in str(error)
    assert aws.count() == 0


@pytest.mark.parametrize(
    ("word", "is_off"), [("true", True), ("TRUE", True), ("1", True), ("False", False), ("0", False)]
)
@once
async def test_14_43_version_1_is_off_where_it_says_so(word: str, is_off: bool, aws: FakeAWS, machine: Machine) -> None:
    """``AWS_EC2_METADATA_V1_DISABLED`` means what it says: ``False`` is false, and ``TRUE`` is true."""
    aws.imds_v1, aws.token_status = True, 403
    machine.environ({**aws.metadata_environ(), "AWS_EC2_METADATA_V1_DISABLED": word})
    if is_off:
        assert "AWS_EC2_METADATA_V1_DISABLED" in str(await error_of(anycreds.from_instance_metadata()))
    else:
        assert (await anycreds.from_instance_metadata()()).access_key_id.startswith("ASIA")


@pytest.mark.parametrize("by", ["option", "variable", "profile"])
@pytest.mark.parametrize("word", ["IPv6", "ipv6", "IPV6"])
@virtual
async def test_14_44_an_endpoint_mode_in_any_case(word: str, by: str, network: MemoryNetwork, machine: Machine) -> None:
    """``ipv6`` in any case, wherever it is written, is the address of EC2 metadata by IPv6."""
    clock = VirtualClock()
    network.serve(FakeAWS(clock=clock), IMDS_6)
    if by == "variable":
        machine.environ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": word})
    if by == "profile":
        machine.config(f"[default]\nec2_metadata_service_endpoint_mode = {word}\n")
    made = anycreds.from_instance_metadata(endpoint_mode=word if by == "option" else None)
    await anycreds.cached(made, clock=clock)()
    assert {connection.host for connection in network.connections} == {IMDS_6}


async def test_14_44_one_profile_for_every_setting(aws: FakeAWS, machine: Machine) -> None:
    """Where EC2 metadata is, and whether its version 1 may be used, is what the selected profile says, and no other."""
    aws.imds_v1, aws.token_status = True, 403
    machine.environ({"AWS_EC2_METADATA_DISABLED": "false", "AWS_PROFILE": "ambient"})
    machine.config(
        "[default]\nec2_metadata_service_endpoint = http://127.0.0.1:9\n"
        "[profile ambient]\nec2_metadata_service_endpoint = http://127.0.0.1:9\n"
        f"[profile work]\nec2_metadata_service_endpoint = {aws.metadata_url}\nec2_metadata_v1_disabled = true\n"
    )
    error = await error_of(anycreds.from_default_chain("work"))
    assert "ec2_metadata_v1_disabled in ~/.aws/config:7" in str(error)
    assert aws.count() == aws.count("token") == 1


@virtual
async def test_14_45_a_container_may_be_asked_over_https(network: MemoryNetwork, machine: Machine) -> None:
    """``from_container_metadata`` takes an https URI of any host, with TLS for that name, and the token of a file."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    network.serve(aws, VAULT, 443)
    machine.environ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"https://{VAULT}/v2/credentials/anycreds"})
    machine.environ({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(machine.write("t", f"{aws.container_token}\n"))})
    found = await anycreds.cached(anycreds.from_container_metadata(), clock=clock)()
    assert found.access_key_id.startswith("ASIA")
    assert [connection.server_name for connection in network.connections] == [VAULT]


# Cognito


@pytest.mark.parametrize(
    "fault", [Refuse(400, "TooManyRequestsException"), Refuse(500, "InternalErrorException"), Status(403)]
)
async def test_14_46_a_passing_error_forgets_no_identity(fault: Refuse | Status, aws: FakeAWS) -> None:
    """A guest who was refused for a moment is the same guest afterwards."""
    provider = anycreds.from_cognito_identity_pool(POOL, client_config=ONE_TRY)
    before = await provider()
    aws.script("cognito credentials", fault)
    assert isinstance(await error_of(provider), RetrievalError)
    assert (await provider()).identity_id == before.identity_id
    assert aws.count("cognito id") == 1


async def test_14_46_the_region_is_in_the_id(aws: FakeAWS, machine: Machine) -> None:
    """A pool is called in the region that its id begins with, and so is an identity."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    machine.environ({"AWS_REGION": "us-west-2"})
    aws.cognito_pools = {EU_POOL: {}}
    config = ClientConfig(http_client_factory=routes.client)
    found = await anycreds.from_cognito_identity_pool(EU_POOL, client_config=config)()
    assert found.identity_id is not None
    await anycreds.from_cognito_identity(found.identity_id, client_config=config)()
    assert routes.hosts == ["cognito-identity.eu-west-1.amazonaws.com"] * 3


async def test_14_46_the_identity_of_a_login_is_kept(aws: FakeAWS) -> None:
    """Whoever logs in with a token that does not change has one identity, and the pool is asked for it once."""
    token = f"{CANARY}-login"
    aws.cognito_pools = {POOL: {"logins": {LOGIN_PROVIDER: token}}}
    provider = anycreds.from_cognito_identity_pool(POOL, logins={LOGIN_PROVIDER: token})
    assert (await provider()).identity_id == (await provider()).identity_id
    assert aws.count("cognito id") == 1


async def test_14_46_a_cache_tells_accounts_and_regions_apart(aws: FakeAWS) -> None:
    """Providers for other accounts or regions share a cache without taking each other's identities."""
    kept: dict[str, str] = {}

    class Cache:
        async def get(self, key: str) -> str | None:
            return kept.get(key)

        async def set(self, key: str, value: str) -> None:
            kept[key] = value

        async def delete(self, key: str) -> None:
            del kept[key]

    for account, region in ((None, None), (aws.account_id, None), (None, "eu-west-1"), (None, None)):
        config = ClientConfig(region=region)
        await anycreds.from_cognito_identity_pool(POOL, account_id=account, cache=Cache(), client_config=config)()
    assert len(set(kept.values())) == len(kept) == 3
    assert aws.count("cognito id") == 3


# Shared files


@pytest.mark.parametrize(
    ("header", "name"), [('"my dev"', "my dev"), ("'my dev'", "my dev"), ("ünï", "ünï"), ("  dev", "dev")]
)
@once
async def test_14_47_any_name_can_be_used(header: str, name: str, machine: Machine) -> None:
    """A profile's name may have blanks in quotes, and any letters; more than one blank may stand before it."""
    machine.config(f"[profile {header}]\n{key_lines('AKIDDEV')}")
    assert (await anycreds.from_ini(name)()).access_key_id == "AKIDDEV"


async def test_14_47_a_value_may_go_on(machine: Machine) -> None:
    """A value goes on in the lines below that are indented more: here it is a command of two lines."""
    printed = machine.write("printed", document(Version=1, Token=...).decode())
    machine.config(f"[profile dev]\ncredential_process = true\n    cat {printed}\n")
    assert (await anycreds.from_ini("dev")()).access_key_id == "AKIDDOCUMENT"


async def test_14_47_nested_settings_are_read(aws: FakeAWS, machine: Machine) -> None:
    """What stands below a service in a ``services`` section counts, and an empty value swallows no key below it."""
    machine.without("AWS_ENDPOINT_URL")
    machine.config(
        f"[profile work]\nservices = here\nregion = eu-west-1\nrole_arn = {ROLE}\nsource_profile = base\n"
        f"[profile base]\naws_session_token =\n{keys(aws)}[services here]\nsts =\n  endpoint_url = {aws.service_url}\n"
    )
    assert (await anycreds.from_ini("work")()).source == "assume role"


@pytest.mark.parametrize(
    "name", ["constructor", "toString", "__proto__", "__class__", "hasOwnProperty", "get", "items"]
)
@once
async def test_14_48_no_name_is_special(name: str, machine: Machine) -> None:
    """A profile may be called like a member of every object, and be a source."""
    machine.config(
        f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = {name}\n[profile {name}]\n{key_lines('AKIDNAMED')}"
    )
    sources: list[str] = []

    async def assume(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        sources.append(source.access_key_id)
        return source

    await anycreds.from_ini("dev", role_assumer=assume)()
    assert sources == ["AKIDNAMED"]
    missing = await error_of(anycreds.from_ini("valueOf"))
    assert isinstance(missing, CredentialsError)


# Roles


async def test_14_49_nobody_is_asked_for_a_code_ahead_of_need(aws: FakeAWS) -> None:
    """A role with an MFA device is refreshed when its set has ended, never before and never behind anybody's back."""
    aws.clock = clock = ManualClock()
    codes = [f"{number:06d}" for number in range(9)]
    aws.roles = {ROLE: {"mfa_serial": DEVICE, "mfa_codes": codes}}
    asked: list[float] = []

    async def code(serial: str) -> str:
        asked.append(clock.monotonic())
        return codes[len(asked) - 1]

    made = anycreds.from_temporary_credentials(
        ROLE, source_credentials=user(aws), serial_number=DEVICE, mfa_code_provider=code, client_config=PLAIN
    )
    provider = anycreds.cached(made, clock=clock)
    for minute in (0, 30, 59, 59.9, 60, 61):
        clock.advance(minute * 60 - clock.monotonic())
        await provider()
    assert asked == [0, 3600]
    with pytest.raises(InvalidConfigurationError):
        async with provider.keep_fresh():
            pass


async def test_14_50_a_role_is_a_role(aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """``from_temporary_credentials`` and ``from_ini`` find the same region, tell the account, and warn alike."""
    machine.config(f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\n[profile base]\n{keys(aws)}")
    for variables in ({}, {"AWS_REGION": "eu-west-1"}):
        machine.environ(variables)
        for provider in (
            anycreds.from_ini("work"),
            anycreds.from_temporary_credentials(ROLE, source_credentials=user(aws)),
        ):
            assert (await provider()).account_id == "123456789012"
    regions = [exchange.signed_for.region for exchange in aws.exchanges if exchange.signed_for]
    assert regions == ["us-east-1", "us-east-1", "eu-west-1", "eu-west-1"]
    assert sum("us-east-1" in record.getMessage() for record in caplog.records) == 2


@pytest.mark.parametrize("kind", ["roles", "web identity", "sso", "cognito"])
async def test_14_51_one_connection_which_is_closed(kind: str, aws: FakeAWS, machine: Machine) -> None:
    """All calls of one attempt go over one connection to a host, and it is closed when the attempt is over."""
    source = anycreds.from_temporary_credentials(OTHER_ROLE, source_credentials=user(aws), client_config=PLAIN)
    machine.config(sso_lines())
    machine.sso(aws.sso_token(expires_in=-1))
    made: dict[str, Provider] = {
        "roles": anycreds.from_temporary_credentials(ROLE, source_credentials=source, client_config=PLAIN),
        "web identity": anycreds.from_web_token(ROLE, aws.web_identity_token(), client_config=PLAIN),
        "sso": anycreds.from_sso("dev"),
        "cognito": anycreds.from_cognito_identity_pool(POOL),
    }
    await made[kind]()
    assert len(aws.exchanges) == {"web identity": 1}.get(kind, 2)
    assert aws.connections == 1
    assert await closed(aws)
