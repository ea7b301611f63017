"""What a session passes to its provider, what can be pickled, and what is rejected."""

from __future__ import annotations

import copy
import functools
import gc
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

import anycreds
from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import RecordingProvider, Source, client, plain_session
from adapters.aiobotocore.stacks import Stack
from anycreds import ClientContext, CredentialProvider, Credentials, InvalidConfigurationError, cached
from anycreds.testing import CANARY

pytest.importorskip("aiobotocore")

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from anycreds.adapters.aiobotocore import ProviderSession, create_session, install

KEYS = Credentials("AKIDMINE", f"{CANARY}-secret")


@functools.cache
def shared_provider() -> CredentialProvider:
    """Return the provider that all sessions of this process share."""
    return cached(RecordingProvider(KEYS))


async def my_keys() -> Credentials:
    """Return credentials; a module-level function, which can be pickled."""
    return KEYS


async def context_of(session: AioSession) -> ClientContext:
    """Return the client context of the provider of a session."""
    found: ClientContext = (await session.get_credentials()).provider._context
    return found


def read_timeout(session: AioSession) -> object:
    """Return the read timeout of the default client configuration."""
    config: Any = session.get_default_client_config()
    return config.read_timeout


@pytest.fixture
def profile(isolated: Any) -> str:
    """Write a profile into the config file, because botocore requires that it exists."""
    (isolated / ".aws").mkdir()
    (isolated / ".aws/config").write_text("[profile dev]\nregion = eu-north-1\n")
    return "dev"


@pytest.mark.anyio
async def test_region_and_profile_reach_the_provider(aws: SignedAws, config: Any, profile: str) -> None:
    """The region and profile of the session become the client context of the provider."""
    provider = RecordingProvider(KEYS)
    session = create_session(provider, region="eu-central-1", profile=profile, config=config)
    aws.know(KEYS)
    async with client(session, aws, "sts") as sts:
        await sts.get_caller_identity()
    assert provider.contexts == [ClientContext("eu-central-1", "dev")]


