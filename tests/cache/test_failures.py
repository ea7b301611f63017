"""Outages and unchanged responses: what callers get, and when the source is called again."""

from __future__ import annotations

import logging
from itertools import pairwise

import anyio
import pytest

import anycreds
from anycreds._providers.service.callbacks import missing_source_error
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials
from support.goals import RecordGoal

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0


def down(reason: str = "the source is down") -> anycreds.RetrievalError:
    """Return a failure to raise."""
    return anycreds.RetrievalError(reason)


async def test_outage_with_valid_credentials_is_hidden_from_callers(caplog: pytest.LogCaptureFixture) -> None:
    """Every caller gets the valid credentials; the failure is logged; attempts are 5 to 10 minutes apart."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(100)))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        while clock.monotonic() < HOUR - 61:
            assert await provider() is first
            await anyio.sleep(1)
    attempts = upstream.started[1:]
    assert len(attempts) == 2  # in a window of about 14 minutes
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert all(5 * MINUTE <= gap <= 10 * MINUTE for gap in gaps)
    assert "the source is down" in caplog.text
    assert first.access_key_id in caplog.text


async def test_outage_in_the_mandatory_window_backs_off() -> None:
    """In the last minute attempts are 1, 2, 4, 8 … seconds apart, and every caller gets the valid credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(100)))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 59.5)
    started = clock.monotonic()
    while clock.monotonic() < HOUR - 1:
        assert await provider() is first
        await anyio.sleep(0.05)
    delays = [round(at - started) for at in upstream.started[1:]]
    assert delays == [0, 1, 3, 7, 15, 31]


@pytest.mark.fault("U34")
async def test_unchanged_responses_in_the_mandatory_window_back_off() -> None:
    """A source that returns the same credentials in the last minute is called 1, 2, 4, 8 … seconds apart."""
    clock = VirtualClock()
    same = make_credentials("A", clock.time() + HOUR)
    upstream = FakeSource(clock, *[same] * 100)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 59.5)
    started = clock.monotonic()
    while clock.monotonic() < HOUR - 1:
        assert await provider() is first
        await anyio.sleep(0.25)
    assert [round(at - started) for at in upstream.started[1:]] == [0, 1, 3, 7, 15, 31]


@pytest.mark.fault("C03")
async def test_failure_is_remembered_during_the_backoff() -> None:
    """Without valid credentials callers get a copy of the failure, for 1, 2, 4, 5, 5 … s without another call."""
    clock = VirtualClock()
    upstream = FakeSource(clock, *(down() for _ in range(1000)))
    provider = anycreds.cached(upstream, clock=clock)
    errors = set()
    while clock.monotonic() < 40:
        with pytest.raises(anycreds.RetrievalError, match="the source is down") as caught:
            await provider()
        errors.add(id(caught.value))
        await anyio.sleep(0.25)
    gaps = [round(later - earlier) for earlier, later in pairwise(upstream.started)]
    assert gaps == [1, 2, 4, 5, 5, 5, 5, 5, 5]


async def test_mandatory_window_ends_a_long_backoff() -> None:
    """A failure early in the advisory window delays no attempt into the mandatory window by more than 1 s."""
    clock = VirtualClock()
    clock.chance = 0.99
    upstream = FakeSource(clock, 10 * MINUTE, down(), life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(6 * MINUTE)
    await provider()  # this attempt fails; the random backoff would be 10 minutes
    await anyio.sleep(3 * MINUTE + 0.5 - 0.001)
    assert (await provider()).access_key_id == "AKID3"
    assert upstream.calls == 3


async def test_expiration_ends_a_backoff() -> None:
    """When the credentials expire during a backoff, the source is called within a second."""
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


AWAY = anycreds.MetadataUnreachableError("no response")
MISSING = anycreds.NotConfiguredError("no variables")
CHAIN = (anycreds.ProviderAttempt("one", "no variables", 0.0, MISSING),)


@pytest.mark.goal("G6")
@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        anycreds.NoCredentialsError(attempts=(*CHAIN, anycreds.ProviderAttempt("two", "no response", 1.0, AWAY))),
        missing_source_error(AWAY, "the source", "a role"),
        missing_source_error(
            anycreds.NoCredentialsError(attempts=(anycreds.ProviderAttempt("two", "no response", 1.0, AWAY),)),
            "the source",
            "a role",
        ),
    ],
    ids=["unreachable", "chain", "role", "role-of-a-chain"],
)
async def test_unreachable_metadata_service_is_remembered(error: anycreds.CredentialsError, goal: RecordGoal) -> None:
    """A metadata service that is away is called 1, 2, 4, 5 … s apart, also as the end of a chain and as a source."""
    clock = VirtualClock()
    upstream = FakeSource(clock, *[error] * 100)
    provider = anycreds.cached(upstream, clock=clock)
    while clock.monotonic() < 30:
        with pytest.raises(type(error)):
            await provider()
        await anyio.sleep(0.25)
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    rate = 1 / min(gaps)
    goal("G6", "at most {rate} calls a second of a metadata service that is away", "{n} s", rate=rate, n=30)
    assert [round(gap) for gap in gaps] == [1, 2, 4, 5, 5, 5, 5]
    assert min(gaps) >= 1.0


