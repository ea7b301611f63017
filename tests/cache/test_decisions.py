"""The decisions of the cache at the exact second at which one rule ends and the next begins."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from anycreds import Credentials, CredentialsError, InvalidConfigurationError, RetrievalError
from anycreds._cache.policy import (
    LIFETIME_TOO_SHORT,
    REFRESH_IN_BACKGROUND,
    SERVE,
    WAIT,
    WAIT_BRIEFLY,
    CacheSnapshot,
    Decision,
    MinTtlRejection,
    decide,
    fast_path_duration,
    next_refresh_in,
)
from anycreds._cache.refresh_results import RefreshFailure
from anycreds._cache.refresh_windows import (
    EXPIRED,
    MANDATORY,
    NOT_URGENT,
    CachedCredentials,
    CacheOptions,
    ClockReading,
    schedule,
)

NOW = ClockReading(wall=1_000_000.0, monotonic=500.0)
KEYS = Credentials("AKID", "canary-secret")
DOWN = RetrievalError("the source is down")
ADVISORY, MANDATORY_WINDOW = 900.0, 60.0


def cached(remaining: float, recheck_in: float = math.inf, mandatory: float = MANDATORY_WINDOW) -> CachedCredentials:
    """Return credentials with this remaining lifetime, an advisory window of 900 s and a mandatory one of 60 s."""
    wall, monotonic = NOW.wall + remaining, NOW.monotonic + remaining
    return CachedCredentials(KEYS, wall, monotonic, ADVISORY, mandatory, NOW.monotonic + recheck_in)


def failed(
    retry_in: float,
    urgency: int = NOT_URGENT,
    *,
    ago: float = 100.0,
    error: CredentialsError = DOWN,
    same: bool = False,
) -> RefreshFailure:
    """Return a failure some seconds ago, with the next attempt in ``retry_in`` seconds."""
    return RefreshFailure(error, same, urgency, NOW.monotonic - ago, NOW.monotonic + retry_in, 1)


def test_windows_include_their_first_second() -> None:
    """A window begins when exactly its length remains, and credentials have expired when nothing remains."""
    rows = [
        (ADVISORY + 0.5, NOT_URGENT, False, SERVE),
        (ADVISORY, NOT_URGENT, True, REFRESH_IN_BACKGROUND),
        (MANDATORY_WINDOW + 0.5, NOT_URGENT, True, REFRESH_IN_BACKGROUND),
        (MANDATORY_WINDOW, MANDATORY, True, WAIT_BRIEFLY),
        (0.5, MANDATORY, True, WAIT_BRIEFLY),
        (0.0, EXPIRED, True, WAIT),
    ]
    for remaining, urgency, is_due, decision in rows:
        held = cached(remaining)
        assert (held.urgency(NOW), held.refresh_due(NOW)) == (urgency, is_due), remaining
        assert decide(CacheSnapshot(held), NOW) is decision, remaining


def test_recheck_is_due_at_its_time() -> None:
    """A recheck is due at its time and not before, while no window has begun."""
    assert decide(CacheSnapshot(cached(5000, recheck_in=0.5)), NOW) is SERVE
    assert decide(CacheSnapshot(cached(5000, recheck_in=0.0)), NOW) is REFRESH_IN_BACKGROUND


def test_lifetime_is_the_one_of_the_clock_that_leaves_less() -> None:
    """Of both clocks, the one by which less of the lifetime remains counts."""
    held = cached(300)
    assert held.remaining(NOW._replace(wall=NOW.wall + 100)) == 200
    assert held.remaining(NOW._replace(wall=NOW.wall - 100)) == 300
    assert held.remaining(NOW._replace(monotonic=NOW.monotonic + 100)) == 200


def test_backoff_ends_at_the_next_attempt() -> None:
    """During a backoff the credentials are returned; at its end, or one second after a change of window, it is over."""
    assert decide(CacheSnapshot(cached(800), failed(0.5)), NOW) is SERVE
    assert decide(CacheSnapshot(cached(800), failed(0.0)), NOW) is REFRESH_IN_BACKGROUND
    assert decide(CacheSnapshot(cached(50), failed(99, ago=1.0)), NOW) is WAIT_BRIEFLY
    assert decide(CacheSnapshot(cached(50), failed(99, ago=0.5)), NOW) is SERVE
    assert decide(CacheSnapshot(cached(50), failed(0.5, MANDATORY)), NOW) is SERVE


@pytest.mark.parametrize("held", [None, cached(0.0)], ids=["empty", "expired"])
def test_failure_of_the_source_is_raised_during_its_backoff(held: CachedCredentials | None) -> None:
    """Without valid credentials, a failure of the source is raised until the next attempt may start."""
    assert decide(CacheSnapshot(held), NOW) is WAIT
    assert decide(CacheSnapshot(held, failed(0.5, EXPIRED)), NOW) == Decision(error=DOWN)
    assert decide(CacheSnapshot(held, failed(0.0, EXPIRED)), NOW) is WAIT
    assert decide(CacheSnapshot(held, failed(99, ago=1.0)), NOW) is WAIT
    assert decide(CacheSnapshot(held, failed(0.5, EXPIRED)), NOW, is_refreshing=True) is WAIT
    missing = failed(0.5, EXPIRED, error=InvalidConfigurationError("half a key pair"))
    assert decide(CacheSnapshot(held, missing), NOW) is WAIT


def test_force_waits_in_every_state() -> None:
    """A forced refresh is waited for, whatever is cached, remembered or rejected."""
    rejection = MinTtlRejection(10.0, NOW.monotonic + 99)
    for held in (None, cached(0.0), cached(50), cached(5000)):
        for failure in (None, failed(99, EXPIRED)):
            assert decide(CacheSnapshot(held, failure, rejection), NOW, 100.0, force=True) is WAIT


def test_min_ttl_may_be_the_whole_remaining_lifetime() -> None:
    """Credentials satisfy a ``min_ttl`` that is exactly what remains, and no larger one."""
    assert decide(CacheSnapshot(cached(5000)), NOW, 5000.0) is SERVE
    assert decide(CacheSnapshot(cached(5000)), NOW, 5000.5) is WAIT


def test_rejection_holds_for_its_min_ttl_until_its_end() -> None:
    """A rejection holds for the same and a larger ``min_ttl``, until its time has come."""

    def decision(min_ttl: float, ends_in: float) -> Decision:
        return decide(
            CacheSnapshot(cached(3000), rejection=MinTtlRejection(4000.0, NOW.monotonic + ends_in)), NOW, min_ttl
        )

    assert decision(4000.0, 0.5) is LIFETIME_TOO_SHORT
    assert decision(4000.5, 0.5) is LIFETIME_TOO_SHORT
    assert decision(3999.5, 0.5) is WAIT
    assert decision(4000.0, 0.0) is WAIT


def test_failure_of_a_refresh_for_min_ttl_is_remembered() -> None:
    """A caller whose ``min_ttl`` exceeds what remains gets a recent failure, or that the lifetime is too short."""
    held = cached(3000)
    recent = failed(99, EXPIRED, ago=0.5)
    assert decide(CacheSnapshot(held, recent), NOW, 4000.0) == Decision(error=DOWN)
    assert decide(CacheSnapshot(held, failed(99, EXPIRED, same=True)), NOW, 4000.0) is LIFETIME_TOO_SHORT
    assert decide(CacheSnapshot(held, recent), NOW, 4000.0, is_refreshing=True) is WAIT
    assert decide(CacheSnapshot(held, failed(0.0, EXPIRED)), NOW, 4000.0) is WAIT
    assert decide(CacheSnapshot(held, recent), NOW, 2000.0) is SERVE


def test_fast_path_ends_before_the_next_decision() -> None:
    """The fast path lasts a minute, half of what remains, or until the next window, recheck or attempt."""
    rows: list[tuple[CachedCredentials | None, RefreshFailure | None, bool, float]] = [
        (None, None, False, 0.0),
        (cached(5000), None, False, 60.0),
        (cached(ADVISORY + 30), None, False, 30.0),
        (cached(ADVISORY + 30), None, True, 60.0),  # a refresh is in progress already
        (cached(ADVISORY), None, False, 0.0),
        (cached(ADVISORY - 30), None, False, 0.0),
        (cached(5000, recheck_in=20), None, False, 20.0),
        (cached(5000, recheck_in=-20), None, False, 0.0),
        (cached(MANDATORY_WINDOW + 40), None, True, 40.0),
        (cached(90), None, True, 30.0),
        (cached(50), None, False, 0.0),
        (cached(50), None, True, 0.0),
        (cached(800), failed(10), False, 10.0),
        (cached(800), failed(99), False, 60.0),
        (cached(800), failed(0), False, 0.0),
        (cached(MANDATORY_WINDOW + 40), failed(99), False, 40.0),
        (cached(50), failed(10, MANDATORY), False, 10.0),
        (cached(50), failed(40, MANDATORY), False, 25.0),
        (cached(50), failed(40, ago=0.5), False, 0.5),  # it failed before the mandatory window began
        (cached(10, mandatory=0.0), None, True, 5.0),
        (cached(0), None, True, 0.0),
        (cached(-10), failed(40, EXPIRED), False, 0.0),
    ]
    for held, failure, is_refreshing, duration in rows:
        snapshot = CacheSnapshot(held, failure)
        found = fast_path_duration(snapshot, NOW, is_refreshing=is_refreshing)
        assert found == duration, (held and held.remaining(NOW), failure, is_refreshing)
    assert fast_path_duration(CacheSnapshot(cached(ADVISORY + 30)), NOW) == 30.0


def test_next_refresh_is_due_at_the_first_reason() -> None:
    """The next refresh is due at the window, the recheck or the end of the backoff; at once without credentials."""
    rows: list[tuple[CachedCredentials | None, RefreshFailure | None, float]] = [
        (None, None, 0.0),
        (None, failed(10, EXPIRED), 10.0),
        (None, failed(10, ago=0.5), 0.5),
        (cached(5000), None, 5000 - ADVISORY),
        (cached(5000, recheck_in=30), None, 30.0),
        (cached(5000), failed(10), 10.0),
        (cached(800), None, 0.0),
        (cached(800), failed(10), 10.0),
        (cached(800), failed(0), 0.0),
        (cached(50), None, 0.0),
        (cached(50)._replace(advisory=10.0), None, 0.0),  # a short ``refresh_window``
        (cached(50), failed(10, MANDATORY), 10.0),
        (cached(7), failed(10, MANDATORY), 7.0),  # when they expire, the backoff is shorter
        (cached(0.25), failed(10, MANDATORY, ago=0.5), 0.5),
        (cached(0), failed(10, EXPIRED), 10.0),
        (cached(0), None, 0.0),
    ]
    for held, failure, seconds in rows:
        assert next_refresh_in(CacheSnapshot(held, failure), NOW) == seconds, (held and held.remaining(NOW), failure)


def scheduled(lifetime: float | None, jitter: float = 0.0, options: CacheOptions | None = None) -> CachedCredentials:
    """Return credentials that arrive now with this lifetime."""
    expiration = None if lifetime is None else datetime.fromtimestamp(NOW.wall + lifetime, UTC)
    return schedule(KEYS.replace(expiration=expiration), NOW, jitter, options or CacheOptions())


def test_windows_of_arriving_credentials() -> None:
    """The lengths of both windows follow from the lifetime, exactly, and the jitter shortens the advisory one."""
    rows = [
        (1200.0, 0.0, 300.0, 60.0),
        (1200.5, 0.0, 600.25, 60.0),
        (1900.0, 0.0, 900.0, 60.0),
        (5399.5, 0.0, 900.0, 60.0),
        (5400.0, 0.0, 2700.0, 60.0),
        (7200.5, 0.0, 3600.0, 60.0),
        (7200.5, 0.5, 3420.0, 60.0),
        (240.0, 0.0, 120.0, 60.0),
        (200.0, 0.0, 100.0, 50.0),
        (200.0, 0.5, 95.0, 50.0),
    ]
    for lifetime, jitter, advisory, mandatory in rows:
        held = scheduled(lifetime, jitter)
        assert held.advisory == pytest.approx(advisory), (lifetime, jitter)
        assert held.mandatory == mandatory, (lifetime, jitter)
        assert held.credentials.expiration is not None
        assert held.wall_expiration == NOW.wall + lifetime == held.credentials.expiration.timestamp()
        assert (held.monotonic_expiration, held.recheck_at) == (NOW.monotonic + lifetime, math.inf)


def test_options_of_arriving_credentials() -> None:
    """``refresh_window`` replaces the table, and ``recheck_after`` is counted from the arrival."""
    assert scheduled(7000.0, options=CacheOptions(refresh_window=100.0)).advisory == 100.0
    assert scheduled(150.0, options=CacheOptions(refresh_window=100.0)).advisory == 75.0
    assert scheduled(7000.0, options=CacheOptions(recheck_after=30.0)).recheck_at == NOW.monotonic + 30
    held = scheduled(None, options=CacheOptions(recheck_after=30.0))
    assert held[1:] == (math.inf, math.inf, 0.0, 0.0, NOW.monotonic + 30)


def test_no_window_before_a_prompt_or_during_an_outage() -> None:
    """If a refresh prompts the user, no window begins before the expiration; an extended expiration has one of 60 s."""
    keys = KEYS.replace(expiration=datetime.fromtimestamp(NOW.wall + 3000, UTC))
    prompting = schedule(keys, NOW, 0.5, may_prompt_user=True)
    assert (prompting.advisory, prompting.mandatory) == (0.0, 0.0)
    for lifetime, advisory in ((3000.0, 60.0), (100.0, 50.0)):
        extended = schedule(
            keys.replace(
                expiration=datetime.fromtimestamp(NOW.wall + lifetime, UTC),
                original_expiration=datetime.fromtimestamp(NOW.wall - 10, UTC),
            ),
            NOW,
            0.5,
        )
        assert (extended.advisory, extended.mandatory) == (advisory, 0.0), lifetime
