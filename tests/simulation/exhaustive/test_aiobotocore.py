"""The search can fail: aiobotocore's cache breaks with one deviation. Skipped where aiobotocore is not installed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from anycreds import Clock, Credentials
from simulation.exhaustive.schedules import ScheduleError, explore, repeat
from simulation.exhaustive.worlds import WORLDS

aiobotocore_credentials = pytest.importorskip("aiobotocore.credentials")


class AiobotocoreCache:
    """The cache of aiobotocore, as a provider."""

    def __init__(self, source: Callable[[], Awaitable[Credentials]], clock: Clock) -> None:
        self._source = source
        self._issued: dict[str, Credentials] = {}
        self._cache = aiobotocore_credentials.AioDeferredRefreshableCredentials(
            self._fetch, "test", time_fetcher=lambda: datetime.fromtimestamp(clock.time(), UTC)
        )

    async def __call__(self) -> Credentials:
        frozen = await self._cache.get_frozen_credentials()
        return self._issued[frozen.access_key]

    async def _fetch(self) -> dict[str, str | None]:
        issued = await self._source()
        self._issued[issued.access_key_id] = issued
        assert issued.expiration is not None
        return {
            "access_key": issued.access_key_id,
            "secret_key": issued.secret_access_key,
            "token": issued.session_token,
            "expiry_time": issued.expiration.isoformat(),
        }


def test_one_deviation_breaks_the_cache_of_aiobotocore() -> None:
    """It makes one call for all callers, but a cancellation of the first caller ends that call for all of them."""
    world = WORLDS["up"]
    assert explore("asyncio", world, 0, AiobotocoreCache) == 1
    with pytest.raises(ScheduleError, match="a refresh is cut off that call 1, call 2, call 3 needs") as caught:
        explore("asyncio", world, 1, AiobotocoreCache)
    events = "\n".join(repeat(caught.value.token, AiobotocoreCache).history.events)
    assert events.count("EVENT: cancel") == 1
