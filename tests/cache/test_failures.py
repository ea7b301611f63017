"""Outages and dull sources: who is served what, and when the source is asked again."""

from __future__ import annotations

import logging
from itertools import pairwise

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0


def down(reason: str = "the source is down") -> anycreds.RetrievalError:
    """Return a failure to raise."""
    return anycreds.RetrievalError(reason)


async def test_outage_with_a_valid_set_is_seen_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """While the set is valid every caller is served; the failure is logged; tries come 5 to 10 minutes apart."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(100)))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        while clock.monotonic() < HOUR - 61:
            assert await provider() is first
            await anyio.sleep(1)
    tries = upstream.started[1:]
    assert len(tries) == 2  # in a window of about 14 minutes
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert all(5 * MINUTE <= gap <= 10 * MINUTE for gap in gaps)
    assert "the source is down" in caplog.text
    assert first.access_key_id in caplog.text


async def test_outage_in_the_mandatory_window_backs_off() -> None:
    """In the last minute the source is asked again after 1, 2, 4, 8 … seconds, and everybody is served."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(100)))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 59.5)
    begun = clock.monotonic()
    while clock.monotonic() < HOUR - 1:
        assert await provider() is first
        await anyio.sleep(0.05)
    waits = [round(at - begun) for at in upstream.started[1:]]
    assert waits == [0, 1, 3, 7, 15, 31]


async def test_outage_after_the_end_is_told_from_memory_within_the_pause() -> None:
    """With nothing to serve, callers get the failure; within 1, 2, 4 … 30 s a copy of it, without another call."""
    clock = VirtualClock()
    upstream = FakeSource(clock, *(down() for _ in range(1000)))
    provider = anycreds.cached(upstream, clock=clock)
    errors = set()
    while clock.monotonic() < 200:
        with pytest.raises(anycreds.RetrievalError, match="the source is down") as caught:
            await provider()
        errors.add(id(caught.value))
        await anyio.sleep(0.25)
    gaps = [round(later - earlier) for earlier, later in pairwise(upstream.started)]
    assert gaps == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]


