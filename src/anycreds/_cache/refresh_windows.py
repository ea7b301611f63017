"""What is due when, fixed at two moments: the windows of a set when it arrives, the next try when an attempt fails.

Plain functions. Every number has its reason. Times are seconds; "left" is what a set still has to live.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, RetrievalError
from .._core.static_stability import extended

# A refresh starts when so much of a set's life is left, and the set is served on meanwhile: for a life up to 20
# minutes, below 90 minutes, and beyond (the AWS SDKs' common refresh behaviour of 2026); at most half of a life.
SHORT_LIFE, SHORT_WINDOW = 20 * 60.0, 5 * 60.0
MIDDLE_LIFE, MIDDLE_WINDOW = 90 * 60.0, 15 * 60.0
LONG_WINDOW = 60 * 60.0
# The refresh starts up to this part of the window later, at random, so that a fleet does not ask in one second.
SPREAD = 0.1
# From here on callers wait for the refresh (the same standard); a quarter of a life that is too short for that.
MANDATORY_WINDOW = 60.0
# The next try after a failure while the set is good: random in between (the same standard).
CALM_PAUSE = (5 * 60.0, 10 * 60.0)
# When it presses: after 1 s, 2 s, 4 s …, at most 30 s. So no fault makes more than one call a second.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
# A stale set is tried again this long before its new end, so that nobody comes to wait for a source that is down.
STALE_WINDOW = 60.0

# EC2 metadata's word, with status 200, that its role cannot be assumed.
_REFUSALS = frozenset(("AssumeRoleUnauthorizedAccess",))

CALM, PRESSING, EMPTY = range(3)  # how much a refresh presses: set good, in the mandatory window, nothing to serve


class Moment(NamedTuple):
    """Now, by both clocks."""

    wall: float
    monotonic: float


class Held(NamedTuple):
    """A cached set, and when what is due for it. Fixed when the set arrives."""

    credentials: Credentials
    wall_end: float
    monotonic_end: float
    advisory: float
    mandatory: float
    recheck_at: float

    def left(self, now: Moment) -> float:
        """Return the life left by the clock that leaves less: a step back must not freeze, a step forward not serve."""
        return min(self.wall_end - now.wall, self.monotonic_end - now.monotonic)

    def urgency(self, now: Moment) -> int:
        """Return how much a refresh presses."""
        left = self.left(now)
        return EMPTY if left <= 0 else PRESSING if left <= self.mandatory else CALM

    def is_due(self, now: Moment) -> bool:
        """Tell whether it is time for a refresh."""
        return self.left(now) <= self.advisory or now.monotonic >= self.recheck_at


class Setback(NamedTuple):
    """The last attempt brought nothing new."""

    error: CredentialsError
    is_dull: bool
    """It did bring a set: the one that is cached already."""
    urgency: int
    ended: float
    retry_at: float
    steps: int

    def rests_until(self, urgency: int) -> float:
        """Return when the next try may be. What has begun to press since then waits one second only."""
        return self.retry_at if urgency <= self.urgency else self.ended + FIRST_PAUSE

    def rests(self, now: Moment, urgency: int) -> bool:
        """Tell whether it is too early for the next try."""
        return now.monotonic < self.rests_until(urgency)


def arrive(
    credentials: Credentials,
    now: Moment,
    chance: float,
    *,
    refresh_window: float | None = None,
    recheck_after: float | None = None,
    asks_person: bool = False,
) -> Held:
    """Fix the windows of a set that has just arrived, from what is left of it. ``chance`` is in [0, 1).

    ``asks_person``: no refresh before its end, as nobody is to be asked ahead of need.
    """
    recheck_at = math.inf if recheck_after is None else now.monotonic + recheck_after
    if credentials.expiration is None:
        return Held(credentials, math.inf, math.inf, 0.0, 0.0, recheck_at)
    wall_end = credentials.expiration.timestamp()
    left = wall_end - now.wall
    if asks_person:
        advisory, mandatory = 0.0, 0.0
    elif credentials.original_expiration is not None:
        advisory, mandatory = min(STALE_WINDOW, left / 2), 0.0
    else:
        window = _advisory_window(left) if refresh_window is None else refresh_window
        advisory, mandatory = min(window, left / 2) * (1 - SPREAD * chance), min(MANDATORY_WINDOW, left / 4)
    return Held(credentials, wall_end, now.monotonic + left, advisory, mandatory, recheck_at)


class Landing(NamedTuple):
    """What an attempt has changed: what is cached now, and what those who waited get."""

    held: Held | None
    setback: Setback | None
    credentials: Credentials | None
    event: Literal["arrived", "dull", "stale", "failed"]


def land(
    held: Held | None,
    setback: Setback | None,
    outcome: Credentials | CredentialsError,
    now: Moment,
    chance: float,
    *,
    refresh_window: float | None = None,
    recheck_after: float | None = None,
    may_extend: bool = False,
    asks_person: bool = False,
) -> Landing:
    """Say what an attempt that has just ended changes. ``may_extend``: the cached set may outlive its end."""
    if isinstance(outcome, CredentialsError):
        if held is not None and may_extend and _may_pass(outcome) and _is_over(held, now):
            held = arrive(extended(held.credentials, now.wall, chance), now, chance)
            return Landing(held, set_back(setback, outcome, held, now, chance), held.credentials, "stale")
        return Landing(held, set_back(setback, outcome, held, now, chance), None, "failed")
    if held is None or not is_dull(outcome, held, now):
        held = arrive(
            outcome, now, chance, refresh_window=refresh_window, recheck_after=recheck_after, asks_person=asks_person
        )
        return Landing(held, None, outcome, "arrived")
    if recheck_after is not None:
        held = held._replace(recheck_at=now.monotonic + recheck_after)
    if held.wall_end == math.inf:  # the same keys without an end are what a recheck hopes for
        return Landing(held, None, held.credentials, "dull")
    error = RetrievalError("gave no better set than the one that is cached")
    setback = set_back(setback, error, held, now, chance, is_dull=True)
    return Landing(held, setback, held.credentials, "dull")


def _may_pass(error: CredentialsError) -> bool:
    """Tell whether the source may only be down. A refusal is its word: too many requests is none."""
    if not isinstance(error, RetrievalError) or error.code in _REFUSALS:
        return False
    return error.status is None or not 400 <= error.status < 500 or error.status == 429


def _is_over(held: Held, now: Moment) -> bool:
    """Tell whether a set has ended, be it that its end was moved on already."""
    return held.credentials.expiration is not None and (
        held.left(now) <= 0 or held.credentials.original_expiration is not None
    )


def _advisory_window(life: float) -> float:
    if life <= SHORT_LIFE:
        return SHORT_WINDOW
    return MIDDLE_WINDOW if life < MIDDLE_LIFE else LONG_WINDOW


def is_dull(new: Credentials, held: Held | None, now: Moment) -> bool:
    """Tell whether an answer is no better than what is cached: stale already, or the same key and it ends no later."""
    if held is None or held.left(now) <= 0:
        return False
    is_stale, was_stale = new.original_expiration is not None, held.credentials.original_expiration is not None
    if is_stale != was_stale:
        return is_stale  # a real end is better than one that was moved on, even if that is later
    if new.access_key_id != held.credentials.access_key_id:
        return False
    return (math.inf if new.expiration is None else new.expiration.timestamp()) <= held.wall_end


def set_back(
    before: Setback | None,
    error: CredentialsError,
    held: Held | None,
    now: Moment,
    chance: float,
    *,
    is_dull: bool = False,
) -> Setback:
    """Say when the next try is, after an attempt that has just ended and brought nothing new."""
    urgency = EMPTY if held is None else held.urgency(now)
    if urgency == CALM:
        assert held is not None  # without a set it is never calm
        latest = held.left(now) - (held.mandatory or held.advisory)
        pause = max(min(CALM_PAUSE[0] + (CALM_PAUSE[1] - CALM_PAUSE[0]) * chance, latest), FIRST_PAUSE)
        return Setback(error, is_dull, urgency, now.monotonic, now.monotonic + pause, 0)
    steps = before.steps + 1 if before is not None and before.urgency == urgency else 1
    pause = min(FIRST_PAUSE * 2.0 ** min(steps - 1, 10), LONGEST_PAUSE)
    return Setback(error, is_dull, urgency, now.monotonic, now.monotonic + pause, steps)
