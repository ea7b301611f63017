"""A fleet of hosts in virtual time: the real cache of each host, with callers each second, and one simulated STS.

No event loop runs on: the source of the caches answers at once, so that a call of a cached provider ends in one step.
Hosts share nothing but STS, so each has a call when something is due for it, at a full second after its last one, and
none in between: those would be cache hits, or raise the remembered error.

STS is simulated as providers call it, with up to three requests and the real delays between them. A delay advances the
clock for the host that waits. All times are multiples of 1/64 s, so that sums of them are exact.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from anycreds import CachedProvider, Credentials, RetrievalError, cached
from anycreds._cache.policy import next_refresh_in
from anycreds._core.events import Event
from anycreds._core.http import Response
from anycreds._core.io import ImmediateIo
from anycreds._core.provider import ClientContext, Provider
from anycreds._providers.service.retries import SERVICE_RULES, retry_delay
from anycreds._system.runtime import SystemRuntime
from anycreds._wire.service_errors import ErrorResponse

HOUR = 3600.0
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
TICKS = 64  # per second
MAX_ATTEMPTS = 3  # the default of ``ClientConfig``
DOWN = Response(503, {}, b"")
THROTTLED = Response(400, {}, b"")
RATE_EXCEEDED = ErrorResponse(400, "Throttling", "Rate exceeded")


class Scenario(NamedTuple):
    """What a fleet does, and what happens to STS."""

    hosts: int
    hours: float = 24
    session: float = HOUR  # seconds
    has_jitter: bool = True
    outage: tuple[float, float] = (math.inf, math.inf)  # seconds after the start
    quota: float = math.inf  # requests per second that STS answers
    options: Mapping[str, Any] = {}  # of ``cached``


class Fleet(NamedTuple):
    """The outcome: what STS and the callers have seen. Times are seconds after the start."""

    sent: Counter[int]  # requests by second
    answered: Counter[int]  # those of them that STS answered with credentials
    recovered: Mapping[int, float]
    """By host whose calls have raised errors: the time of the next call that did not; infinite if there is none."""


class Clock:
    """The virtual time, which all hosts share, and their random numbers, from a seed."""

    def __init__(self, *, has_jitter: bool) -> None:
        self.now = 0.0
        self._random = random.Random(16) if has_jitter else None

    def time(self) -> float:
        """Return the wall clock."""
        return START.timestamp() + self.now

    def monotonic(self) -> float:
        """Return the seconds since the start of the fleet."""
        return self.now

    def jitter(self) -> float:
        """Return a random number; always the same one without jitter."""
        return 0.5 if self._random is None else self._random.random()


class Sts(Provider):
    """The source of all hosts."""

    __slots__ = ("_clock", "_numbers", "_scenario", "answered", "sent")

    def __init__(self, clock: Clock, scenario: Scenario) -> None:
        super().__init__("simulated STS", SystemRuntime(clock))
        self._clock = clock
        self._scenario = scenario
        self._numbers = itertools.count(1)
        self.sent: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials:
        for attempt in range(MAX_ATTEMPTS):
            response, error = self._request()
            if response is None:
                expiration = START + timedelta(seconds=self._clock.now + self._scenario.session)
                return Credentials(f"ASIA{next(self._numbers)}", "no-secret", "t", expiration=expiration)
            delay = retry_delay(SERVICE_RULES, response, error, attempt, io.jitter())
            if attempt + 1 < MAX_ATTEMPTS and delay is not None:
                self._clock.now += round(delay * TICKS) / TICKS
        raise RetrievalError("STS did not answer")

    def _request(self) -> tuple[Response | None, ErrorResponse | None]:
        second = int(self._clock.now)
        self.sent[second] += 1
        begin, end = self._scenario.outage
        if begin <= self._clock.now < end:
            return DOWN, None
        if self.answered[second] >= self._scenario.quota:
            return THROTTLED, RATE_EXCEEDED
        self.answered[second] += 1
        return None, None


def per(seconds: int, counts: Mapping[int, int], begin: float, end: float) -> list[int]:
    """Return the requests in each interval of that many seconds."""
    starts = range(int(begin), int(end), seconds)
    return [sum(counts.get(second, 0) for second in range(start, start + seconds)) for start in starts]


async def simulate(scenario: Scenario) -> Fleet:
    """Run a fleet whose hosts start within one second."""
    clock = Clock(has_jitter=scenario.has_jitter)
    sts = Sts(clock, scenario)
    hosts = [cached(sts, clock=clock, **scenario.options) for _ in range(scenario.hosts)]
    starts = random.Random(2026)
    due = [(starts.randrange(TICKS) / TICKS, number) for number in range(scenario.hosts)]
    heapq.heapify(due)
    recovered: dict[int, float] = {}
    while due[0][0] < scenario.hours * HOUR:
        clock.now, number = due[0]
        if not _has_credentials(hosts[number]):
            recovered[number] = math.inf
        elif recovered.get(number) == math.inf:
            recovered[number] = clock.now
        state = hosts[number]._state
        wait = math.ceil(next_refresh_in(state.snapshot, state.now))
        heapq.heapreplace(due, (clock.now + max(1, wait), number))
    return Fleet(sts.sent, sts.answered, recovered)


def _has_credentials(host: CachedProvider) -> bool:
    """Call a host's provider, and return whether it gets credentials."""
    call = host()
    try:
        call.send(None)
    except StopIteration:
        return True
    except RetrievalError:
        return False
    raise RuntimeError("a call has waited")
