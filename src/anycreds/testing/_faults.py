"""What can go wrong with one exchange, as frozen values to script a ``FakeAWS`` with. Nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this status, body and headers instead."""

    code: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """Let the service refuse, in its own format: XML from STS, JSON from the others.

    ``error`` is what stands in the member of that name in the answers of OIDC and sign-in, for example
    ``"TOKEN_EXPIRED"``.
    """

    status: int
    code: str
    message: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """Answer 200 with this body instead."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a redirect to ``to``, a URL."""

    to: str
    code: int = 302


@dataclass(frozen=True, slots=True)
class Expired:
    """Answer as usual, but with a set that ended ``seconds`` ago."""

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Gzip:
    """Answer as usual, but compressed, whatever the client accepts."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Put these bytes on the socket as they are, and close it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer as usual, after ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """Begin an answer with status 200, then send ``data`` ``every`` so many seconds, ``count`` times or without end."""

    data: bytes
    every: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """Send the first ``count`` bytes of the usual answer (its head included), then reset the connection."""

    count: int


@dataclass(frozen=True, slots=True)
class HalfBody:
    """Send the usual answer without the second half of its body, then close the connection."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Answer 200 with a body of ``total`` bytes; None: with one that has no end."""

    total: int | None = None


@dataclass(frozen=True, slots=True)
class Forever:
    """Let ``fault`` happen to every exchange from here on, until ``FakeAWS.restore``."""

    fault: OneFault


OneFault: TypeAlias = (
    Status | Refuse | Body | Redirect | Expired | Gzip | Raw | Hang | Delay | Drip | ResetAfter | HalfBody | Flood
)
Fault: TypeAlias = OneFault | Forever
"""Whatever ``FakeAWS.script`` takes."""
