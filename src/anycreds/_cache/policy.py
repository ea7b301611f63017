"""What one caller gets: served, refused, a refresh, a wait for it. Plain functions of what is cached and of the time.

Times are seconds; "left" is what a set still has to live.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .._core.errors import CredentialsError, RetrievalError
from .refresh_windows import CALM, EMPTY, PRESSING, Held, Moment, Setback

# How long they wait before they take the set that is still valid: no request should miss its own deadline for this.
PATIENCE = 5.0
# A hit looks at one clock only, so both are looked at again after this long.
LONGEST_SLICE = 60.0
# After an answer that was too short for ``min_ttl``, the same wish is refused without another try for this long;
# as long a set that was dropped and came again is not dropped once more.
MEMORY = 5 * 60.0


class Refusal(NamedTuple):
    """A wish for a longer life that could not be met."""

    min_ttl: float
    until: float


class View(NamedTuple):
    """What a decision looks at: what is cached, and how the last attempt went."""

    held: Held | None = None
    setback: Setback | None = None
    refusal: Refusal | None = None
    is_unsettled: bool = False
    """The last flight was abandoned: the next caller waits for its own, or a row of short runs never gets there."""


class Decision(NamedTuple):
    """What one caller gets."""

    flies: bool = False
    """A flight is to be in the air: join it, or start it."""
    patience: float = 0.0
    """How long to wait for it before taking what is cached."""
    refused: CredentialsError | None = None
    too_short: bool = False


# The decisions of ten thousand who ask at once, made once.
SERVE, REFRESH, JOIN = Decision(), Decision(flies=True), Decision(flies=True, patience=math.inf)
JOIN_FOR_NOW, TOO_SHORT = Decision(flies=True, patience=PATIENCE), Decision(too_short=True)


def decide(view: View, now: Moment, min_ttl: float | None = None, *, is_flying: bool = False) -> Decision:
    """Say what a caller gets; the order of the questions is the order of the rules. ``is_flying``: an attempt runs."""
    held, setback = view.held, view.setback
    urgency = EMPTY if held is None else held.urgency(now)
    if held is None or urgency == EMPTY:
        if not is_flying and (error := _remembered(setback, now)):
            return Decision(refused=error)
        return JOIN
    if min_ttl is not None and held.left(now) < min_ttl:
        return _decide_on_longer_life(view, now, min_ttl, is_flying=is_flying)
    rests = setback is not None and setback.rests(now, urgency)
    if rests or not (held.is_due(now) or urgency == PRESSING):
        return SERVE
    if urgency == PRESSING or view.is_unsettled:
        return JOIN_FOR_NOW
    return REFRESH


def _decide_on_longer_life(view: View, now: Moment, min_ttl: float, *, is_flying: bool) -> Decision:
    refusal, setback = view.refusal, view.setback
    if refusal is not None and now.monotonic < refusal.until and min_ttl >= refusal.min_ttl:
        return TOO_SHORT
    if not is_flying and setback is not None and (error := _remembered(setback, now)):
        return TOO_SHORT if setback.is_dull else Decision(refused=error)
    return JOIN


def _remembered(setback: Setback | None, now: Moment) -> CredentialsError | None:
    """Return the failure that stands for the next one, while it is too early to ask again.

    Only what a source failed at is remembered: a missing setting may be there the next moment, and costs no call.
    """
    if setback is None or not isinstance(setback.error, RetrievalError) or not setback.rests(now, EMPTY):
        return None
    return setback.error


def quiet_for(view: View, now: Moment, *, is_flying: bool = False) -> float:
    """Return for how long every ordinary caller is served at once, so that nothing has to be decided."""
    held, setback = view.held, view.setback
    if held is None:
        return 0.0
    left, urgency = held.left(now), held.urgency(now)
    until = min(LONGEST_SLICE, left / 2)  # half: a step back within the slice may double it
    if setback is not None and setback.rests(now, urgency):
        until = min(until, setback.rests_until(urgency) - now.monotonic)
    elif urgency == PRESSING:
        return 0.0
    elif not is_flying:
        until = min(until, left - held.advisory, held.recheck_at - now.monotonic)
    if urgency == CALM:
        until = min(until, left - held.mandatory)
    return max(until, 0.0)


def due_in(view: View, now: Moment) -> float:
    """Return in how many seconds the next refresh is due, for somebody who refreshes ahead of need."""
    held, setback = view.held, view.setback
    urgency = EMPTY if held is None else held.urgency(now)
    if setback is not None and setback.rests(now, urgency):
        return setback.rests_until(urgency) - now.monotonic
    if held is None or urgency != CALM:
        return 0.0
    return max(0.0, min(held.left(now) - held.advisory, held.recheck_at - now.monotonic))
