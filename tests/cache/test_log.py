"""What the cache writes to its log: whole records, so that an administrator can rely on level, logger and text."""

from __future__ import annotations

import logging

import anyio
import pytest

import anycreds
from anycreds.events import Event, Invalidated, Refreshed, ServedStale
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

HOUR = 3600.0
NAME = "function FakeSource"


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    """Record what the library logs at any level."""
    caplog.set_level(logging.DEBUG, logger="anycreds")


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Return level and text of each record of the cache since the last call."""
    found = [(level, text) for name, level, text in caplog.record_tuples if name == "anycreds.cache"]
    caplog.clear()
    return found


async def test_failed_refresh(caplog: pytest.LogCaptureFixture) -> None:
    """A failed refresh is a warning with the key, its lifetime, the time of the next attempt and the error."""
    clock = VirtualClock()
    clock.chance = 0.5
    events: list[Event] = []
    down = anycreds.RetrievalError("down", source="vault")
    upstream = FakeSource(clock, HOUR, down, down)
    provider = anycreds.cached(upstream, clock=clock, observer=events.append)
    first = await provider()
    await anyio.sleep(HOUR - 800)
    await provider()
    await anyio.sleep(0.001)
    text = f"{NAME}: the refresh failed; AKID1 expires in 800 s; next attempt in 450 s: vault: down"
    assert logged(caplog) == [(logging.WARNING, text)]
    (stale,) = [event for event in events if isinstance(event, ServedStale)]
    assert (stale.provider, stale.credentials, stale.left, str(stale.error)) == (NAME, first, 800.0, "vault: down")
    await anyio.sleep(799)
    await provider()
    text = f"{NAME}: the refresh failed; AKID1 expires in 1 s; next attempt in 1 s: vault: down"
    assert logged(caplog) == [(logging.WARNING, text)]
    assert sum(isinstance(event, ServedStale) for event in events) == 2  # still used in its last second


async def test_failed_refresh_of_expired_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """After the expiration a failed refresh is logged with 0 s left, and no event says that the key is used."""
    clock = VirtualClock()
    events: list[Event] = []
    provider = anycreds.cached(
        FakeSource(clock, HOUR, anycreds.RetrievalError("down")), clock=clock, observer=events.append
    )
    await provider()
    await anyio.sleep(HOUR + 100)
    with pytest.raises(anycreds.RetrievalError):
        await provider()
    text = f"{NAME}: the refresh failed; AKID1 expires in 0 s; next attempt in 1 s: {NAME}: down"
    assert logged(caplog) == [(logging.WARNING, text)]
    assert not [event for event in events if isinstance(event, ServedStale)]


async def test_extended_expiration(caplog: pytest.LogCaptureFixture) -> None:
    """A failed refresh that extends the expiration says so, and the event has the extended credentials."""
    clock = VirtualClock()
    clock.chance = 0.0
    events: list[Event] = []
    upstream = FakeSource(clock, HOUR, anycreds.RetrievalError("down"))
    provider = anycreds.cached(upstream, clock=clock, stale_ok=True, observer=events.append)
    await provider()
    await anyio.sleep(2 * HOUR)
    extended = await provider()
    text = f"{NAME}: the refresh failed; AKID1 expires in 300 s (extended); next attempt in 240 s: {NAME}: down"
    assert logged(caplog) == [(logging.WARNING, text)]
    (stale,) = [event for event in events if isinstance(event, ServedStale)]
    assert (stale.credentials, stale.left) == (extended, 300.0)


async def test_unchanged_response_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Credentials that the source returns again are neither logged nor reported to the observer."""
    clock = VirtualClock()
    events: list[Event] = []
    same = make_credentials("A", clock.time() + HOUR)
    provider = anycreds.cached(FakeSource(clock, same, same), clock=clock, observer=events.append)
    await provider()
    await anyio.sleep(HOUR - 600)
    await provider()
    await anyio.sleep(0.001)
    assert logged(caplog) == []
    assert sum(isinstance(event, Refreshed) for event in events) == 1
    assert not any(isinstance(event, ServedStale) for event in events)


async def test_failure_with_an_empty_cache_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failure that callers get is not logged."""
    provider = anycreds.cached(FakeSource(VirtualClock(), anycreds.RetrievalError("down")))
    with pytest.raises(anycreds.RetrievalError):
        await provider()
    assert logged(caplog) == []


async def test_other_source(caplog: pytest.LogCaptureFixture) -> None:
    """If a refresh returns credentials of another source, a warning names the new and the old one, once."""
    clock = VirtualClock()
    names = ["here", "there", "there"]

    def named() -> anycreds.Credentials:
        source = names.pop(0)
        return make_credentials(source, clock.time() + HOUR).replace(source=source)

    provider = anycreds.cached(FakeSource(clock, named, named, named), clock=clock)
    await provider()
    assert logged(caplog) == []
    await provider(refresh=True)
    assert logged(caplog) == [(logging.WARNING, f"{NAME}: credentials now come from there; before, from here")]
    await provider(refresh=True)
    assert logged(caplog) == []


async def test_invalidated_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """Invalidated credentials are logged by key id, and so is a source that returns them again, but only once."""
    clock = VirtualClock()
    events: list[Event] = []
    same = make_credentials("A", clock.time() + 6 * HOUR)
    provider = anycreds.cached(FakeSource(clock, same, same, same), clock=clock, observer=events.append)
    first = await provider()
    assert logged(caplog) == []
    assert provider.invalidate(first)
    assert logged(caplog) == [(logging.INFO, f"{NAME}: invalidated the cached credentials AKIDA")]
    assert events[-1] == Invalidated(NAME, first)
    again = await provider()
    repeated = (logging.WARNING, f"{NAME}: the source returned the invalidated credentials again")
    assert logged(caplog) == [repeated]
    assert await provider(refresh=True) is again
    assert logged(caplog) == []
