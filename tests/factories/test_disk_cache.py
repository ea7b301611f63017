"""The options of ``disk_cached``, and which providers have a name in the cache of the AWS CLI."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import anycreds
from anycreds import Credentials, InvalidConfigurationError, Provider
from anycreds._core.disk_cache_key import NOT_ON_DISK
from anycreds._core.provider import ClientContext
from anycreds.testing import CANARY, FakeAWS
from support.rows import each_row

ROLE = "arn:aws:iam::123456789012:role/Demo"
KEYS = Credentials("AKIDUSER", f"{CANARY}-user-secret")


async def function() -> Credentials:
    return KEYS


async def role_assumer(source: Credentials, params: object) -> Credentials:
    end = datetime.now(UTC) + timedelta(hours=1)
    return source.replace(session_token=f"{CANARY}-token", expiration=end)


async def web_identity_assumer(params: object) -> Credentials:
    return await role_assumer(KEYS, params)


@each_row(
    "options, reason",
    [
        ({}, "needs an option key"),
        ({"key": ""}, "key of disk_cached() is blank"),
        ({"key": 7}, "key of disk_cached() is not text but int"),
        ({"key": "a\n"}, "control character"),
        ({"key": "a", "directory": 7}, "is int; expected a path"),
        ({"key": "a", "directory": b"/tmp"}, "is bytes; expected a path"),
    ],
)
def test_invalid_option_is_an_error(options: dict[str, Any], reason: str) -> None:
    """An option that cannot be used is an error when the provider is created."""
    with pytest.raises(InvalidConfigurationError) as caught:
        anycreds.disk_cached(function, **options)
    assert reason in str(caught.value)


def test_object_that_is_no_provider_is_an_error() -> None:
    """Something that is neither a provider nor a function is an error."""
    with pytest.raises(InvalidConfigurationError, match="cannot be used as a provider"):
        anycreds.disk_cached("role", key="a")  # type: ignore[call-overload]


UNNAMED: dict[str, Callable[[], Provider]] = {
    "environment": anycreds.from_env,
    "chain": lambda: anycreds.create_credential_chain(anycreds.from_env()),
    "container": lambda: anycreds.from_http(full_uri="http://localhost/"),
    "EC2 metadata": anycreds.from_instance_metadata,
    "token of the program": lambda: anycreds.from_web_token(ROLE, f"{CANARY}-jwt"),
    "function for web identity": lambda: anycreds.from_token_file(
        role_arn=ROLE, web_identity_token_file="token", role_assumer_with_web_identity=web_identity_assumer
    ),
    "function for roles": lambda: anycreds.from_ini("role", role_assumer=role_assumer),
    "process": lambda: anycreds.from_process("process"),
    "on disk twice": lambda: anycreds.disk_cached(function, key="a"),
}
PROFILES = f"""
[profile role]
role_arn = {ROLE}
source_profile = keys
[profile process]
credential_process = exit 1
[profile keys]
aws_access_key_id = AKIDPROFILE
aws_secret_access_key = {CANARY}-secret
"""


@pytest.fixture
def profiles(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the config file, and return the home directory."""
    (isolated / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(isolated / "config"))
    return isolated


@pytest.mark.anyio
@pytest.mark.parametrize("name", list(UNNAMED))
async def test_provider_without_a_name_needs_a_key(name: str, profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the AWS CLI has no rule, the same name could stand for different credentials, so ``key`` is required."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDVARIABLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{CANARY}-secret")
    provider = anycreds.disk_cached(UNNAMED[name]())
    with pytest.raises(InvalidConfigurationError, match="disk_cached\\(\\) has no key"):
        await provider()
    assert not (profiles / ".aws").exists()


@pytest.mark.anyio
async def test_profile_with_access_keys_is_passed_on(profiles: Path) -> None:
    """A profile that is no role is used without the cache, as by the AWS CLI."""
    found = await anycreds.disk_cached(anycreds.from_ini("keys"))()
    assert found.access_key_id == "AKIDPROFILE"
    assert not (profiles / ".aws").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("selected", ["role", "keys", "variables", "token file", "default profile", "sso options"])
