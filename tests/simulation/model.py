"""What a cache should do, once more: a plain simulation written from the design, section 5, and not from the code.

No tasks and no event loop, only a list of what happens when. Schedules are drawn at random from a seed; no two things
in one happen at the same time, so that there is only one right outcome.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import Any, Literal, NamedTuple

PATIENCE, FLIGHT, FLOOR, MEMORY = 5.0, 60.0, 1.0, 300.0
CHANCE = 0.5  # of everything that is drawn at random: the spread of refreshes, the pause while the set is good


class Ask(NamedTuple):
    """A caller: when it asks, and how long it waits (None: for ever)."""

    at: float
    deadline: float | None


class Answer(NamedTuple):
    """What the source does when it is called: after ``latency`` it gives a new set, the last one again, or fails."""

    latency: float
    kind: Literal["new", "same", "dead", "fail", "missing", "hang"]
    life: float


class Schedule(NamedTuple):
    """What happens to a cache. Drops are times at which the set that was served last is invalidated."""

    asks: list[Ask]
    drops: list[float]
    answers: list[Answer]
    is_healthy: bool


Got = tuple[str, int, float]
"""What a caller got ("set", the error's class, "left"), the number of the set or 0, and when."""


def draw(seed: int) -> Schedule:
    """Make a schedule. In one of three the source is healthy: one set for all of it, as long as nothing is dropped."""
    chance = random.Random(seed)

    def soon(least: float, most: float) -> float:
        return round(chance.uniform(least, most), 6)

    is_healthy = chance.random() < 1 / 3
    asks = [Ask(soon(0, 60), None if chance.random() < 0.5 else soon(0.01, 6)) for _ in range(chance.randint(3, 18))]
    if is_healthy:
        return Schedule(asks, [], [Answer(soon(0.01, 4), "new", 3600 * 6)], is_healthy=True)
    drops = [soon(0, 60) for _ in range(chance.choice([0, 0, 1, 2, 4]))]
    kinds: list[Any] = ["new"] * 6 + ["same", "same", "dead", "fail", "fail", "fail", "missing", "hang"]
    answers = [
        Answer(soon(0.01, chance.choice([0.3, 8])), chance.choice(kinds), soon(4, chance.choice([20, 90])))
        for _ in range(60)
    ]
    return Schedule(asks, drops, answers, is_healthy=False)


class Model:
    """Plays a schedule. ``got`` has an entry for each caller, ``calls`` the times at which the source was called."""

    def __init__(self, schedule: Schedule) -> None:
        self.got: dict[int, Got] = {}
        self.calls: list[float] = []
        self.schedule = schedule
        self.held: tuple[int, float, float, float] | None = None  # number, end, advisory and mandatory window
        self.issued = (0, -math.inf)  # the last set that the source made, and its end
        self.failure: tuple[str, int, float, float, int] | None = None  # error, urgency, when, pause, how many in a row
        self.flight: dict[str, Any] | None = None
        self.waiting: dict[int, int] = {}  # callers, each with the flights that came to nothing under it
        self.last_end = -math.inf
        self.unsettled = False
        self.served = 0
        self.dropped = (0, -math.inf)
        self.now = 0.0
        self._events: list[tuple[float, int, str, int]] = []
        self._count = 0

    def play(self) -> Model:
        for number, ask in enumerate(self.schedule.asks):
            self._at(ask.at, "ask", number)
            if ask.deadline is not None:
                self._at(ask.at + ask.deadline, "leave", number)
        for at in self.schedule.drops:
            self._at(at, "drop", 0)
        while self._events:
            self.now, _, what, number = heapq.heappop(self._events)
            getattr(self, f"_{what}")(number)
        return self

    def _at(self, when: float, what: str, number: int) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what, number))

    def _end(self, number: int, what: str, which: int = 0) -> None:
        self.waiting.pop(number, None)
        self.got[number] = (what, which, self.now)
        self.served = which or self.served

    def _urgency(self) -> int:
        left = -1.0 if self.held is None else self.held[1] - self.now
        return 2 if left <= 0 or self.held is None else 1 if left <= self.held[3] else 0

    def _rests(self, urgency: int) -> bool:
        if self.failure is None:
            return False
        _, before, when, pause, _ = self.failure
        return self.now < when + (pause if urgency <= before else FLOOR)

    def _ask(self, number: int, tries: int = 0, patience: float = PATIENCE) -> None:
        """Decide for one caller, in the order of the design's five rules."""
        urgency = self._urgency()
        if urgency == 2:
            if self.flight is None and self.failure and self.failure[0] != "NotConfiguredError" and self._rests(2):
                return self._end(number, self.failure[0])
            self._fly()
            self.waiting[number] = tries
            return None
        assert self.held is not None
        due = self.held[1] - self.now <= self.held[2] or urgency == 1
        if not self._rests(urgency) and due:
            self._fly()
            if (urgency == 1 or self.unsettled) and patience:
                self.waiting[number] = tries
                return self._at(self.now + patience, "tire", number)
        return self._end(number, "set", self.held[0])

    def _tire(self, number: int) -> None:
        if number in self.waiting:
            self._ask(number, self.waiting.pop(number), patience=0.0)

    def _leave(self, number: int) -> None:
        if number in self.waiting:
            self._end(number, "left")

    def _drop(self, _: int) -> None:
        if self.held is None or self.held[0] != self.served:
            return
        if self.dropped[0] == self.served and self.now < self.dropped[1]:
            return
        self.dropped, self.held = (self.served, -math.inf), None
        if self.flight and self.flight["called"]:
            self.flight["is_void"] = True

    def _fly(self) -> None:
        if self.flight is None:
            self.flight = {"called": False, "is_void": False}
            self._at(max(self.now, self.last_end + FLOOR), "call", 0)

    def _call(self, _: int) -> None:
        assert self.flight is not None
        answer = self.flight["called"] = self.schedule.answers[len(self.calls)]
        self.calls.append(self.now)
        self._at(self.now + (FLIGHT if answer.kind == "hang" else answer.latency), "land", 0)

    def _land(self, _: int) -> None:
        assert self.flight is not None
        flight, self.flight = self.flight, None
        answer: Answer = flight["called"]
        errors = {"hang": "ProviderTimeoutError", "missing": "NotConfiguredError", "fail": "RetrievalError"}
        error = "RetrievalError" if answer.kind == "dead" else errors.get(answer.kind)
        if answer.kind == "new" or (answer.kind == "same" and self.issued[1] <= self.now):
            self.issued = (self.issued[0] + 1, self.now + answer.life)
        if error != "NotConfiguredError":
            self.last_end = self.now
        self.unsettled = flight["is_void"]
        if flight["is_void"]:
            return self._wake(None, again=True)
        is_dull = error is None and self.held is not None and self._urgency() < 2 and self.held[0] == self.issued[0]
        if error or is_dull:
            self._fail(error or "RetrievalError")
        else:
            self._take(*self.issued)
        if error is None and self.issued[0] == self.dropped[0]:
            self.dropped = (self.dropped[0], self.now + MEMORY)
        return self._wake(error)

    def _take(self, number: int, end: float) -> None:
        life = end - self.now
        window = 300.0 if life <= 1200 else 900.0 if life < 5400 else 3600.0
        window = min(window, life / 2) * (1 - CHANCE / 10)
        self.held, self.failure = (number, end, window, min(60.0, life / 4)), None

    def _fail(self, error: str) -> None:
        urgency = self._urgency()
        if urgency == 0:
            assert self.held is not None
            until_mandatory = self.held[1] - self.now - self.held[3]
            pause, row = max(FLOOR, min(300 + 300 * CHANCE, until_mandatory)), 0
        else:
            row = self.failure[4] + 1 if self.failure and self.failure[1] == urgency else 1
            pause = min(2.0 ** (row - 1), 30.0)
        self.failure = (error, urgency, self.now, pause, row)

    def _wake(self, error: str | None, *, again: bool = False) -> None:
        for number, tries in sorted(self.waiting.items()):
            del self.waiting[number]
            if again and tries == 2:
                self._end(number, "RetrievalError")
            elif again:
                self._ask(number, tries + 1)
            elif self._urgency() < 2 and self.held is not None:
                self._end(number, "set", self.held[0])
            else:
                assert error is not None
                self._end(number, error)
