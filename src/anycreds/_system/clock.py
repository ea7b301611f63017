"""The machine's clocks."""

from __future__ import annotations

from time import monotonic, time


class SystemClock:
    """Real time, real chance."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)

    @staticmethod
    def jitter() -> float:
        """Return a random number from 0 up to 1."""
        from random import random  # only when a set arrives or a try fails; the import costs milliseconds

        return random()  # spreads load, guards nothing
