"""``spread_first_refresh``: machines that start together, or recover together, do not refresh together."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import pytest

import anycreds
from anycreds import Credentials, RetrievalError
from anycreds._cache.refresh_windows import CacheOptions, ClockReading, schedule
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials
from support.rows import each_row

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0
SPREAD = CacheOptions(spread_first_refresh=True)
START = ClockReading(0.0, 0.0)


class Cache:
    """A cache with the option, whose random numbers are all ``chance``, and its source."""

    def __init__(self, lifetime: float = HOUR, chance: float = 0.0, *, spread_first_refresh: bool = True) -> None:
        clock = VirtualClock()
        clock.chance = chance
        self.upstream = FakeSource(clock, life=lifetime)
        self.provider = anycreds.cached(self.upstream, spread_first_refresh=spread_first_refresh, clock=clock)
        self._step = lifetime / 720

    async def use(self, seconds: float) -> list[float]:
        """Be a caller again and again. Return how old the credentials were at each refresh, in seconds."""
        known, end = self.upstream.calls, anyio.current_time() + seconds
        while anyio.current_time() < end:
            with suppress(RetrievalError):
                await self.provider()
            await anyio.sleep(self._step)
        return [after - before for before, after in itertools.pairwise(self.upstream.started[max(known - 1, 0) :])]


@pytest.mark.parametrize(
    ("chance", "lifetime", "first", "later"),
    [
        (0.0, HOUR, 15 * MINUTE, 45 * MINUTE),
        (0.5, HOUR, 30 * MINUTE + 22.5, 45 * MINUTE + 45),
        (0.999, HOUR, 46.5 * MINUTE, 46.5 * MINUTE),
        (0.0, 15 * MINUTE, 225.0, 10 * MINUTE),
        (0.0, 12 * HOUR, 3 * HOUR, 11 * HOUR),
    ],
)
async def test_only_the_first_refresh_is_spread(chance: float, lifetime: float, first: float, later: float) -> None:
    """The first refresh starts between a quarter of the lifetime and the usual time, and every later one as usual."""
    ages = await Cache(lifetime, chance).use(first + 2.1 * later)
    assert ages == pytest.approx([first, later, later], abs=lifetime / 360)


async def test_the_first_refresh_is_not_spread_by_default() -> None:
    """Without the option, the first refresh starts at the same age as every later one."""
    ages = await Cache(spread_first_refresh=False).use(91 * MINUTE)
    assert ages == pytest.approx([45 * MINUTE] * 2, abs=10)


async def test_the_first_refresh_after_an_outage_is_spread() -> None:
    """Credentials that arrive after the cached ones have expired are first ones: all machines recover together."""
    cache = Cache()
    await cache.use(16 * MINUTE)
    cache.upstream.outcomes.extend([RetrievalError("down")] * 20)
    await cache.use(62 * MINUTE)  # the credentials of the 15th minute expire in the 75th
    assert not cache.upstream.outcomes
    assert await cache.use(60 * MINUTE) == pytest.approx([15 * MINUTE, 45 * MINUTE], abs=10)


async def test_the_refresh_after_a_failed_attempt_is_spread() -> None:
    """After an outage that the cached credentials outlast, all machines call within minutes, so they are spread too."""
    cache = Cache()
    await cache.use(16 * MINUTE)
    cache.upstream.outcomes.append(RetrievalError("down"))
    ages = await cache.use(115 * MINUTE)
    assert ages == pytest.approx([45 * MINUTE, 5 * MINUTE, 15 * MINUTE, 45 * MINUTE], abs=15)


async def test_the_refresh_after_an_unchanged_response_is_not_spread() -> None:
    """A source that returns the same credentials again is not down: new ones are refreshed as usual."""
    cache = Cache()
    await cache.use(16 * MINUTE)
    cached = await cache.provider()
    cache.upstream.outcomes.append(cached)
    ages = await cache.use(115 * MINUTE)
    assert ages == pytest.approx([45 * MINUTE, 5 * MINUTE, 45 * MINUTE], abs=15)


def test_spread_is_even() -> None:
    """Evenly spread random numbers cause evenly spread refreshes."""
    credentials = make_credentials("A", HOUR)
    windows = [schedule(credentials, START, number / 100, SPREAD, is_first=True).advisory for number in range(100)]
    shifts = [before - after for before, after in itertools.pairwise(windows)]
    assert min(shifts) > 0
    assert max(shifts) < 1.2 * min(shifts)


@each_row(
    "credentials, prompts, advisory, mandatory",
    [
        (make_credentials("A", HOUR), False, 45 * MINUTE, MINUTE),
        (make_credentials("A", HOUR), True, 0.0, 0.0),
        (make_credentials("A", None), False, 0.0, 0.0),
        (make_credentials("A", HOUR).replace(original_expiration=datetime.fromtimestamp(-1, UTC)), False, MINUTE, 0.0),
    ],
    ids=["with an expiration", "after a prompt", "without an expiration", "extended"],
)
def test_windows_that_are_spread(credentials: Credentials, prompts: bool, advisory: float, mandatory: float) -> None:
    """Only the advisory window of credentials with an expiration of their own is longer, and only without prompts."""
    windows = schedule(credentials, START, 0.0, SPREAD, is_first=True, may_prompt_user=prompts)
    assert (windows.advisory, windows.mandatory) == (advisory, mandatory)
