"""What happened in one run, and what must not have happened."""

from __future__ import annotations

import itertools
import math

from anycreds import Credentials, CredentialsError
from anycreds.testing import ManualClock

from .worlds import Answer

MIN_INTERVAL = 1.0  # seconds between a response of the source and its next call
ROUNDING = 1e-6  # seconds; times are sums of floats


class Fetch:
    """A call of the source."""

    def __init__(self, step: int, started: float) -> None:
        self.step = step  # when it began
        self.started = started
        self.ended = math.inf
        self.kind = "in progress"  # then "new", "same", "fail" or "cut off"


class RunHistory:
    """What happened in one run.

    Attributes:
        events: What happened, in order.
        problems: What happened and must not.
        step: How many steps of tasks were made; an invalidation counts too, as it is between two of them.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.events: list[str] = []
        self.problems: list[str] = []
        self.step = 0
        self.last: Credentials | None = None  # what the source issued last
        self.has_clock_changed = False
        self.was_evicted = False
        self._clock = clock
        self._fetches: list[Fetch] = []
        self._running = 0
        self._issued: dict[str, tuple[Fetch, float]] = {}  # by key id: the last fetch, and the monotonic expiration
        self._invalidations = 0
        self._invalidated_at = 0  # the step of the last one

    def log(self, text: str) -> None:
        """Note what happened."""
        self.events.append(f"{self._clock.monotonic():g} s: {text}")

    def problem(self, text: str) -> None:
        """Note what happened and must not."""
        self.log(f"VIOLATION: {text}")
        self.problems.append(text)

    def problem_of_run(self, text: str) -> None:
        """Note what is wrong with a run that is over."""
        self.events.append(f"VIOLATION: {text}")
        self.problems.append(text)

    # The source

    def forget_fetches(self) -> None:
        """Count calls of the source from here."""
        self._fetches.clear()

    def begin_fetch(self, answer: Answer) -> Fetch:
        """Note a call of the source."""
        self.log(f"the source is called: {answer.kind} after {answer.latency} s")
        self._running += 1
        if self._running > 1:
            self.problem(f"{self._running} calls of the source at the same time")
        fetch = Fetch(self.step, self._clock.monotonic())
        self._fetches.append(fetch)
        return fetch

    def end_fetch(self, fetch: Fetch, kind: str) -> None:
        """Note how a call of the source ended."""
        self.log(f"the source ends: {kind}")
        fetch.kind, fetch.ended = kind, self._clock.monotonic()
        self._running -= 1

    def issue(self, fetch: Fetch, credentials: Credentials, lifetime: float | None) -> None:
        """Note what the source returns; ``lifetime`` unless it is what it returned before."""
        key = credentials.access_key_id
        expires = self._issued[key][1] if lifetime is None else self._clock.monotonic() + lifetime
        self._issued[key] = (fetch, expires)
        self.last = credentials

    def is_valid(self, credentials: Credentials, min_ttl: float = 0.0) -> bool:
        """Return whether credentials have not expired, by either clock, and will not within ``min_ttl`` seconds."""
        assert credentials.expiration is not None
        _, expires = self._issued[credentials.access_key_id]
        wall, monotonic = credentials.expiration.timestamp() - self._clock.time(), expires - self._clock.monotonic()
        return min(wall, monotonic) > min_ttl

    # The cache

    def invalidate(self, credentials: Credentials, *, accepted: bool) -> None:
        """Note an invalidation."""
        self.log(f"{credentials.access_key_id} is invalidated: {accepted}")
        if accepted:
            self.step += 1
            self._invalidations += 1
            self._invalidated_at = self.step

    def check_returned(self, name: str, credentials: Credentials, began: int, min_ttl: float = 0.0) -> None:
        """Check what a call got that began in the step ``began``."""
        self.log(f"{name} gets {credentials.access_key_id}")
        if credentials.original_expiration is None and not self.is_valid(credentials, min_ttl):
            self.problem(f"{name} gets credentials that have expired, or expire too soon")
        fetch, _ = self._issued[credentials.access_key_id]
        if fetch.step < self._invalidated_at <= began:
            self.problem(f"{name} gets credentials from before the invalidation")

    def check_error(self, name: str, error: CredentialsError, min_ttl: float = 0.0) -> None:
        """Check that a call may get an error: the source has failed, and nothing valid is cached."""
        self.log(f"{name} gets {type(error).__name__}")
        if not self._has_failed():
            self.problem(f"{name} gets an error of a healthy source: {error}")
        elif (last := self.last) is not None and self.is_valid(last, min_ttl):
            fetch, _ = self._issued[last.access_key_id]
            if fetch.step >= self._invalidated_at:
                self.problem(f"{name} gets an error beside valid credentials: {error}")

    def check_end(self) -> None:
        """Check the calls of the source, when the run is over."""
        if self._running:
            self.problem("the source is still being called")
        calls = sum(fetch.kind != "cut off" for fetch in self._fetches)
        if calls > 1 + self._invalidations + self.was_evicted and not self._has_failed() and not self.has_clock_changed:
            self.problem(f"a healthy source is called {calls} times")
        for before, after in itertools.pairwise(self._fetches):
            pause = after.started - before.ended
            if pause < MIN_INTERVAL - ROUNDING:
                self.problem(f"the source is called {pause:g} s after its last response")

    def _has_failed(self) -> bool:
        return any(fetch.kind in {"fail", "same"} for fetch in self._fetches)
