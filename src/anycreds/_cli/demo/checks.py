"""What the design promises for each act, and whether the measurements keep it: plain functions of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .callers import Outcome, to_cancel
from .scenarios import LATENCY, Act, Play

# Seconds for a cancelled task to leave. It does so in the next turn of the event loop, a few milliseconds later; the
# rest is for busy machines, and still far from the 375 ms for which the others go on waiting.
LEAVES_WITHIN = 0.1
# As much again for ten thousand tasks, and by the square of that: asyncio looks for who leaves among all who wait.
MANY = 10_000


class Promise(NamedTuple):
    """What one act has to show."""

    name: str
    title: str
    story: str
    upstream_calls: int
    """Role documents, that is, sets that were asked for."""
    routes: tuple[str, ...]
    """The HTTP requests that this takes."""
    waits: bool
    """Do the tasks wait for the new set, or get the one that is cached?"""


PROMISES = (
    Promise("cold", "cold start", "nothing is cached", 1, ("token", "role list", "role"), waits=True),
    Promise("fresh", "fresh", "the set is cached", 0, (), waits=False),
    Promise("advisory", "advisory window", "the set is good, but nears its end", 1, ("role list", "role"), waits=False),
    Promise("expired", "expiry", "the set has ended", 1, ("role list", "role"), waits=True),
)


class Waits(NamedTuple):
    """How long those waited who were served, in seconds."""

    min: float
    median: float
    p99: float
    max: float


class Figures(NamedTuple):
    """What counts of one act."""

    promise: Promise
    asked: int
    served: int
    cancelled: int
    upstream_calls: int
    http_requests: int
    waits: Waits | None
    """None: nobody was served."""
    left_within: float | None
    """Seconds until the last of the cancelled had left; None: nobody was cancelled."""
    problems: tuple[str, ...]
    """What is not as promised, in sentences."""


class Verdict(NamedTuple):
    """What counts of one backend."""

    backend: str
    acts: tuple[Figures, ...]
    problems: tuple[str, ...]


def verdict_on(play: Play) -> Verdict:
    """Judge a backend."""
    acts = tuple(figures_of(act) for act in play.acts)
    problems = [f"{play.backend}, {act.promise.title}: {problem}" for act in acts for problem in act.problems]
    missing = [promise.title for promise in PROMISES[len(acts) :]]
    if missing:
        problems.append(f"{play.backend}: not played, for want of a set: {', '.join(missing)}")
    return Verdict(play.backend, acts, tuple(problems))


def figures_of(act: Act) -> Figures:
    """Count, and judge, one act."""
    promise = next(promise for promise in PROMISES if promise.name == act.name)
    left = [call.ended - call.cancelled_at for call in act.calls if call.cancelled_at is not None]
    figures = Figures(
        promise,
        len(act.calls),
        _count(act, "served"),
        _count(act, "cancelled"),
        sum(span.route == "role" for span in act.upstream),
        len(act.upstream),
        _waits(act),
        max(left, default=None),
        (),
    )
    return figures._replace(problems=tuple(_problems(act, figures)))


def _count(act: Act, outcome: Outcome) -> int:
    return sum(call.outcome == outcome for call in act.calls)


def _waits(act: Act) -> Waits | None:
    waits = sorted(call.waited for call in act.calls if call.outcome == "served")
    return Waits(waits[0], _at(waits, 0.5), _at(waits, 0.99), waits[-1]) if waits else None


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def cancelled_in(promise: Promise, callers: int) -> int:
    """Return how many tasks are cancelled in an act. A cold start is when most programs give up."""
    return to_cancel(callers) if promise.name == "cold" else 0


def leaves_within(callers: int) -> float:
    """Return how long a cancelled task may take to leave, in seconds."""
    return LEAVES_WITHIN * (1 + (callers / MANY) ** 2)


def longest_wait(promise: Promise) -> float | None:
    """Return what the longest wait must stay below, if nobody is to wait: half of what the two requests take."""
    return None if promise.waits else LATENCY


def _problems(act: Act, figures: Figures) -> list[str]:
    promise, cancelled = figures.promise, cancelled_in(figures.promise, figures.asked)
    found = []
    if figures.upstream_calls != promise.upstream_calls:
        found.append(f"{figures.upstream_calls} upstream calls instead of {promise.upstream_calls}")
    if figures.http_requests != len(promise.routes):
        found.append(f"{figures.http_requests} HTTP requests instead of {len(promise.routes)}")
    if figures.served != figures.asked - cancelled:
        found.append(f"{figures.served} tasks were served instead of {figures.asked - cancelled}{_reason(act)}")
    if figures.cancelled != cancelled:
        found.append(f"{figures.cancelled} cancelled tasks left instead of {cancelled}")
    limit = leaves_within(figures.asked)
    if figures.left_within is not None and figures.left_within > limit:
        found.append(f"a cancelled task left after {figures.left_within:.3f} s, not within {limit:.3f} s")
    bound = longest_wait(promise)
    if bound is not None and figures.waits is not None and figures.waits.max > bound:
        found.append(f"a task waited for {figures.waits.max:.3f} s, and none should for {bound:.3f} s")
    return found + _problems_with_sets(act, promise)


def _reason(act: Act) -> str:
    failed = next((call.problem for call in act.calls if call.problem), None)
    forgotten = _count(act, "forgotten")
    if failed is not None:
        return f"; one failed: {failed}"
    return f"; {forgotten} were still waiting at the end" if forgotten else ""


def _problems_with_sets(act: Act, promise: Promise) -> list[str]:
    """Say who was served another set than it should have been."""
    keys = {call.key for call in act.calls if call.outcome == "served"}
    found = []
    if keys and keys != {act.after if promise.waits else act.before}:
        found.append(f"not all tasks were served {'the new' if promise.waits else 'the cached'} set")
    if promise.upstream_calls and act.after == act.before:
        found.append("no new set came")
    return found
