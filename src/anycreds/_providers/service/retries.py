"""Asking again: only after what may pass by itself, and never beyond the time that the whole attempt has."""

from __future__ import annotations

from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Clock, Io

# Too many requests, and the server's own troubles. Every other status is the server's last word.
_TRANSIENT = frozenset((429, 500, 502, 503, 504))
# JavaScript pauses for a fixed second, which is long for a service on this machine or its link.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
# Past the attempt's own end, so that the exchange, which knows why it ended, is heard before the deadline around it.
GRACE = 0.25


class Budget:
    """The seconds that one attempt has, for all its exchanges and pauses together."""

    __slots__ = ("_clock", "_end")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left, 0 or more."""
        return max(0.0, self._end - self._clock.monotonic())

    def extend(self, seconds: float) -> None:
        """Add time for exchanges that nobody could foresee."""
        self._end += seconds


async def start_budget(io: Io, seconds: float) -> Budget:
    """Return the time that all exchanges and pauses of an attempt may take, from now on."""
    await io.preload_http()
    return Budget(io, seconds)


async def send_with_retries(io: Io, request: Request, retries: int, budget: Budget) -> Response | TransportFailure:
    """Make one exchange and repeat it while that may help. The last answer counts."""
    answer: Response | TransportFailure = TransportFailure("timeout", "no time was left for it")
    for tried in range(1 + retries):
        left = budget.left()
        if left <= 0:
            break
        answer = await io.send(request._replace(timeout=min(request.timeout, left)))
        pause = pause_after(answer, tried, retries, io.jitter(), budget.left())
        if pause is None:
            break
        await io.sleep(pause)
    return answer


def pause_after(
    answer: Response | TransportFailure, tried: int, retries: int, jitter: float, left: float
) -> float | None:
    """Decide how many seconds to wait before asking once more; None: this answer is the last.

    ``tried`` counts the earlier exchanges. The pause doubles, with full jitter, so that many clients spread.
    """
    if tried >= retries or not is_transient(answer):
        return None
    pause = jitter * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(tried, 10))  # 2**10 is past the cap already
    if isinstance(answer, Response):
        pause = max(pause, retry_after(answer))
    return pause if pause < left else None


def is_transient(answer: Response | TransportFailure) -> bool:
    """Tell whether the same question may well get a better answer soon."""
    if isinstance(answer, TransportFailure):
        return answer.kind != "too large"
    return answer.status in _TRANSIENT


def retry_after(response: Response) -> float:
    """Return the seconds that the server asks to wait; 0 where it gives none, a date, or something unreadable."""
    text = response.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return float(text[:10]) if len(text) <= 10 else float("inf")  # ten digits are three centuries
