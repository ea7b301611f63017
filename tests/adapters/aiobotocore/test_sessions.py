"""What a session tells its provider, what of it can be pickled, and what is refused."""

from __future__ import annotations

import copy
import functools
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

import anycreds
from adapters.aiobotocore.loops import Stack
from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import Source, client, plain_session
from anycreds import ClientContext, CredentialProvider, Credentials, InvalidConfigurationError, Provider, cached
from anycreds._core.io import Io
from anycreds._factories.runtime import RUNTIME
from anycreds.testing import CANARY

pytest.importorskip("aiobotocore")

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from anycreds.adapters.aiobotocore import ProviderSession, create_session, install

KEYS = Credentials("AKIDMINE", f"{CANARY}-secret")


class Asked(Provider):
    """A provider that notes for whom it is asked."""

    def __init__(self) -> None:
        super().__init__("asked", RUNTIME)
        self.contexts: list[ClientContext] = []

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.contexts.append(context)
        return KEYS


@functools.cache
def made() -> CredentialProvider:
    """Make the provider that all sessions of this process share."""
    return cached(mine)


async def mine() -> Credentials:
    """Give a set; a function that can be pickled by its name."""
    return KEYS


async def caller(session: AioSession) -> ClientContext:
    """Return what the provider of a session is told."""
    found: ClientContext = (await session.get_credentials()).provider._context
    return found


def read_timeout(session: AioSession) -> object:
    """Return what stands in the default configuration of a session's clients."""
    config: Any = session.get_default_client_config()
    return config.read_timeout


@pytest.fixture
def profile(isolated: Any) -> str:
    """Write a profile into the config file, because botocore insists that there is one."""
    (isolated / ".aws").mkdir()
    (isolated / ".aws/config").write_text("[profile dev]\nregion = eu-north-1\n")
    return "dev"


@pytest.mark.anyio
async def test_what_was_set_is_told(aws: SignedAws, config: Any, profile: str) -> None:
    """Region and profile of the session reach the provider."""
    provider = Asked()
    session = create_session(provider, region="eu-central-1", profile=profile, config=config)
    aws.know(KEYS)
    async with client(session, aws, "sts") as sts:
        await sts.get_caller_identity()
    assert provider.contexts == [ClientContext("eu-central-1", "dev")]


