"""``for_client``: which clients share a cache, and what a source gets to know about a client."""

from __future__ import annotations

import pytest

import anycreds
from anycreds import CachedProvider, ClientContext, Credentials
from anycreds._core.events import Event
from anycreds._core.io import ImmediateIo, Io
from anycreds._core.provider import Provider
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import ManualClock
from support.fake_source import FakeSource

pytestmark = pytest.mark.anyio

PARIS = ClientContext(region="eu-west-3")
REGIONS = ("eu-west-3", "us-east-1", "ap-south-1")
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "shh"}


class RegionalSource(Provider):
    """A source whose credentials depend on the fields of the context that are given; it records each context."""

    __slots__ = ("contexts",)

    def __init__(self, *fields: str) -> None:
        super().__init__("regional", SystemRuntime(), context_fields=frozenset(fields))
        self.contexts: list[ClientContext] = []

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.contexts.append(context)
        return Credentials(f"AKID{len(self.contexts)}", "shh")


class ImmediateSource(RegionalSource):
    """A source that answers without waiting."""

    __slots__ = ()

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials:
        self.contexts.append(context)
        return Credentials(f"AKID{len(self.contexts)}", "shh")


async def test_function_is_called_once_for_clients_in_three_regions() -> None:
    """Clients in three regions share one cache over a function, which cannot depend on a region."""
    upstream = FakeSource(ManualClock(), life=None)
    provider = anycreds.cached(upstream)
    for region in REGIONS:
        client = provider.for_client(ClientContext(region=region, profile="work"))
        assert client is provider
        await client()
    assert upstream.calls == 1


async def test_invalidate_reaches_the_clients_of_a_function() -> None:
    """Credentials that one client invalidates are not returned to another client with the same credentials."""
    upstream = FakeSource(ManualClock(), life=None)
    provider = anycreds.cached(upstream)
    first = await provider.for_client(PARIS)()
    assert provider.invalidate(first)
    assert await provider.for_client(ClientContext(region="us-east-1"))() != first


async def test_source_that_depends_on_the_region_is_called_for_each_region() -> None:
    """Each region has its own cache, which all equal contexts share; the profile makes no difference."""
    source = RegionalSource("region")
    provider = anycreds.cached(source)
    assert provider.for_client(ClientContext()) is provider
    assert provider.for_client(ClientContext(profile="work")) is provider
    assert provider.for_client(PARIS) is provider.for_client(PARIS._replace(profile="work"))
    keys = [
        (await provider.for_client(ClientContext(region=region, profile=profile))()).access_key_id
        for profile in ("work", None)
        for region in REGIONS
    ]
    assert keys == ["AKID1", "AKID2", "AKID3"] * 2
    assert source.contexts == [ClientContext(region=region) for region in REGIONS]


async def test_client_of_a_client_has_the_same_cache() -> None:
    """``for_client`` on a client's provider replaces the context: all equal contexts share one cache."""
    provider = anycreds.cached(RegionalSource("region"))
    paris = provider.for_client(PARIS)
    assert paris.for_client(PARIS) is paris
    virginia = paris.for_client(ClientContext(region="us-east-1"))
    assert virginia is provider.for_client(ClientContext(region="us-east-1"))
    assert virginia._context == ClientContext(region="us-east-1")
    assert virginia.for_client(ClientContext()) is provider


def _role() -> Provider:
    return anycreds.from_temporary_credentials("arn:aws:iam::123456789012:role/Deploy", source_credentials=_source)


async def _source() -> Credentials:
    return Credentials("AKID", "shh")


def _three_clients(provider: CachedProvider) -> set[CachedProvider]:
    contexts = ClientContext(), PARIS, ClientContext(profile="work")
    return {provider.for_client(context) for context in contexts}


def test_role_and_default_chain_depend_on_region_and_profile() -> None:
    """A role of STS is called in the client's region, and a profile is selected by the client's: both have caches."""
    assert len(_three_clients(anycreds.cached(_role()))) == 3
    assert len(_three_clients(anycreds.from_default_chain())) == 3
    assert len(_three_clients(anycreds.cached(anycreds.create_credential_chain(_source, _role())))) == 3


def test_environment_depends_on_no_context() -> None:
    """Environment variables are the same for every client, alone and in a chain with a function."""
    assert len(_three_clients(anycreds.cached(anycreds.from_env()))) == 1
    assert len(_three_clients(anycreds.cached(anycreds.create_credential_chain(anycreds.from_env(), _source)))) == 1


async def test_profile_of_a_client_counts_as_selected_explicitly() -> None:
    """The default chain for a client with a profile does not return the keys of the environment instead."""
    chain = anycreds.from_default_chain(environ={**KEYS, "HOME": "/nowhere"})
    assert (await chain()).access_key_id == "AKID"
    with pytest.raises(anycreds.ProfileNotFoundError, match=r"'work'.*the profile of the client"):
        await chain.for_client(ClientContext(profile="work"))()


async def test_chain_that_answers_at_once_passes_the_client_on() -> None:
    """A chain whose first member answers without waiting gives it the context of the client."""
    source = ImmediateSource("region")
    chain = anycreds.cached(anycreds.create_credential_chain(source))
    assert (await chain.for_client(PARIS)()).access_key_id == "AKID1"
    assert source.contexts == [PARIS]


async def test_function_gets_no_arguments() -> None:
    """A user's function is called without arguments, whatever the client's context is."""

    async def source(*arguments: object) -> Credentials:
        assert arguments == ()
        return Credentials("AKID", "shh")

    assert (await anycreds.cached(source).for_client(PARIS)()).access_key_id == "AKID"


async def test_uncached_provider_for_a_client() -> None:
    """``for_client`` works without a cache too, and can be repeated."""
    bound = anycreds.from_env(environ=KEYS).for_client(PARIS)
    assert (await bound()).access_key_id == "AKID"
    assert (await bound.for_client(ClientContext())()).access_key_id == "AKID"


async def test_cached_member_of_a_chain_keeps_its_cache() -> None:
    """A cached member of an uncached chain is called once, for whatever client the chain is called."""
    upstream = FakeSource(ManualClock(), life=None)
    chain = anycreds.create_credential_chain(anycreds.from_env(environ={}), anycreds.cached(upstream))
    for _ in range(3):
        assert (await chain()).access_key_id == "AKID1"
        assert (await chain.for_client(PARIS)()).access_key_id == "AKID1"
    assert upstream.calls == 1
