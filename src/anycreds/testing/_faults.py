"""Faults for ``FakeAWS.script``, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Status:
    """Respond with this status, body and headers."""

    code: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceError:
    """Respond with an error in the format of the service: XML from STS, JSON from the others."""

    status: int
    code: str
    message: str = ""
    error: str | None = None
    """The ``error`` in responses of OIDC and sign-in, for example ``"TOKEN_EXPIRED"``."""


@dataclass(frozen=True, slots=True)
class Body:
    """Respond with status 200 and this body."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Redirect:
    """Respond with a redirect to a URL."""

    to: str
    code: int = 302


@dataclass(frozen=True, slots=True)
class Expired:
    """Respond as usual, but with credentials that expired ``seconds`` ago."""

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Gzip:
    """Respond as usual, but compressed, even if the client does not accept it."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Send these bytes unchanged and close the connection."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Hang:
    """Never respond."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Respond as usual after ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """Respond with status 200, then send ``data`` every ``every`` seconds, ``count`` times (None: forever)."""

    data: bytes
    every: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """Send the first ``count`` bytes of the usual response, its head included, and reset the connection."""

    count: int


@dataclass(frozen=True, slots=True)
class HalfBody:
    """Send the usual response without the second half of its body and close the connection."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Respond with status 200 and a body of ``total`` bytes (None: an endless body)."""

    total: int | None = None


@dataclass(frozen=True, slots=True)
class Forever:
    """Apply ``fault`` to every request until ``FakeAWS.restore``."""

    fault: OneFault


OneFault: TypeAlias = (
    Status | ServiceError | Body | Redirect | Expired | Gzip | Raw | Hang | Delay | Drip | ResetAfter | HalfBody | Flood
)
Fault: TypeAlias = OneFault | Forever
"""The faults that ``FakeAWS.script`` takes."""
