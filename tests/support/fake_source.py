"""A scripted source of credentials that counts its calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio

from anycreds import Clock, Credentials
from anycreds.testing import CANARY


def make_credentials(name: str, ends_at: float | None) -> Credentials:
    """Return credentials with planted secrets. ``ends_at`` is the expiration in seconds since 1970."""
    expiration = None if ends_at is None else datetime.fromtimestamp(0, UTC) + timedelta(seconds=ends_at)
    return Credentials(f"AKID{name}", f"{CANARY}-secret-{name}", f"{CANARY}-session-{name}", expiration=expiration)


Outcome = float | Credentials | BaseException | Callable[[], Credentials]


class FakeSource:
    """An async function for ``cached``.

    Each scripted result is a lifetime in seconds, credentials, an error to raise, or a function. After the script, each
    call returns new credentials with the lifetime ``life``. A call takes ``latency`` seconds.
    """

    def __init__(self, clock: Clock, *outcomes: Outcome, life: float | None = 3600.0, latency: float = 0.0) -> None:
        self.clock = clock
        self.outcomes = deque(outcomes)
        self.life = life
        self.latency = latency
        self.started: list[float] = []
        self.running = 0

    @property
    def calls(self) -> int:
        """The number of calls."""
        return len(self.started)

    async def __call__(self) -> Credentials:
        self.started.append(self.clock.monotonic())
        number = self.calls
        self.running += 1
        try:
            if self.latency:
                await anyio.sleep(self.latency)
        finally:
            self.running -= 1
        outcome = self.outcomes.popleft() if self.outcomes else self.life
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, Credentials):
            return outcome
        if callable(outcome):
            return outcome()
        return make_credentials(str(number), None if outcome is None else self.clock.time() + outcome)
