"""The worlds whose schedules are searched: one row per scenario."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["call", "reject", "block", "refresh", "long"]
"""What a task does: ``call`` awaits the provider; ``reject`` also invalidates what it got, and awaits the provider
again; ``block`` enters ``keep_fresh``, waits for a second and leaves; ``refresh`` awaits ``provider(refresh=True)``,
``long`` requests a lifetime of half an hour with ``min_ttl``."""

Event = Literal["cancel", "cancel again", "invalidate", "step forward", "step back", "suspend", "evict"]
"""What may happen between any two steps of tasks, once each: a task that waits is cancelled (each of them); what the
source issued last is invalidated; the wall clock is set, or the machine suspended, for two hours; the provider,
which is then one of a ``RoleCache``, is evicted."""


class Answer(NamedTuple):
    """What the source does when it is called.

    After ``latency`` seconds it returns new credentials, or the last ones again, or fails. None: it awaits nothing.
    """

    kind: Literal["new", "same", "fail"]
    latency: float | None = 0.0


AT_ONCE, UP, SLOW = Answer("new", None), Answer("new"), Answer("new", 2.0)
SAME, FAIL, HANG = Answer("same"), Answer("fail"), Answer("fail", 1e6)


class World(NamedTuple):
    """One scenario."""

    name: str
    tasks: tuple[Kind, ...]
    answers: tuple[Answer, ...]  # of these each call of the source chooses one; another than the first is a deviation
    events: tuple[Event, ...] = ("cancel",)
    remaining: float | None = None  # lifetime of what is cached before, in seconds; None if nothing is
    late: int = 0  # so many of the tasks begin a second later
    # How many deviations a schedule may have: in the tests of a change, and in ``nox -s schedules``.
    bound: int = 1
    full_bound: int = 3

    @property
    def is_about_calls(self) -> bool:
        """Whether tasks do nothing but call, and nothing happens but cancellations."""
        return set(self.tasks) == {"call"} and set(self.events) <= {"cancel"}


THREE: tuple[Kind, ...] = ("call", "call", "call")
FOUR: tuple[Kind, ...] = (*THREE, "call")

# Worlds for several event loops in threads, whose runs take longer.
TWO: tuple[Kind, ...] = ("call", "call")

# The lifetime is an hour: the advisory window are its last 15 minutes, the mandatory window is its last minute.
WORLDS = {
    world.name: world
    for world in (
        World("up", FOUR, (UP,), bound=2, full_bound=4),
        World("at-once", FOUR, (AT_ONCE, FAIL), bound=2, full_bound=4),
        World("slow", FOUR, (SLOW,), late=2, bound=2, full_bound=4),
        World("up-or-down", FOUR, (UP, FAIL), bound=2, full_bound=4),
        World("down", FOUR, (FAIL, UP), late=2),
        World("hangs", THREE, (HANG, UP), late=1),
        World("advisory", FOUR, (UP, FAIL), remaining=600, bound=2, full_bound=4),
        World("advisory-same", FOUR, (SAME, UP), remaining=600, late=2, bound=2, full_bound=4),
        World("mandatory", FOUR, (SLOW, FAIL), remaining=30),
        World("mandatory-same", FOUR, (SAME, UP), remaining=30, late=1),
        World("expired", FOUR, (UP, FAIL), remaining=-1, bound=2),
        World("invalidate", FOUR, (SLOW,), ("cancel", "invalidate"), remaining=600, late=1, bound=2),
        World("invalidate-down", THREE, (FAIL, UP), ("cancel", "invalidate"), remaining=600, late=1, bound=2),
        World("invalidate-same", THREE, (SAME, UP), ("cancel", "invalidate"), remaining=30, late=1),
        World("clock-forward", THREE, (UP, FAIL), ("cancel", "step forward"), remaining=600, late=1, bound=2),
        World("clock-back", THREE, (UP, FAIL), ("cancel", "step back"), remaining=30, late=1, bound=2),
        World("clock-back-invalidate", THREE, (SLOW,), ("step back", "invalidate"), remaining=30, late=1),
        World("suspend", THREE, (SLOW, FAIL), ("cancel", "suspend"), late=1),
        World("cancel-twice", ("block", "call", "call"), (SLOW,), ("cancel", "cancel again"), late=1),
        World("reject", ("reject", "reject", "call"), (UP, SAME)),
        World("refresh", ("refresh", "refresh", "call", "call"), (UP, FAIL), remaining=1800),
        World("min-ttl", ("long", "long", "call"), (UP, FAIL, SAME), remaining=1200, late=1),
        World("blocks", ("block", "block", "call", "call"), (UP, FAIL), full_bound=2),
        World("reject-all", ("reject", "reject", "reject", "reject"), (UP,), full_bound=2),
        World("block-and-invalidate", ("block", "call", "call"), (SLOW,), ("cancel", "invalidate"), late=1),
        World("evict", THREE, (SLOW,), ("cancel", "evict"), late=2, bound=2, full_bound=4),
        World("block-in-window", ("block", "block", "call"), (SLOW,), remaining=600, late=1, full_bound=2),
    )
}
WORLDS_OF_SEVERAL = {
    world.name: world
    for world in (
        World("two-slow", TWO, (SLOW,), full_bound=2),
        World("two-up-or-down", TWO, (UP, FAIL), remaining=30, full_bound=2),
        World("two-invalidate", TWO, (UP,), ("invalidate",), remaining=30, full_bound=2),
        World("two-reject", ("call", "reject"), (UP,), full_bound=2),
        World("two-blocks", ("call", "block"), (SLOW,), remaining=600, full_bound=2),
        World("three-in-two", THREE, (UP,), full_bound=2),
    )
}
