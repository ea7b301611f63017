"""``for_client`` and ``cached`` as functions: what is shared, what is not, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

import anycreds
from anycreds._core.io import Io
from anycreds._factories.runtime import RUNTIME
from anycreds.testing import ManualClock
from support.fake_source import FakeSource

pytestmark = pytest.mark.anyio

PARIS = anycreds.ClientContext(region="eu-west-3")


class RegionalProvider(anycreds.Provider):
    """A provider whose credentials depend on the region of the client."""

    def __init__(self) -> None:
        super().__init__("regional", RUNTIME, context_fields=frozenset({"region"}))
        self.calls = 0

    async def _load(self, io: Io, context: anycreds.ClientContext) -> anycreds.Credentials:
        self.calls += 1
        return anycreds.Credentials(f"AKID{self.calls}", "shh")


async def test_each_context_has_its_own_cache() -> None:
    """Clients in one region share a cache; clients in different regions do not, if the provider depends on it."""
    upstream = RegionalProvider()
    provider = anycreds.cached(upstream)
    assert provider.for_client(PARIS) is provider.for_client(anycreds.ClientContext(region="eu-west-3"))
    assert provider.for_client(anycreds.ClientContext()) is provider
    first, second = await provider(), await provider.for_client(PARIS)()
    assert first.access_key_id != second.access_key_id
    assert await provider.for_client(PARIS)() is second
    assert upstream.calls == 2


async def test_irrelevant_context_shares_the_cache() -> None:
    """A context that differs only in what the credentials do not depend on shares the cache."""
    function = anycreds.cached(FakeSource(ManualClock(), life=None))
    assert function.for_client(PARIS) is function
    provider = anycreds.cached(RegionalProvider())
    assert provider.for_client(anycreds.ClientContext(profile="work")) is provider
    assert provider.for_client(PARIS._replace(profile="work")) is provider.for_client(PARIS)


async def test_second_context_replaces_the_first() -> None:
    """A provider that has a context takes another one instead."""
    provider = anycreds.cached(RegionalProvider())
    assert (
        provider.for_client(PARIS).for_client(anycreds.ClientContext(region="us-east-1"))._context.region == "us-east-1"
    )


async def test_profile_of_a_caller_counts_as_named() -> None:
    """The default chain bound to a client's profile does not serve the environment's keys instead."""
    chain = anycreds.from_default_chain(
        environ={"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "shh", "HOME": "/nowhere"}
    )
    assert (await chain()).access_key_id == "AKID"
    with pytest.raises(anycreds.ProfileNotFoundError, match=r"'work'.*the profile of the client"):
        await chain.for_client(anycreds.ClientContext(profile="work"))()


async def test_plain_function_gets_no_arguments_however_bound() -> None:
    """A user's function is called without arguments, whoever the caller is."""

    async def source(*arguments: object) -> anycreds.Credentials:
        assert arguments == ()
        return anycreds.Credentials("AKID", "shh")

    assert (await anycreds.cached(source).for_client(PARIS)()).access_key_id == "AKID"


async def test_uncached_provider_can_be_bound() -> None:
    """A provider without a cache takes a caller too, and still answers."""
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "shh"}
    bound = anycreds.from_env(environ=keys).for_client(PARIS)
    assert (await bound()).access_key_id == "AKID"
    assert (await bound.for_client(anycreds.ClientContext())()).access_key_id == "AKID"


def test_cached_is_idempotent() -> None:
    """Caching what is cached gives the same object; with options, a cache of its own over the same source."""
    provider = anycreds.cached(anycreds.from_env())
    assert anycreds.cached(provider) is provider
    chain = anycreds.from_default_chain()
    assert anycreds.cached(chain) is chain
    assert anycreds.cached(provider, stale_ok=True) is not provider


async def test_cached_provider_in_a_chain_keeps_its_cache() -> None:
    """A cached member of a chain is not asked anew at each call of the chain."""
    upstream = FakeSource(ManualClock(), life=None)
    chain = anycreds.create_credential_chain(anycreds.from_env(environ={}), anycreds.cached(upstream))
    for _ in range(3):
        assert (await chain()).access_key_id == "AKID1"
        assert (await chain.for_client(PARIS)()).access_key_id == "AKID1"
    assert upstream.calls == 1


@pytest.mark.parametrize(
    "options", [{"refresh_window": -1}, {"recheck_after": "soon"}, {"refresh_window": timedelta(-1)}]
)
def test_options_that_cannot_be_right_are_refused(options: dict[str, object]) -> None:
    """Nonsense is an error when the cache is made, and names the option."""
    with pytest.raises(anycreds.InvalidConfigurationError, match=next(iter(options))):
        anycreds.cached(anycreds.from_env(), **options)  # type: ignore[arg-type]


async def test_source_that_gives_none_is_told() -> None:
    """A function that forgets its return gets an error that names it and the type, never None."""

    async def forgetful() -> None:
        return None

    with pytest.raises(anycreds.MalformedResponseError, match=r"forgetful.*None"):
        await anycreds.cached(forgetful)()  # type: ignore[arg-type]