async def test_the_last_minute_does_not_inherit_a_long_pause() -> None:
    """A failure early in the advisory window never delays the next try into the mandatory window by more than 1 s."""
    clock = VirtualClock()
    clock.chance = 0.99
    upstream = FakeSource(clock, 10 * MINUTE, down(), life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(6 * MINUTE)
    await provider()  # the try that fails; the next would be 10 minutes later by chance
    await anyio.sleep(3 * MINUTE + 0.5 - 0.001)
    assert (await provider()).access_key_id == "AKID3"
    assert upstream.calls == 3


async def test_the_end_of_the_set_does_not_inherit_a_pause() -> None:
    """When the set ends within a pause, the source is asked at once, a second after the last try at the soonest."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(6)), life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(HOUR - 59)
    while upstream.calls < 7:
        await provider()
        await anyio.sleep(0.1)
    await anyio.sleep(HOUR + 0.1 - clock.monotonic())
    assert (await provider()).access_key_id == "AKID8"


@pytest.mark.parametrize(
    "error",
    [
        anycreds.NotConfiguredError("nothing is set"),
        anycreds.InvalidConfigurationError("half is set"),
    ],
)
async def test_configuration_errors_are_not_remembered(error: anycreds.CredentialsError) -> None:
    """Who sets the missing variable is served at the very next call."""
    clock = VirtualClock()
    upstream = FakeSource(clock, error)
    provider = anycreds.cached(upstream, clock=clock)
    with pytest.raises(type(error)):
        await provider()
    assert (await provider()).access_key_id == "AKID2"
    assert clock.monotonic() == 0.0


async def test_configuration_that_breaks_later_is_no_error_while_the_set_is_valid() -> None:
    """A file that somebody breaks in the advisory window costs nobody anything yet."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, anycreds.InvalidConfigurationError("half is set"))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(50 * MINUTE)
    for _ in range(10):
        assert await provider() is first
        await anyio.sleep(1)
    assert upstream.calls == 2


async def test_sticky_source_is_asked_every_five_minutes_at_most() -> None:
    """A source that repeats its set until five minutes before the end is not asked in a loop."""
    clock = VirtualClock()
    current = make_credentials("A", clock.time() + 6 * HOUR)

    def sticky() -> anycreds.Credentials:
        nonlocal current
        assert current.expiration is not None
        if current.expiration.timestamp() - clock.time() <= 5 * MINUTE:
            current = make_credentials("B", clock.time() + 6 * HOUR)
        return current

    upstream = FakeSource(clock, *[sticky] * 1000)
    provider = anycreds.cached(upstream, clock=clock)
    got = await provider()
    while clock.monotonic() < 6 * HOUR:
        got = await provider()
        assert got.expiration is not None
        assert got.expiration.timestamp() > clock.time()
        await anyio.sleep(0.5)
    tries = upstream.started[1:]
    assert got.access_key_id == "AKIDB"
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert min(gaps) >= 5 * MINUTE - 60  # the last try is drawn forward to the mandatory window


async def test_older_answer_does_not_replace_a_better_set() -> None:
    """The same key with an earlier end counts as a failed try and changes nothing."""
    clock = VirtualClock()
    upstream = FakeSource(
        clock,
        make_credentials("A", clock.time() + HOUR),
        make_credentials("A", clock.time() + HOUR - 60),
        life=2 * HOUR,
    )
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(50 * MINUTE)
    for _ in range(60):
        assert await provider() is first
        await anyio.sleep(1)
    assert upstream.calls == 2


async def test_different_valid_set_is_always_taken() -> None:
    """Another key is taken even if it ends sooner: the old one may have been revoked."""
    clock = VirtualClock()
    upstream = FakeSource(
        clock, make_credentials("A", clock.time() + HOUR), make_credentials("B", clock.time() + 55 * MINUTE)
    )
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(50 * MINUTE)
    await provider()
    await anyio.sleep(0.001)
    assert (await provider()).access_key_id == "AKIDB"


async def test_expired_answer_is_an_error_that_names_both_clocks() -> None:
    """A set that has ended already is not served; the error gives its end and the age by this machine's clock."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, -90.0), clock=clock)
    with pytest.raises(anycreds.RetrievalError) as caught:
        await provider()
    assert "2025-12-31T23:58:30+00:00" in str(caught.value)
    assert "90 s ago" in str(caught.value)
    assert "clock" in str(caught.value)


async def test_stale_ok_serves_past_the_end_and_says_so() -> None:
    """With ``stale_ok`` an ended set is served in an outage, flagged, and replaced when the source is back."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(12)))
    provider = anycreds.cached(upstream, stale_ok=True, clock=clock)
    first = await provider()
    await anyio.sleep(2 * HOUR)
    stale = await provider()
    assert stale.access_key_id == first.access_key_id
    assert stale.original_expiration == first.expiration
    assert stale.expiration is not None
    assert 5 * MINUTE <= stale.expiration.timestamp() - clock.time() <= 10 * MINUTE
    while upstream.calls < 14:
        got = await provider()
        assert got.original_expiration == first.expiration
        await anyio.sleep(10)
    await anyio.sleep(1)
    fresh = await provider()
    assert fresh.original_expiration is None
    gaps = [later - earlier for earlier, later in pairwise(upstream.started[1:])]
    assert min(gaps) >= 4 * MINUTE


async def test_nobody_waits_for_a_dead_source_once_the_set_is_stale() -> None:
    """Tries in an outage run in the background while the stale set is served."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(30)))
    provider = anycreds.cached(upstream, stale_ok=True, clock=clock)
    await provider()
    await anyio.sleep(HOUR + 1)
    upstream.latency = 3.0
    await provider()
    for _ in range(2000):
        before = clock.monotonic()
        await provider()
        assert clock.monotonic() == before
        await anyio.sleep(1)
    assert upstream.calls > 3


async def test_without_stale_ok_an_ended_set_is_never_served() -> None:
    """By default an outage past the end is an error."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, HOUR, down()), clock=clock)
    await provider()
    await anyio.sleep(HOUR)
    with pytest.raises(anycreds.RetrievalError, match="the source is down"):
        await provider()


async def test_change_of_source_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """When a refresh brings credentials from elsewhere, a warning names both places."""
    clock = VirtualClock()

    def named(source: str) -> anycreds.Credentials:
        return make_credentials(source, clock.time() + HOUR).replace(source=source)

    upstream = FakeSource(clock, lambda: named("here"), lambda: named("there"))
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(2 * HOUR)
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        await provider()
    assert "here" in caplog.text
    assert "there" in caplog.text