@pytest.mark.anyio
async def test_environment_is_not_part_of_the_context(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and environment variables do not change the client context: the provider reads them itself."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert await context_of(create_session(RecordingProvider(KEYS))) == ClientContext()


@pytest.mark.anyio
async def test_later_settings_reach_the_provider() -> None:
    """A setting that is made before the first client is in the client context."""
    session = get_session()
    install(session, RecordingProvider(KEYS))
    session.set_config_variable("region", "eu-west-3")
    assert await context_of(session) == ClientContext(region="eu-west-3")


@pytest.mark.anyio
async def test_region_of_the_default_configuration() -> None:
    """The region of the default client configuration takes precedence over the variable, as in botocore."""
    session = create_session(RecordingProvider(KEYS), region="eu-west-3", config=AioConfig(region_name="eu-west-1"))
    assert await context_of(session) == ClientContext(region="eu-west-1")


@pytest.mark.anyio
async def test_provider_with_a_context_keeps_it() -> None:
    """A provider that has a client context already keeps it."""
    bound = cached(RecordingProvider(KEYS)).for_client(ClientContext(region="ap-south-1"))
    session = create_session(bound, region="eu-west-3")
    assert (await session.get_credentials()).provider is bound


@pytest.mark.anyio
async def test_regions_share_the_cache_of_a_function() -> None:
    """Sessions for several regions share the cache of a provider that does not depend on the region."""
    provider = cached(my_keys)
    for region in ("eu-central-1", "eu-west-3", "us-east-1"):
        assert (await create_session(provider, region=region).get_credentials()).provider is provider


@pytest.mark.anyio
async def test_sessions_without_settings_share_the_cache() -> None:
    """Sessions without region and profile use the provider itself."""
    provider = cached(my_keys)
    for session in (create_session(provider), create_session(provider)):
        assert (await session.get_credentials()).provider is provider


@pytest.mark.anyio
async def test_credentials_object_has_botocores_methods() -> None:
    """The credentials object has the methods that signers call, and its text contains no secret."""
    credentials = await create_session(my_keys).get_credentials()
    frozen = await credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("AKIDMINE", f"{CANARY}-secret", None)
    assert await credentials.get_account_id() is None
    assert await credentials.get_deferred_property("account_id")() is None
    assert credentials.method == "anycreds"
    assert CANARY not in f"{credentials!r}{frozen!r}{frozen}"


@pytest.mark.anyio
async def test_session_with_a_factory_is_pickled(aws: SignedAws, config: Any, profile: str) -> None:
    """A session with a factory can be pickled, with region, profile and configuration, and then signs."""
    before = create_session(
        factory=shared_provider, region="eu-west-3", profile=profile, config=AioConfig(read_timeout=7)
    )
    session = pickle.loads(pickle.dumps(before))
    assert type(session) is ProviderSession
    assert session.get_config_variable("region") == "eu-west-3"
    assert session.profile == profile
    assert read_timeout(session) == 7
    assert await context_of(session) == ClientContext("eu-west-3", profile)
    aws.know(KEYS)
    async with client(session, aws, "sts", **({} if config is None else {"config": config})) as sts:
        assert (await sts.get_caller_identity())["UserId"] == "AKIDMINE"


@pytest.mark.anyio
async def test_unpickled_sessions_share_one_provider() -> None:
    """With ``functools.cache`` on the factory, the sessions of a process share one cache."""
    text = pickle.dumps(create_session(factory=shared_provider))
    assert await context_of(pickle.loads(text)) == ClientContext()
    found = [(await pickle.loads(text).get_credentials()).provider for _ in range(2)]
    assert found == [shared_provider(), shared_provider()]


def test_session_with_a_function_is_pickled() -> None:
    """A session with a module-level async function can be pickled."""
    assert isinstance(pickle.loads(pickle.dumps(create_session(my_keys))), ProviderSession)


def test_session_is_unpickled_in_another_process() -> None:
    """Another process unpickles a working session."""
    text = pickle.dumps(create_session(factory=anycreds.from_env))
    program = (
        "import asyncio, pickle, sys\n"
        "async def main():\n"
        "    credentials = await pickle.load(sys.stdin.buffer).get_credentials()\n"
        "    print((await credentials.get_frozen_credentials()).access_key)\n"
        "asyncio.run(main())\n"
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKIDOTHER", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    environ = {**os.environ, **keys, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], input=text, env=environ, capture_output=True, timeout=20, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (b"AKIDOTHER", b"")


def test_pickles_of_a_session_are_one_session() -> None:
    """In one process all pickles of a session are one session, until its settings change."""
    session = create_session(anycreds.from_default_chain(), region="eu-west-1")
    text = pickle.dumps(session)
    assert pickle.loads(text) is session
    del session
    gc.collect()  # botocore's session is part of a reference cycle
    session = pickle.loads(text)
    assert pickle.loads(text) is session
    session.set_config_variable("region", "eu-west-2")
    changed = pickle.dumps(session)
    del session
    assert pickle.loads(changed).instance_variables() == {"region": "eu-west-2"}


def test_session_with_a_secret_is_not_pickled() -> None:
    """A session whose provider has a secret option cannot be pickled; the error names the option."""
    provider = anycreds.from_http(full_uri="http://127.0.0.1/", authorization_token=f"{CANARY}-token")
    with pytest.raises(InvalidConfigurationError, match="option authorization_token"):
        pickle.dumps(create_session(provider))


@pytest.mark.anyio
async def test_deep_copy_has_the_same_provider() -> None:
    """A deep copy of a session is a new session with the same provider and settings."""
    provider = cached(my_keys)
    session = create_session(provider, config=AioConfig(read_timeout=7))
    duplicate = copy.deepcopy(session)
    assert duplicate is not session
    assert (await duplicate.get_credentials()).provider is provider
    assert read_timeout(duplicate) == 7


@pytest.mark.parametrize("given", [{}, {"provider": my_keys, "factory": shared_provider}], ids=["neither", "both"])
def test_either_provider_or_factory(given: dict[str, Any]) -> None:
    """Neither or both of provider and factory are an error."""
    with pytest.raises(InvalidConfigurationError, match="a provider or a factory"):
        create_session(**given)


@pytest.mark.anyio
async def test_session_with_credentials_is_rejected() -> None:
    """A session that has credentials already is rejected, because it would continue to use them."""
    session = get_session()
    session.set_credentials("AKIDOLD", f"{CANARY}-secret-old")
    with pytest.raises(InvalidConfigurationError, match="before the first client"):
        install(session, my_keys)


@pytest.mark.anyio
async def test_second_install_replaces_the_first(aws: SignedAws, stack: Stack) -> None:
    """A second install before the first client replaces the provider; an expired session is retried once."""
    session, source = plain_session(stack), Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired |= {"ASIA0001", "ASIA0002"}
    install(session, my_keys)
    install(session, source.cached())
    async with client(session, aws, "sts") as sts:
        with pytest.raises(sts.exceptions.ClientError, match="ExpiredToken"):
            await sts.get_caller_identity()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


@pytest.mark.anyio
async def test_old_aiobotocore_on_trio(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """On trio, a version of aiobotocore without support for trio is named in the error."""
    from aiobotocore import endpoint

    monkeypatch.delattr(endpoint, "AnyioEndpoint", raising=False)
    session = create_session(my_keys)
    if stack.backend != "trio":
        assert session.get_default_client_config() is None
        return
    with pytest.raises(InvalidConfigurationError, match=r"runs on asyncio only.*use aiobotocore 3"):
        async with session.create_client("sts", region_name="eu-west-3"):
            pass
