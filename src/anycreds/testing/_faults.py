"""Faults for ``FakeAWS.script``, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Status:
    """Respond with this status, body and headers.

    Args:
        code: The HTTP status.
        body: The body. Default: empty.
        headers: Names and values, in addition to those of the body. Default: none.
    """

    code: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceError:
    """Respond with an error in the format of the service: XML from STS, JSON from the others.

    Args:
        status: The HTTP status.
        code: The error code, such as ``"AccessDenied"``.
        message: The message. Default: empty.
        error: The ``error`` in responses of OIDC and sign-in, for example ``"TOKEN_EXPIRED"``. Default: None, none.
    """

    status: int
    code: str
    message: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """Respond with status 200 and this body.

    Args:
        body: The body.
    """

    body: bytes


@dataclass(frozen=True, slots=True)
class Redirect:
    """Respond with a redirect to a URL.

    Args:
        to: The URL.
        code: The HTTP status. Default: 302.
    """

    to: str
    code: int = 302


@dataclass(frozen=True, slots=True)
class Expired:
    """Respond as usual, but with credentials that have expired.

    Args:
        seconds: How long ago. Default: 1.
    """

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Gzip:
    """Respond as usual, but compressed, even if the client does not accept it."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Send these bytes unchanged and close the connection.

    Args:
        data: The bytes.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Hang:
    """Never respond."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Respond as usual after a delay.

    Args:
        seconds: The delay.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """Respond with status 200, and send the body slowly.

    Args:
        data: The bytes to send each time.
        every: Seconds between two times.
        count: The number of times. Default: None, forever.
    """

    data: bytes
    every: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """Send the beginning of the usual response and reset the connection.

    Args:
        count: The number of bytes to send, the head of the response included.
    """

    count: int


@dataclass(frozen=True, slots=True)
class HalfBody:
    """Send the usual response without the second half of its body and close the connection."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Respond with status 200 and a large body.

    Args:
        total: The number of bytes. Default: None, endless.
    """

    total: int | None = None


@dataclass(frozen=True, slots=True)
class Forever:
    """Apply a fault to every request until ``FakeAWS.restore``.

    Args:
        fault: The fault.
    """

    fault: OneFault


OneFault: TypeAlias = (
    Status | ServiceError | Body | Redirect | Expired | Gzip | Raw | Hang | Delay | Drip | ResetAfter | HalfBody | Flood
)
Fault: TypeAlias = OneFault | Forever
"""The faults that ``FakeAWS.script`` takes."""
