"""An observer receives the events of a cache and its source in order, once each, and cannot do harm."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import Credentials, RetrievalError
from anycreds.events import AttemptFailed, AttemptStarted, Event, Invalidated, Refreshed, ServedStale, Waited
from anycreds.testing import ManualClock
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_events_of_credentials() -> None:
    """Start, success, wait, invalidation and failure are reported with the provider's name and the duration."""
    events: list[Event] = []
    clock = ManualClock()
    down = RetrievalError("down", source="vault")
    responses: list[Credentials | RetrievalError] = [
        make_credentials("A", clock.time() + 3600),
        make_credentials("B", clock.time() + 3600),
        down,
    ]

    async def source() -> Credentials:
        clock.advance(2)
        response = responses.pop(0)
        if isinstance(response, RetrievalError):
            raise response
        return response

    is_stale = anyio.Event()

    def observer(event: Event) -> None:
        events.append(event)
        if isinstance(event, ServedStale):
            is_stale.set()

    provider = anycreds.cached(source, clock=clock, observer=observer)
    first = await provider()
    assert kinds(events) == ["AttemptStarted", "Refreshed", "Waited"]
    started, refreshed, waited = events
    assert isinstance(started, AttemptStarted)
    assert isinstance(refreshed, Refreshed)
    assert isinstance(waited, Waited)
    assert started.provider == refreshed.provider == waited.provider == provider.name
    assert (refreshed.credentials, refreshed.seconds, waited.seconds) == (first, 2.0, 2.0)

    events.clear()
    assert await provider() == first
    assert events == []  # a hit is no event

    provider.invalidate(first)
    assert events == [Invalidated(provider.name, first)]

    events.clear()
    clock.advance(2)
    second = await provider()
    assert kinds(events) == ["AttemptStarted", "Refreshed", "Waited"]
    assert [event.seconds for event in events if isinstance(event, Refreshed | Waited)] == [2.0, 2.0]

    events.clear()
    clock.advance(3000)
    assert await provider() == second
    with anyio.fail_after(5):
        await is_stale.wait()
    failed = next(event for event in events if isinstance(event, AttemptFailed))
    assert (failed.error.message, failed.seconds) == ("down", 2.0)
    stale = next(event for event in events if isinstance(event, ServedStale))
    assert (stale.credentials, stale.error.message) == (second, "down")
    assert 0 < stale.left < 600


async def test_members_of_a_chain() -> None:
    """Each member of a chain is reported, with the reason why it had no credentials."""
    events: list[Event] = []
    source = FakeSource(ManualClock(), life=None)
    chain = anycreds.create_credential_chain(anycreds.from_env(environ={}), source)
    await anycreds.cached(chain, observer=events.append)()
    expected = "AttemptStarted AttemptStarted AttemptFailed AttemptStarted Refreshed Waited"
    assert kinds(events) == expected.split()
    failed = events[2]
    assert isinstance(failed, AttemptFailed)
    assert failed.provider == "environment variables"
    assert "AWS_ACCESS_KEY_ID" in str(failed.error)


async def test_default_chain_has_an_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_default_chain`` has an ``observer`` option too."""
    events: list[Event] = []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    await anycreds.from_default_chain(observer=events.append)()
    assert kinds(events) == ["AttemptStarted", "AttemptStarted", "Refreshed", "Waited"]


async def test_each_waiter_is_reported() -> None:
    """A hundred callers of one refresh are one attempt and a hundred waits."""
    events: list[Event] = []
    source = FakeSource(ManualClock(), life=None)

    async def slow_source() -> Credentials:
        await anyio.lowlevel.checkpoint()
        return await source()

    provider = anycreds.cached(slow_source, observer=events.append)
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(provider)
    assert kinds(events).count("Waited") == 100
    assert kinds(events).count("AttemptStarted") == kinds(events).count("Refreshed") == 1


async def test_error_of_the_observer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An exception of an observer is logged with its class, and callers get their credentials."""

    def observer(event: Event) -> None:
        raise ValueError("canary-in-an-observer")

    provider = anycreds.cached(FakeSource(ManualClock(), life=None), observer=observer)
    assert (await provider()).access_key_id
    records = [record.getMessage() for record in caplog.records if record.name == "anycreds.events"]
    assert "the observer raised ValueError at Refreshed" in records
