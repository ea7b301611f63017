"""``provider(min_ttl=…)``: valid for at least that long, or an error that says what can be had."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0


async def test_set_that_lives_long_enough_is_served() -> None:
    """A wish that the cached set fulfils costs no call."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert await provider(min_ttl=timedelta(hours=3)) is first
    assert await provider(min_ttl=3 * HOUR) is first
    assert upstream.calls == 1


async def test_set_that_is_too_short_is_refreshed_for_the_wish() -> None:
    """A wish for more than what is left waits for one refresh and gets its set."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(4 * HOUR)
    assert (await provider(min_ttl=3 * HOUR)).access_key_id == "AKID2"


async def test_source_that_cannot_is_asked_once_in_five_minutes() -> None:
    """If the new set is too short as well, the error gives both lengths; five minutes later it is asked again."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError, match="3600 s") as caught:
        await provider(min_ttl=3 * HOUR)
    assert "10800 s" in str(caught.value)
    assert upstream.calls == 1
    for _ in range(29):
        await anyio.sleep(10)
        with pytest.raises(anycreds.LifetimeTooShortError):
            await provider(min_ttl=4 * HOUR)
    assert upstream.calls == 1
    await anyio.sleep(20)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    assert upstream.calls == 2


async def test_smaller_wish_is_tried_though_a_larger_one_was_refused() -> None:
    """What was refused stands for itself and for longer wishes only."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    await anyio.sleep(2 * MINUTE)
    assert (await provider(min_ttl=HOUR - 1)).access_key_id == "AKID2"


async def test_refused_wish_leaves_ordinary_callers_alone() -> None:
    """Who asks for no length is served the set that was too short for others."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=HOUR), clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    assert (await provider()).access_key_id == "AKID1"


async def test_failure_for_a_wish_is_the_failure() -> None:
    """If the refresh for a wish fails, that failure is raised; ordinary callers are still served."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, anycreds.RetrievalError("down"))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(2)
    with pytest.raises(anycreds.RetrievalError, match="down"):
        await provider(min_ttl=2 * HOUR)
    assert await provider() is first


async def test_keys_without_an_end_fulfil_every_wish() -> None:
    """A set without expiration is long enough for all."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=None), clock=clock)
    assert (await provider(min_ttl=timedelta(days=3650))).expiration is None


async def test_dull_answer_to_a_wish_is_too_short() -> None:
    """A source that only repeats its set makes the wish fail with what is left of that."""
    clock = VirtualClock()
    same = make_credentials("A", clock.time() + HOUR)
    provider = anycreds.cached(FakeSource(clock, same, same), clock=clock)
    await provider()
    await anyio.sleep(30 * MINUTE)
    with pytest.raises(anycreds.LifetimeTooShortError, match="1800 s"):
        await provider(min_ttl=HOUR)


@pytest.mark.parametrize("wish", [-1, float("nan"), float("inf"), "3h", True, timedelta(seconds=-1)])
async def test_wish_that_is_no_length_of_time_is_refused(wish: object) -> None:
    """Nonsense for ``min_ttl`` is a clear error, not an endless wait."""
    provider = anycreds.cached(anycreds.from_env())
    with pytest.raises(anycreds.InvalidConfigurationError, match="min_ttl"):
        await provider(min_ttl=wish)  # type: ignore[arg-type]