@pytest.mark.parametrize(
    "error",
    [
        MISSING,
        anycreds.NoCredentialsError(attempts=CHAIN),
        missing_source_error(MISSING, "the source", "a role"),
        anycreds.InvalidConfigurationError("half a key pair"),
    ],
    ids=["not-configured", "chain", "role", "invalid-configuration"],
)
async def test_configuration_errors_are_not_remembered(error: anycreds.CredentialsError) -> None:
    """After a configuration error the very next call reaches the source again."""
    clock = VirtualClock()
    upstream = FakeSource(clock, error)
    provider = anycreds.cached(upstream, clock=clock)
    with pytest.raises(type(error)):
        await provider()
    assert (await provider()).access_key_id == "AKID2"
    assert clock.monotonic() == 0.0


async def test_configuration_error_is_hidden_while_credentials_are_valid() -> None:
    """A file that is broken in the advisory window raises no error while the credentials are valid."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, anycreds.InvalidConfigurationError("half a key pair"))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(50 * MINUTE)
    for _ in range(10):
        assert await provider() is first
        await anyio.sleep(1)
    assert upstream.calls == 2


@pytest.mark.fault("U34")
async def test_unchanged_response_backs_off() -> None:
    """A source that returns the same credentials until five minutes before their expiration is not called in a loop."""
    clock = VirtualClock()
    current = make_credentials("A", clock.time() + 6 * HOUR)

    def repeats() -> anycreds.Credentials:
        nonlocal current
        assert current.expiration is not None
        if current.expiration.timestamp() - clock.time() <= 5 * MINUTE:
            current = make_credentials("B", clock.time() + 6 * HOUR)
        return current

    upstream = FakeSource(clock, *[repeats] * 1000)
    provider = anycreds.cached(upstream, clock=clock)
    got = await provider()
    while clock.monotonic() < 6 * HOUR:
        got = await provider()
        assert got.expiration is not None
        assert got.expiration.timestamp() > clock.time()
        await anyio.sleep(5)
    attempts = upstream.started[1:]
    assert got.access_key_id == "AKIDB"
    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert min(gaps) >= 5 * MINUTE - 60  # the last attempt is made at the start of the mandatory window


@pytest.mark.fault("U35")
async def test_earlier_expiration_of_the_same_key_is_ignored() -> None:
    """The same key with an earlier expiration counts as a failed attempt and changes nothing."""
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


async def test_other_key_is_always_used() -> None:
    """Another key is used even if it expires sooner, because the old one may have been revoked."""
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


@pytest.mark.fault("U21")
async def test_expired_response_raises_an_error_with_both_times() -> None:
    """Credentials that have expired already raise an error with their expiration and their age by the local clock."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, -90.0), clock=clock)
    with pytest.raises(anycreds.RetrievalError) as caught:
        await provider()
    assert "2025-12-31T23:58:30+00:00" in str(caught.value)
    assert "90 s ago" in str(caught.value)
    assert "clock" in str(caught.value)


async def test_stale_ok_extends_the_expiration() -> None:
    """With ``stale_ok`` expired credentials are returned during an outage, marked, and replaced after it."""
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


async def test_stale_ok_of_a_cached_source_holds_in_a_cached_chain() -> None:
    """A cached chain extends the expiration by ``stale_ok`` of its source, also if that has no credentials left."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(down() for _ in range(12)))
    source = anycreds.cached(upstream, stale_ok=True, clock=clock)
    provider = anycreds.cached(anycreds.create_credential_chain(source), clock=clock)
    first = await provider()
    assert source.invalidate(first)
    await anyio.sleep(2 * HOUR)
    assert (await provider()).original_expiration == first.expiration


async def test_no_caller_waits_while_the_expiration_is_extended() -> None:
    """Attempts during an outage run in the background while credentials with an extended expiration are returned."""
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


async def test_without_stale_ok_expired_credentials_are_never_returned() -> None:
    """By default an outage past the expiration raises the error."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, HOUR, down()), clock=clock)
    await provider()
    await anyio.sleep(HOUR)
    with pytest.raises(anycreds.RetrievalError, match="the source is down"):
        await provider()


async def test_change_of_source_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """When a refresh returns credentials of another source, a warning names both sources."""
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
