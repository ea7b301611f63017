"""The real ``Runtime``, and the real clock."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .._core.attempts import ATTEMPT_TIMEOUT
from . import event_loop, fork, preload
from .deadlines import Attempt, leave_attempts, pause_attempt
from .io import SystemIo, read_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Context

    from .._core import io as core


class SystemClock:
    """The clocks and random numbers of this machine."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    @staticmethod
    def jitter() -> float:
        """Return a random number, at least 0 and below 1. It spreads load and protects nothing."""
        return int.from_bytes(os.urandom(6)) / 2**48  # `random` takes milliseconds to import


class SystemRuntime:
    """The real ``Runtime``.

    Args:
        clock: Replaces the clocks and the random numbers of this machine; None for the real ones.
        environ: Replaces the environment variables of the process; None for the real ones.
        call_limit: Limits the calls of services that are in progress at once; None for no limit.

    """

    __slots__ = ("_call_limit", "_clock", "_environ", "jitter", "monotonic", "time")

    read_at_once = staticmethod(read_at_once)
    pause_attempt = staticmethod(pause_attempt)
    current_loop = staticmethod(event_loop.current_loop)
    is_loop_closed = staticmethod(event_loop.is_loop_closed)
    call_soon = staticmethod(event_loop.call_soon)
    call_later = staticmethod(event_loop.call_later)
    after_fork = staticmethod(fork.after_fork)

    def __init__(
        self,
        clock: core.Clock | None = None,
        environ: Mapping[str, str] | None = None,
        call_limit: core.CallLimit | None = None,
    ) -> None:
        self._environ = environ
        self._call_limit = call_limit
        self._clock: core.Clock = SystemClock() if clock is None else clock
        self.time = self._clock.time
        self.monotonic = self._clock.monotonic
        self.jitter = self._clock.jitter

    def environ(self) -> Mapping[str, str]:
        """Return the process's environment, or its replacement."""
        return os.environ if self._environ is None else self._environ

    def open_io(self, name: str, timeout: float | None = ATTEMPT_TIMEOUT) -> SystemIo:
        """Return the ``Io`` of one attempt; see ``Runtime``."""
        attempt = None if timeout is None else Attempt(timeout, name)
        return SystemIo(self._clock, self._environ, attempt, self._call_limit)

    async def preload(self, modules: tuple[str, ...] = ()) -> bool:
        """Import what waiting needs, or only these modules; see ``Runtime``."""
        if not modules and event_loop.is_imported(event_loop.anyio_backend()):
            return False
        await preload.preload(modules, for_waiting=not modules)
        return True

    def spawn_system_task(self, body: core.TaskBody, on_end: Callable[[], None], name: str, context: Context) -> None:
        """Start a task that belongs to the current event loop run; see ``Runtime``."""
        leave_attempts(context)
        event_loop.spawn_system_task(body, on_end, name, context)

    def with_clock(self, clock: core.Clock) -> SystemRuntime:
        """Return a runtime with another clock; see ``Runtime``."""
        return SystemRuntime(clock, self._environ, self._call_limit)

    def with_call_limit(self, limit: core.CallLimit) -> SystemRuntime:
        """Return a runtime with this limit of calls; see ``Runtime``."""
        return SystemRuntime(self._clock, self._environ, limit)
