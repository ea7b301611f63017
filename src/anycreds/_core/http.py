"""The three values of one HTTP exchange: what is asked, what came, and what it means that nothing usable came.

Their bodies and headers may be secret, so none of them can be printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

# No answer with credentials comes near this; what is longer is cut off, not read.
BODY_LIMIT = 64 * 1024


class Url(NamedTuple):
    """A URL in normal form: lower-case scheme and host, no user info, no fragment."""

    scheme: str
    host: str
    """A name or an address; IPv6 without brackets."""
    port: int | None
    target: str
    """Path and query, as they are sent."""

    @property
    def origin(self) -> str:
        """Scheme, host and port. They may be shown; a path or query can be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.origin + self.target


class Transport(NamedTuple):
    """What carries requests to services. Two that are equal share one client, and so one connection per host."""

    client_factory: Callable[[], Any] | None = None
    """Makes an ``httpx.AsyncClient``; None: the library's own."""
    ssl_context: Any = None
    """An ``ssl.SSLContext``; None: the one with the system's certificates or ``AWS_CA_BUNDLE``."""


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    url: Url
    headers: Mapping[str, str]
    timeout: float
    """Seconds for the whole exchange, from connecting to the last byte."""
    body: bytes = b""
    direct: bool = True
    """Go straight to the host, past every proxy: a must for link-local and loopback addresses."""
    limit: int = BODY_LIMIT
    transport: Transport = Transport()
    """For services; what is direct goes its own way."""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.origin})"  # a path or query can be a secret


class Response(NamedTuple):
    """What came, whole and not decoded."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


class TransportFailure(NamedTuple):
    """Why there is no usable answer."""

    kind: Literal["unreachable", "timeout", "broken", "too large"]
    """``unreachable``: no connection; ``broken``: a connection, but no valid HTTP answer on it."""
    detail: str
    """For people; never a part of what was sent or came."""
