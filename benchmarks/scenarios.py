"""What happens to those who ask, as data: what they have before, how the upstream answers, how they ask.

Times are seconds. Every scenario begins with one source that all of a program's tasks share; each caller is a task (a
thread, where there are no tasks), and all of them ask at once.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

EVERY = (1, 100, 1_000, 10_000)
# For the sake of time, where others show nothing else; ``--callers`` plays all scenarios with any number.
FEW_AND_MANY, MANY, A_THOUSAND = (1, 1_000, 10_000), (1_000, 10_000), (1_000,)
STS = 0.05  # about what STS takes to answer
MOST_ASKS = 20_000  # of all callers together, so that who asks often does not take longer than the time it is about


class Scenario(NamedTuple):
    """One of the situations in which many tasks want credentials."""

    name: str
    says: str
    latency: float = STS
    """Of each answer of the upstream."""
    gives: Literal["new", "same", "nothing"] = "new"
    """A new set each time, the same set each time, or an error (status 500)."""
    life: float | Literal["ahead"] | None = None
    """Of the set that everybody has before; None: nothing. ``ahead``: so that it is due for a refresh, which is another
    time with every library."""
    until_end: bool = False
    """The callers begin when that set has ended."""
    asks: int = 1
    every: float = 0.0
    """How often each caller asks, and how long it pauses in between."""
    deadline: float | None = None
    """How long each caller waits before it gives up, to ask again."""
    cancel_first: float | None = None
    """The caller that came first is cancelled after so long."""
    is_warm: bool = True
    """The program has got credentials from another such source before, so that all it needs is loaded."""
    callers: tuple[int, ...] = MANY

    def asks_of(self, callers: int) -> int:
        """Return how often each of so many callers asks."""
        return max(1, min(self.asks, MOST_ASKS // callers)) if self.every else self.asks

    def settings(self) -> dict[str, Any]:
        """Return how the upstream answers while they ask."""
        lifetime = self.life if self.gives == "same" else 6 * 3600.0
        return {"latency": self.latency, "lifetime": lifetime, "gives": self.gives}


SHORT = 2.0  # the shortest life that a set can have: ends are written in whole seconds
FOUR_MINUTES = 240.0

SCENARIOS = (
    Scenario(
        "first", "nobody has credentials, and the program has only just started", is_warm=False, callers=(1, 1_000)
    ),
    Scenario("cold", "nobody has credentials", callers=EVERY),
    Scenario("slow", "nobody has credentials, and the upstream takes half a second", latency=0.5, callers=A_THOUSAND),
    Scenario("expiry", "the set has ended", life=SHORT, until_end=True, callers=FEW_AND_MANY),
    Scenario(
        "ahead",
        "the set is good, but due for a refresh",
        latency=0.2,
        life="ahead",
        asks=12,
        every=0.05,
        callers=FEW_AND_MANY,
    ),
    Scenario(
        "outage",
        "the set is good for four minutes, and the upstream is down",
        gives="nothing",
        life=FOUR_MINUTES,
        asks=5,
        every=0.2,
    ),
    Scenario(
        "down",
        "the set has ended, and the upstream is down",
        gives="nothing",
        life=SHORT,
        until_end=True,
        asks=5,
        every=0.2,
        callers=A_THOUSAND,
    ),
    Scenario(
        "sticky",
        "the upstream gives the same set each time, good for four minutes",
        gives="same",
        life=FOUR_MINUTES,
        asks=5,
        every=0.2,
        callers=A_THOUSAND,
    ),
    Scenario(
        "cancelled",
        "the set has ended, and who asked first is cancelled",
        latency=0.3,
        life=SHORT,
        until_end=True,
        cancel_first=0.1,
    ),
    Scenario(
        "deadlines",
        "the set has ended; each caller waits for 0.2 s at a time, and a refresh takes 0.5 s",
        latency=0.5,
        life=SHORT,
        until_end=True,
        deadline=0.2,
        asks=10,
    ),
)
