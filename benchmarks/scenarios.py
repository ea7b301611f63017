"""The scenarios of concurrent callers, as data: cached credentials, behaviour of the upstream and of the callers.

Times are seconds. All callers share one source. Each caller is a task (a thread for botocore), and all of them start
at the same moment.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

EVERY = (1, 100, 1_000, 10_000)
# Fewer numbers where others would show nothing new; ``--callers`` runs all scenarios with any number.
FEW_AND_MANY, MANY, A_THOUSAND = (1, 1_000, 10_000), (1_000, 10_000), (1_000,)
STS = 0.05  # about the response time of STS
MAX_CALLS = 20_000  # of all callers together, so that frequent calls do not take longer than the scenario


class Scenario(NamedTuple):
    """One situation in which many tasks need credentials."""

    name: str
    description: str
    latency: float = STS
    """Of each response of the upstream."""
    mode: Literal["new", "same", "error"] = "new"
    """What the upstream returns: new credentials each time, the same each time, or an error (status 500)."""
    lifetime: float | Literal["advisory"] | None = None
    """Of the credentials cached before the callers start; None means nothing cached. ``advisory`` means that they are
    in the library's own advisory window."""
    after_expiration: bool = False
    """Whether the callers start when those credentials have expired."""
    calls: int = 1
    pause: float = 0.0
    """Number of calls of each caller, and the pause between them."""
    deadline: float | None = None
    """Timeout of each call, after which the caller calls again."""
    cancel_first: float | None = None
    """The first caller is cancelled after this time."""
    is_warm: bool = True
    """Whether the process has used another such source before, so that all modules are loaded."""
    callers: tuple[int, ...] = MANY

    def calls_per_caller(self, callers: int) -> int:
        """Return the number of calls of each caller."""
        return max(1, min(self.calls, MAX_CALLS // callers)) if self.pause else self.calls

    def settings(self) -> dict[str, Any]:
        """Return the settings of the upstream."""
        lifetime = self.lifetime if self.mode == "same" else 6 * 3600.0
        return {"latency": self.latency, "lifetime": lifetime, "mode": self.mode}


SHORT = 2.0  # shortest possible lifetime, since expirations are written in whole seconds
FOUR_MINUTES = 240.0

SCENARIOS = (
    Scenario("first", "nothing is cached, and the process has just started", is_warm=False, callers=(1, 1_000)),
    Scenario("cold", "nothing is cached", callers=EVERY),
    Scenario("slow", "nothing is cached, and the upstream takes half a second", latency=0.5, callers=A_THOUSAND),
    Scenario(
        "expired", "the cached credentials have expired", lifetime=SHORT, after_expiration=True, callers=FEW_AND_MANY
    ),
    Scenario(
        "advisory",
        "the cached credentials are valid, but due for a refresh",
        latency=0.2,
        lifetime="advisory",
        calls=12,
        pause=0.05,
        callers=FEW_AND_MANY,
    ),
    Scenario(
        "outage",
        "the cached credentials are valid for four minutes, and the upstream fails",
        mode="error",
        lifetime=FOUR_MINUTES,
        calls=5,
        pause=0.2,
    ),
    Scenario(
        "down",
        "the cached credentials have expired, and the upstream fails",
        mode="error",
        lifetime=SHORT,
        after_expiration=True,
        calls=5,
        pause=0.2,
        callers=A_THOUSAND,
    ),
    Scenario(
        "unchanged",
        "the upstream returns the same credentials each time, valid for four minutes",
        mode="same",
        lifetime=FOUR_MINUTES,
        calls=5,
        pause=0.2,
        callers=A_THOUSAND,
    ),
    Scenario(
        "cancelled",
        "the cached credentials have expired, and the first caller is cancelled",
        latency=0.3,
        lifetime=SHORT,
        after_expiration=True,
        cancel_first=0.1,
    ),
    Scenario(
        "deadlines",
        "the cached credentials have expired; each call has a timeout of 0.2 s, and a refresh takes 0.5 s",
        latency=0.5,
        lifetime=SHORT,
        after_expiration=True,
        deadline=0.2,
        calls=10,
    ),
)
