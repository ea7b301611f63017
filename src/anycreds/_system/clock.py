"""The clocks and random numbers of this machine."""

from __future__ import annotations

from time import monotonic, time


class SystemClock:
    """The real clocks."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)

    @staticmethod
    def jitter() -> float:
        """Return a random number, at least 0 and below 1. It spreads load and protects nothing."""
        from random import random  # takes milliseconds to import, so only when credentials arrive or a call fails

        return random()
