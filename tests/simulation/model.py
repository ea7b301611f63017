"""The rules of the cache as a plain simulation, written from ``docs/design/cache.md`` and not from the code.

There are no tasks and no event loop, only a list of events in the order of time. Schedules are random, from a seed.
No two events of a schedule happen at the same time, so there is only one right outcome.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import Any, Literal, NamedTuple

MAX_WAIT, TIMEOUT, MIN_INTERVAL, REJECTION_TTL = 5.0, 60.0, 1.0, 300.0
MAX_BACKOFF, MAX_BACKOFF_IF_EXPIRED = 30.0, 5.0
JITTER = 0.5  # in place of every random number: the start of refreshes, the backoff outside the mandatory window


class Call(NamedTuple):
    """A call: when it is made, and after how long it is cancelled; None for never."""

    at: float
    deadline: float | None


class Response(NamedTuple):
    """What the source does when it is called: after ``latency`` it returns new or the last credentials, or fails."""

    latency: float
    kind: Literal["new", "same", "expired", "fail", "not configured", "hang"]
    lifetime: float


class Schedule(NamedTuple):
    """What happens to a cache. At the times in ``invalidations`` the credentials returned last are invalidated."""

    calls: list[Call]
    invalidations: list[float]
    responses: list[Response]
    is_healthy: bool


Got = tuple[str, int, float]
"""What a call got ("credentials", "cancelled" or the error's class), the number of the credentials or 0, and when."""


def draw(rng: random.Random) -> Schedule:
    """Return a random schedule. In one of six the source is healthy: one response serves the whole schedule."""

    def between(least: float, most: float) -> float:
        return round(rng.uniform(least, most), 6)

    is_healthy = rng.random() < 1 / 6
    calls = [Call(between(0, 60), None if rng.random() < 0.5 else between(0.01, 6)) for _ in range(rng.randint(3, 24))]
    if is_healthy:
        return Schedule(calls, [], [Response(between(0.01, 4), "new", 3600 * 6)], is_healthy=True)
    invalidations = [between(0, 60) for _ in range(rng.choice([0, 0, 2, 4, 12]))]
    kinds: list[Any] = ["new"] * 6 + ["same", "same", "expired", "fail", "fail", "fail", "not configured", "hang"]
    kinds += rng.choice([[], ["fail"] * 12])  # so that failures follow each other
    responses = [
        Response(between(0.01, rng.choice([0.3, 8])), rng.choice(kinds), between(4, rng.choice([20, 90])))
        for _ in range(60)
    ]
    return Schedule(calls, invalidations, responses, is_healthy=False)


class Model:
    """Computes the outcome of a schedule: ``got`` for each call, ``calls`` the times at which the source was called."""

    def __init__(self, schedule: Schedule) -> None:
        self.got: dict[int, Got] = {}
        self.calls: list[float] = []
        self.schedule = schedule
        self.cached: tuple[int, float, float, float] | None = None  # number, expiration, advisory and mandatory window
        self.issued = (0, -math.inf)  # the last credentials of the source, and their expiration
        # Error, urgency, when, backoff, how many in a row.
        self.failure: tuple[str, int, float, float, int] | None = None
        self.refresh: dict[str, Any] | None = None
        self.waiting: dict[int, int] = {}  # callers, each with the number of void refreshes that it has waited for
        self.last_call_ended = -math.inf
        self.returned = 0
        self.invalidated = (0, -math.inf)
        self.now = 0.0
        self._events: list[tuple[float, int, str, int]] = []
        self._count = 0

    def run(self) -> Model:
        for number, call in enumerate(self.schedule.calls):
            self._at(call.at, "call", number)
            if call.deadline is not None:
                self._at(call.at + call.deadline, "cancel", number)
        for at in self.schedule.invalidations:
            self._at(at, "invalidate", 0)
        while self._events:
            self.now, _, what, number = heapq.heappop(self._events)
            getattr(self, f"_{what}")(number)
        return self

    def _at(self, when: float, what: str, number: int) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what, number))

    def _finish(self, number: int, what: str, which: int = 0) -> None:
        self.waiting.pop(number, None)
        self.got[number] = (what, which, self.now)
        self.returned = which or self.returned

    def _urgency(self) -> int:
        remaining = -1.0 if self.cached is None else self.cached[1] - self.now
        return 2 if remaining <= 0 or self.cached is None else 1 if remaining <= self.cached[3] else 0

    def _is_backing_off(self, urgency: int) -> bool:
        if self.failure is None:
            return False
        _, before, when, backoff, _ = self.failure
        return self.now < when + (backoff if urgency <= before else MIN_INTERVAL)

    def _call(self, number: int, voids: int = 0, max_wait: float = MAX_WAIT) -> None:
        """Decide for one caller, in the order of the five rules in "Decide"."""
        urgency = self._urgency()
        if urgency == 2:
            if (
                self.refresh is None
                and self.failure
                and self.failure[0] != "NotConfiguredError"
                and self._is_backing_off(2)
            ):
                return self._finish(number, self.failure[0])
            self._start_refresh()
            self.waiting[number] = voids
            return None
        assert self.cached is not None
        due = self.cached[1] - self.now <= self.cached[2] or urgency == 1
        if not self._is_backing_off(urgency) and due:
            self._start_refresh()
            if urgency == 1 and max_wait:
                self.waiting[number] = voids
                return self._at(self.now + max_wait, "stop_waiting", number)
        return self._finish(number, "credentials", self.cached[0])

    def _stop_waiting(self, number: int) -> None:
        if number in self.waiting:
            self._call(number, self.waiting.pop(number), max_wait=0.0)

    def _cancel(self, number: int) -> None:
        if number in self.waiting:
            self._finish(number, "cancelled")

    def _invalidate(self, _: int) -> None:
        if self.cached is None or self.cached[0] != self.returned:
            return
        if self.invalidated[0] == self.returned and self.now < self.invalidated[1]:
            return
        self.invalidated, self.cached = (self.returned, -math.inf), None
        if self.refresh and self.refresh["called"]:
            self.refresh["is_void"] = True

    def _start_refresh(self) -> None:
        if self.refresh is None:
            self.refresh = {"called": False, "is_void": False}
            self._at(max(self.now, self.last_call_ended + MIN_INTERVAL), "start_attempt", 0)

    def _start_attempt(self, _: int) -> None:
        assert self.refresh is not None
        response = self.refresh["called"] = self.schedule.responses[len(self.calls)]
        self.calls.append(self.now)
        self._at(self.now + (TIMEOUT if response.kind == "hang" else response.latency), "finish_attempt", 0)

    def _finish_attempt(self, _: int) -> None:
        assert self.refresh is not None
        refresh, self.refresh = self.refresh, None
        response: Response = refresh["called"]
        errors = {"hang": "ProviderTimeoutError", "not configured": "NotConfiguredError", "fail": "RetrievalError"}
        error = "RetrievalError" if response.kind == "expired" else errors.get(response.kind)
        if response.kind == "new" or (response.kind == "same" and self.issued[1] <= self.now):
            self.issued = (self.issued[0] + 1, self.now + response.lifetime)
        if error != "NotConfiguredError":
            self.last_call_ended = self.now
        if refresh["is_void"]:
            return self._wake(error, is_void=True)
        is_unchanged = (
            error is None and self.cached is not None and self._urgency() < 2 and self.cached[0] == self.issued[0]
        )
        if error or is_unchanged:
            self._fail(error or "RetrievalError")
        else:
            self._cache(*self.issued)
        if error is None and self.issued[0] == self.invalidated[0]:
            self.invalidated = (self.invalidated[0], self.now + REJECTION_TTL)
        return self._wake(error)

    def _cache(self, number: int, expiration: float) -> None:
        lifetime = expiration - self.now
        window = 300.0 if lifetime <= 1200 else 900.0 if lifetime < 5400 else 3600.0
        window = min(window, lifetime / 2) * (1 - JITTER / 10)
        self.cached, self.failure = (number, expiration, window, min(60.0, lifetime / 4)), None

    def _fail(self, error: str) -> None:
        urgency = self._urgency()
        if urgency == 0:
            assert self.cached is not None
            until_mandatory = self.cached[1] - self.now - self.cached[3]
            backoff, in_a_row = max(MIN_INTERVAL, min(300 + 300 * JITTER, until_mandatory)), 0
        else:
            in_a_row = self.failure[4] + 1 if self.failure and self.failure[1] == urgency else 1
            backoff = min(2.0 ** (in_a_row - 1), MAX_BACKOFF if urgency == 1 else MAX_BACKOFF_IF_EXPIRED)
        self.failure = (error, urgency, self.now, backoff, in_a_row)

    def _wake(self, error: str | None, *, is_void: bool = False) -> None:
        for number, voids in sorted(self.waiting.items()):
            del self.waiting[number]
            if is_void and not voids:
                self._call(number, 1)
            elif is_void and not error:
                self._finish(number, "credentials", self.issued[0])
            elif self._urgency() < 2 and self.cached is not None:
                self._finish(number, "credentials", self.cached[0])
            else:
                assert error is not None
                self._finish(number, error)