async def test_default_chain_has_the_key_of_its_source(
    selected: str, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default chain shares what it resolves to, if the AWS CLI has a name for that; all else stays in memory."""
    options: dict[str, str] = {}
    if selected in ("role", "keys"):
        monkeypatch.setenv("AWS_PROFILE", selected)
    elif selected == "token file":
        (profiles / "token").write_text(f"{CANARY}-jwt")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(profiles / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    elif selected == "default profile":
        (profiles / "config").write_text(PROFILES.replace("[profile role]", "[default]"))
    elif selected == "sso options":
        names = ("start_url", "account_id", "region", "role_name")
        options = {f"sso_{name}": name for name in names}
    if selected == "variables":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDVARIABLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{CANARY}-secret")
    chain = anycreds.from_default_chain(**options)._source  # type: ignore[arg-type]
    async with chain._runtime.open_io("test") as io:
        key = await chain._disk_cache_key(io, ClientContext())
    assert key is not None
    expected = {"keys": "", "variables": "", "token file": "web identity", "sso options": "SSO"}
    assert key.source == expected.get(selected, "assume role")
    assert bool(key.name) == bool(key.source)
    provider = anycreds.disk_cached(anycreds.from_default_chain(**options))  # type: ignore[arg-type]
    assert isinstance(provider, anycreds.CachedProvider)
    if not key.name:
        assert (await provider()).access_key_id in ("AKIDPROFILE", "AKIDVARIABLE")
        assert not (profiles / ".aws").exists()


@pytest.mark.anyio
async def test_default_chain_without_credentials(profiles: Path) -> None:
    """Where nothing is configured, the error is that of the chain."""
    with pytest.raises(anycreds.NoCredentialsError):
        await anycreds.disk_cached(anycreds.from_default_chain())()
    assert not (profiles / ".aws").exists()


@pytest.mark.anyio
async def test_chain_in_which_nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain whose every provider has nothing configured has no name on disk."""
    chain: Any = anycreds.from_default_chain()._source
    monkeypatch.setattr(chain, "_providers", chain._providers[:1])  # the environment
    async with chain._runtime.open_io("test") as io:
        assert await chain._disk_cache_key(io, ClientContext()) == NOT_ON_DISK


@pytest.mark.anyio
async def test_client_selects_the_profile(profiles: Path) -> None:
    """The profile of a client counts, with and without the cache in memory."""
    provider = anycreds.disk_cached(anycreds.from_ini())
    context = ClientContext(profile="keys")
    assert (await provider.for_client(context)()).access_key_id == "AKIDPROFILE"
    assert (await anycreds.disk_cached(anycreds.from_ini().for_client(context))()).access_key_id == "AKIDPROFILE"
    assert (await anycreds.cached(provider).for_client(context)()).access_key_id == "AKIDPROFILE"
    assert not (profiles / ".aws").exists()


@pytest.mark.anyio
async def test_chain_continues_past_it(profiles: Path) -> None:
    """In a chain, a provider that has nothing configured lets the next one be called."""
    chain = anycreds.create_credential_chain(
        anycreds.disk_cached(anycreds.from_token_file()),
        anycreds.disk_cached(anycreds.from_env(), key="a"),
        anycreds.disk_cached(anycreds.from_ini("keys")),
    )
    assert (await chain()).access_key_id == "AKIDPROFILE"
    assert list((profiles / ".aws/cli/cache").glob("*.json")) == []


@pytest.mark.anyio
async def test_role_chain_needs_only_its_last_entry(profiles: Path) -> None:
    """With an entry for the last role of a chain, no service is called."""
    async with FakeAWS() as aws:
        config = anycreds.ClientConfig(region="us-east-1", endpoint_url=aws.service_url)
        keys = Credentials(*aws.key_environ().values())

        def last_role() -> Provider:
            first = anycreds.from_temporary_credentials(f"{ROLE}First", source_credentials=keys, client_config=config)
            return anycreds.from_temporary_credentials(ROLE, source_credentials=first, client_config=config)

        first = await anycreds.disk_cached(last_role())()
        assert await anycreds.disk_cached(last_role())() == first.replace(expiration=first.expiration)
        assert aws.count("assume role") == 2
    assert len(list((profiles / ".aws/cli/cache").glob("*.json"))) == 1


@pytest.mark.anyio
async def test_mfa_code_is_prompted_for_once(profiles: Path) -> None:
    """A role with MFA prompts for one code; other processes use the entry, and their caches never refresh ahead."""
    codes: list[str] = []

    async def code(serial: str) -> str:
        codes.append(serial)
        return "123456"

    async with FakeAWS() as aws:
        device = f"arn:aws:iam::{aws.account_id}:mfa/alice"
        role = anycreds.from_temporary_credentials(
            ROLE,
            source_credentials=Credentials(*aws.key_environ().values()),
            serial_number=device,
            mfa_code_provider=code,
            client_config=anycreds.ClientConfig(region="us-east-1", endpoint_url=aws.service_url),
        )
        for _ in range(2):
            provider = anycreds.cached(anycreds.disk_cached(role))
            await provider()
            with pytest.raises(InvalidConfigurationError, match="prompt the user"):
                provider.keep_fresh()
    assert codes == [device]


@pytest.mark.anyio
async def test_provider_is_pickled_as_its_call(profiles: Path) -> None:
    """In another process the provider is made again, with its options; credentials do not travel."""
    provider = anycreds.disk_cached(anycreds.from_ini("keys"), key="a", directory=profiles)
    copy = pickle.loads(pickle.dumps(provider))
    assert (await copy()).access_key_id == "AKIDPROFILE"