@pytest.mark.anyio
async def test_what_was_not_set_is_not_told(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What files and environment say is not told: the provider reads those itself, and names nothing by that."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert await caller(create_session(Asked())) == ClientContext()


@pytest.mark.anyio
async def test_what_is_set_later_is_told() -> None:
    """What is set on a session until its first client, by whatever name, is told."""
    session = get_session()
    install(session, Asked())
    session.set_config_variable("region", "eu-west-3")
    assert await caller(session) == ClientContext(region="eu-west-3")


@pytest.mark.anyio
async def test_the_region_of_the_default_configuration() -> None:
    """The region in the default client configuration comes before the session's variable, as with botocore."""
    session = create_session(Asked(), region="eu-west-3", config=AioConfig(region_name="eu-west-1"))
    assert await caller(session) == ClientContext(region="eu-west-1")


@pytest.mark.anyio
async def test_a_bound_provider_stays_bound() -> None:
    """A provider that the program has bound itself is not bound anew."""
    bound = cached(Asked()).for_client(ClientContext(region="ap-south-1"))
    session = create_session(bound, region="eu-west-3")
    assert (await session.get_credentials()).provider is bound


@pytest.mark.anyio
async def test_the_cache_is_the_providers() -> None:
    """Without a region and a profile, a session uses the very cache of its provider, and so do others."""
    provider = cached(mine)
    for session in (create_session(provider), create_session(provider)):
        assert (await session.get_credentials()).provider is provider


@pytest.mark.anyio
async def test_what_a_library_may_ask() -> None:
    """The credentials of a session answer what signers ask for, and show no secret."""
    credentials = await create_session(mine).get_credentials()
    frozen = await credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("AKIDMINE", f"{CANARY}-secret", None)
    assert await credentials.get_account_id() is None
    assert await credentials.get_deferred_property("account_id")() is None
    assert credentials.method == "anycreds"
    assert CANARY not in f"{credentials!r}{frozen!r}{frozen}"


@pytest.mark.anyio
async def test_pickled(aws: SignedAws, config: Any, profile: str) -> None:
    """A session made with a factory can be pickled, with region, profile and configuration, and then asks alike."""
    before = create_session(factory=made, region="eu-west-3", profile=profile, config=AioConfig(read_timeout=7))
    session = pickle.loads(pickle.dumps(before))
    assert type(session) is ProviderSession
    assert session.get_config_variable("region") == "eu-west-3"
    assert session.profile == profile
    assert read_timeout(session) == 7
    assert await caller(session) == ClientContext("eu-west-3", profile)
    aws.know(KEYS)
    async with client(session, aws, "sts", **({} if config is None else {"config": config})) as sts:
        assert (await sts.get_caller_identity())["UserId"] == "AKIDMINE"


@pytest.mark.anyio
async def test_one_provider_for_all_that_were_pickled() -> None:
    """With ``functools.cache`` on the factory, the sessions of a process share one cache."""
    text = pickle.dumps(create_session(factory=made))
    assert await caller(pickle.loads(text)) == ClientContext()
    found = [(await pickle.loads(text).get_credentials()).provider for _ in range(2)]
    assert found == [made(), made()]


def test_pickled_with_a_function() -> None:
    """An async function of a module can be pickled, too."""
    assert isinstance(pickle.loads(pickle.dumps(create_session(mine))), ProviderSession)


def test_pickled_for_another_process() -> None:
    """Another process gets a session that works, and no secret on the way."""
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


def test_what_cannot_be_pickled() -> None:
    """A session with a provider says what to do instead."""
    session = create_session(anycreds.from_default_chain())
    with pytest.raises(TypeError, match=r"cannot be pickled: use create_session\(factory=…\)"):
        pickle.dumps(session)


@pytest.mark.anyio
async def test_a_deep_copy_has_the_same_provider() -> None:
    """A deep copy of a session is another session with the same provider and settings."""
    provider = cached(mine)
    session = create_session(provider, config=AioConfig(read_timeout=7))
    twin = copy.deepcopy(session)
    assert twin is not session
    assert (await twin.get_credentials()).provider is provider
    assert read_timeout(twin) == 7


@pytest.mark.parametrize("given", [{}, {"provider": mine, "factory": made}], ids=["neither", "both"])
def test_provider_or_factory(given: dict[str, Any]) -> None:
    """Neither a provider nor a factory, or both, is refused."""
    with pytest.raises(InvalidConfigurationError, match="a provider or a factory"):
        create_session(**given)


@pytest.mark.anyio
async def test_too_late() -> None:
    """A session that has credentials already is refused, since it would go on with them in silence."""
    session = get_session()
    session.set_credentials("AKIDOLD", f"{CANARY}-secret-old")
    with pytest.raises(InvalidConfigurationError, match="before the first client"):
        install(session, mine)


@pytest.mark.anyio
async def test_installed_twice(aws: SignedAws, stack: Stack) -> None:
    """Until its first client, a session may get another provider; an expired token is still replaced only once."""
    session, source = plain_session(stack), Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired |= {"ASIA0001", "ASIA0002"}
    install(session, mine)
    install(session, source.cached())
    async with client(session, aws, "sts") as sts:
        with pytest.raises(sts.exceptions.ClientError, match="ExpiredToken"):
            await sts.get_caller_identity()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


@pytest.mark.anyio
async def test_an_old_aiobotocore(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """On trio, an aiobotocore that is too old for it is named; on asyncio it is as good as any."""
    from aiobotocore import endpoint

    monkeypatch.delattr(endpoint, "AnyioEndpoint", raising=False)
    session = create_session(mine)
    if stack.backend != "trio":
        assert session.get_default_client_config() is None
        return
    with pytest.raises(InvalidConfigurationError, match=r"runs on asyncio only.*use aiobotocore 3"):
        async with session.create_client("sts", region_name="eu-west-3"):
            pass
