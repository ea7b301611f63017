"""Formats: token files, metadata documents, command output, shared files and environment variables."""

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
    MalformedResponseError,
    NotConfiguredError,
    Provider,
)
from anycreds._providers.service import token_cache
from anycreds.testing import CANARY, Body, Delay, FakeAWS, MemoryNetwork, Status, VirtualClock
from js_sdk_differences.backends import once, virtual
from js_sdk_differences.environment import (
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
from support.raw_http_server import closed, ok, serving

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
    """Skip the wait for a token that another program may have written, since there is no other program."""
    monkeypatch.setattr(token_cache, "_RACE_DELAYS", (0.0,))


async def together(provider: Provider, *others: Provider) -> list[Credentials]:
    """Await providers concurrently; a single provider is awaited five times."""
    got: list[Credentials] = []

    async def call(one: Provider) -> None:
        got.append(await one())

    async with anyio.create_task_group() as tasks:
        for one in (provider, *(others or [provider] * 4)):
            tasks.start_soon(call, one)
    return got


def user(aws: FakeAWS) -> Credentials:
    """Return the access keys that the fake accepts."""
    return Credentials(*next(iter(aws.keys.items())))


# Tokens in files


@pytest.mark.parametrize("token", [f"{CANARY}-plain", f"{CANARY}-tökén"], ids=["ascii", "utf-8"])
@pytest.mark.parametrize("end", ["", "\n", " \r\n\n"], ids=["no newline", "newline", "blanks"])
async def test_web_identity_token_file(token: str, end: str, aws: FakeAWS, machine: Machine) -> None:
    """STS gets the token file's text, in UTF-8, without the newline at its end."""
    aws.web_identity_tokens[token] = 4e9
    machine.web_identity(token + end)
    assert (await anycreds.from_token_file(client_config=PLAIN)()).source == "web identity"


async def test_token_file_is_read_in_a_thread(aws: FakeAWS, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token file is opened in another thread than the event loop's."""
    machine.web_identity(aws.web_identity_token())
    opened: set[int] = set()
    real = os.open

    def recording_open(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path) == str(machine.home / "token"):
            opened.add(threading.get_ident())
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", recording_open)
    await anycreds.from_token_file(client_config=PLAIN)()
    assert opened
    assert threading.get_ident() not in opened


# Containers and EC2 metadata


@pytest.mark.parametrize(
    "written", ["2999-01-01T02:00:00+02:00", "2998-12-31T19:00:00.000-05:00", "2999-01-01T00:00:00Z"]
)
@once
async def test_expiration_with_an_offset(written: str, aws: FakeAWS) -> None:
    """An expiration is converted from its UTC offset."""
    aws.script("container", Body(document(Expiration=written)))
    found = await anycreds.from_http(full_uri=aws.container_url)()
    assert found.expiration == datetime(2999, 1, 1, tzinfo=UTC)


async def test_query_is_sent_unchanged() -> None:
    """The parameters of a container URI's query keep their order, and repeated ones stay."""
    async with serving(ok()) as peer:
        await anycreds.from_http(full_uri=f"http://127.0.0.1:{peer.port}/x?b=1&a=2&b=3")()
    assert peer.lines[0] == "GET /x?b=1&a=2&b=3 HTTP/1.1"


@once
async def test_fragment_is_rejected() -> None:
    """A container URI with a fragment is an error that says so."""
    error = await error_of(anycreds.from_http(full_uri="http://127.0.0.1:9/x#y"))
    assert isinstance(error, InvalidConfigurationError)
    assert "fragment" in str(error)


@pytest.mark.parametrize("end", ["soon", "2999-13-01T00:00:00Z", "99999999999"])
@pytest.mark.parametrize("source", ["environment", "process", "metadata", "login"])
@once
async def test_invalid_expiration_is_an_error(source: str, end: str, aws: FakeAWS, machine: Machine) -> None:
    """An invalid expiration is an error of its source; it never means that credentials do not expire."""
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
async def test_command_output_is_validated(field: str, value: object, machine: Machine) -> None:
    """Each field of a command's output has one type; the error names the field and the program."""
    printed = {"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": f"{CANARY}-printed", field: value}
    machine.config(f"[default]\ncredential_process = cat {machine.write('printed', json.dumps(printed))}\n")
    error = await error_of(anycreds.from_process())
    assert isinstance(error, MalformedResponseError)
    assert error.field == field
    assert "cat" in str(error)


@once
async def test_time_without_zone_is_utc(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expiration without an offset is UTC, whatever the time zone of the machine is."""
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


async def test_refresh_cooldown_belongs_to_one_provider(aws: FakeAWS, machine: Machine) -> None:
    """A failed token refresh delays the next one of the same provider only."""
    machine.sso(aws.sso_token(expires_in=60))
    paths = [str(machine.write(name, sso_lines())) for name in ("one", "two")]
    one, two = [anycreds.from_sso("dev", config_filepath=path, client_config=ONE_TRY) for path in paths]
    aws.script("sso token", Status(500))
    await one()
    await one()
    assert aws.count("sso token") == 1
    await two()
    assert [exchange.status for exchange in aws.exchanges if exchange.route == "sso token"] == [500, 200]


async def test_custom_config_file_reaches_sso(aws: FakeAWS, machine: Machine) -> None:
    """An SSO profile and its session are found in the files passed as options, also with ``~``."""
    machine.write("mine/config", sso_lines())
    machine.sso(aws.sso_token())
    found = await anycreds.from_ini("dev", config_filepath="~/mine/config", ignore_cache=True)()
    assert found.source == "SSO"


async def test_portal_uses_sso_region(aws: FakeAWS, machine: Machine) -> None:
    """The portal and the token refresh use ``sso_region``, whatever the client's region is."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    machine.environ({"AWS_REGION": "ap-south-1"})
    machine.config(sso_lines(region="eu-north-1"))
    machine.sso(aws.sso_token(expires_in=60))
    config = ClientConfig(region="eu-west-1", http_client_factory=routes.client)
    await anycreds.from_ini("dev", client_config=config)()
    assert routes.hosts == ["oidc.eu-north-1.amazonaws.com", "portal.sso.eu-north-1.amazonaws.com"]


# Web identity and login


@pytest.mark.parametrize(("option", "host"), [(None, "eu-west-1"), ("ap-south-1", "ap-south-1")])
async def test_web_identity_profile_settings(option: str | None, host: str, aws: FakeAWS, machine: Machine) -> None:
    """A profile with a token file uses its own region and duration, and the program's client config."""
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
    """Sign in as ``aws login`` does for the default profile, and return the token file."""
    machine.config(f"[default]\nlogin_session = {LOGIN}\n")
    return machine.login(aws.login_token(expires_in=expires_in))


async def test_unwritable_login_token_stays_in_memory(aws: FakeAWS, machine: Machine) -> None:
    """Refreshed tokens that cannot be written are used for this call and the next."""
    file = signed_in(aws, machine, -1)
    aws.script("sign-in token", Delay(0.03))
    provider = anycreds.from_login_credentials(client_config=PLAIN)
    got: list[Credentials] = []

    async def call() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        while not aws.count("sign-in token"):  # noqa: ASYNC110 - the fake has no event for this
            await anyio.sleep(0.001)
        file.unlink()
        file.mkdir()
    assert (await provider()).access_key_id == got[0].access_key_id
    assert aws.count("sign-in token") == 1


@once
async def test_empty_login_cache_directory_is_unset(
    aws: FakeAWS, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty ``AWS_LOGIN_CACHE_DIRECTORY`` is not the working directory."""
    signed_in(aws, machine, 900)
    monkeypatch.chdir(machine.home)
    machine.environ({"AWS_LOGIN_CACHE_DIRECTORY": ""})
    assert (await anycreds.from_login_credentials()()).source == "login"


@pytest.mark.parametrize("kind", ["sso", "login"])
async def test_token_file_is_replaced_atomically(kind: str, aws: FakeAWS, machine: Machine) -> None:
    """A refreshed token file replaces the old one, readable by its owner only, with only a lock beside it."""
    if kind == "sso":
        machine.config(sso_lines())
        file, provider = machine.sso(aws.sso_token(expires_in=60)), anycreds.from_sso("dev")
    else:
        file, provider = signed_in(aws, machine, 60), anycreds.from_login_credentials(client_config=PLAIN)
    with file.open(encoding="utf-8") as before:
        text = file.read_text()
        await provider()
        assert before.read() == text  # the old file's content does not change
    assert json.loads(file.read_text()) != json.loads(text)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {one.name for one in file.parent.iterdir()} <= {file.name, f"{file.name}.lock"}


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
@once
async def test_token_file_open_to_others_is_logged(
    aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """A token file that other users can read is logged once, with what to do."""
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


# Switches and addresses


async def test_aws_global_region(aws: FakeAWS, machine: Machine) -> None:
    """Region ``aws-global`` means the global STS endpoint, without a signature for a web identity."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    config = ClientConfig(region="aws-global", http_client_factory=routes.client)
    await anycreds.from_web_token(ROLE, aws.web_identity_token(), client_config=config)()
    assert routes.hosts == ["sts.amazonaws.com"]
    assert aws.exchanges[0].signed_for is None


@pytest.mark.parametrize(
    ("word", "is_off"), [("true", True), ("TRUE", True), ("1", True), ("false", False), ("FALSE", False)]
)
@once
async def test_metadata_disabled_everywhere(word: str, is_off: bool, aws: FakeAWS, machine: Machine) -> None:
    """``AWS_EC2_METADATA_DISABLED`` disables the provider and ``credential_source``, in any case."""
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
async def test_imdsv1_disabled(word: str, is_off: bool, aws: FakeAWS, machine: Machine) -> None:
    """``AWS_EC2_METADATA_V1_DISABLED`` accepts every spelling of true and false."""
    aws.imds_v1, aws.token_status = True, 403
    machine.environ({**aws.metadata_environ(), "AWS_EC2_METADATA_V1_DISABLED": word})
    if is_off:
        assert "AWS_EC2_METADATA_V1_DISABLED" in str(await error_of(anycreds.from_instance_metadata()))
    else:
        assert (await anycreds.from_instance_metadata()()).access_key_id.startswith("ASIA")


@pytest.mark.parametrize("by", ["option", "variable", "profile"])
@pytest.mark.parametrize("word", ["IPv6", "ipv6", "IPV6"])
@virtual
async def test_endpoint_mode_in_any_case(word: str, by: str, network: MemoryNetwork, machine: Machine) -> None:
    """``ipv6`` in any case, from any setting, is the IPv6 address of EC2 metadata."""
    clock = VirtualClock()
    network.serve(FakeAWS(clock=clock), IMDS_6)
    if by == "variable":
        machine.environ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": word})
    if by == "profile":
        machine.config(f"[default]\nec2_metadata_service_endpoint_mode = {word}\n")
    made = anycreds.from_instance_metadata(endpoint_mode=word if by == "option" else None)
    await anycreds.cached(made, clock=clock)()
    assert {connection.host for connection in network.connections} == {IMDS_6}


async def test_metadata_settings_of_the_selected_profile(aws: FakeAWS, machine: Machine) -> None:
    """Endpoint and IMDSv1 setting come from the selected profile, and from no other."""
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
async def test_container_over_https(network: MemoryNetwork, machine: Machine) -> None:
    """``from_container_metadata`` calls an https URI of any host, with TLS and the token of a file."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    network.serve(aws, VAULT, 443)
    machine.environ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"https://{VAULT}/v2/credentials/anycreds"})
    machine.environ({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(machine.write("t", f"{aws.container_token}\n"))})
    found = await anycreds.cached(anycreds.from_container_metadata(), clock=clock)()
    assert found.access_key_id.startswith("ASIA")
    assert [connection.server_name for connection in network.connections] == [VAULT]


# Cognito


async def test_cognito_region_from_the_id(aws: FakeAWS, machine: Machine) -> None:
    """A pool and an identity are called in the region that their id begins with."""
    routes = Routes(aws)
    machine.without("AWS_ENDPOINT_URL")
    machine.environ({"AWS_REGION": "us-west-2"})
    aws.cognito_pools = {EU_POOL: {}}
    config = ClientConfig(http_client_factory=routes.client)
    found = await anycreds.from_cognito_identity_pool(EU_POOL, client_config=config)()
    assert found.identity_id is not None
    await anycreds.from_cognito_identity(found.identity_id, client_config=config)()
    assert routes.hosts == ["cognito-identity.eu-west-1.amazonaws.com"] * 3


# Shared files


@pytest.mark.parametrize(
    ("header", "name"), [('"my dev"', "my dev"), ("'my dev'", "my dev"), ("ünï", "ünï"), ("  dev", "dev")]
)
@once
async def test_profile_names(header: str, name: str, machine: Machine) -> None:
    """A profile name may have blanks in quotes and non-ASCII letters; leading blanks are ignored."""
    machine.config(f"[profile {header}]\n{key_lines('AKIDDEV')}")
    assert (await anycreds.from_ini(name)()).access_key_id == "AKIDDEV"


async def test_continued_value(machine: Machine) -> None:
    """Indented lines continue a value: here a command of two lines."""
    printed = machine.write("printed", document(Version=1, Token=...).decode())
    machine.config(f"[profile dev]\ncredential_process = true\n    cat {printed}\n")
    assert (await anycreds.from_ini("dev")()).access_key_id == "AKIDDOCUMENT"


async def test_nested_settings(aws: FakeAWS, machine: Machine) -> None:
    """Settings below a service in a ``services`` section count; an empty value does not swallow the next key."""
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
async def test_attribute_names_as_profile_names(name: str, machine: Machine) -> None:
    """A profile may have the name of an attribute that every object has."""
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


async def test_role_factories_agree(aws: FakeAWS, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """``from_temporary_credentials`` and ``from_ini`` use the same region, return the account and warn alike."""
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
async def test_one_connection_per_attempt(kind: str, aws: FakeAWS, machine: Machine) -> None:
    """All calls of one attempt share one connection to a host, which is closed afterwards.

    The refresh of an SSO token has its own, because it continues if the attempt is cancelled.
    """
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
    assert aws.connections == {"sso": 2}.get(kind, 1)
    assert await closed(aws)
