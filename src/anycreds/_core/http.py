"""The values of one HTTP exchange: the request, and the response or the reason why there is none.

Bodies, headers, paths and queries may be secrets, so they are not printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

# In bytes. Responses with credentials have a few KiB; reading stops at the limit.
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


class CaBundle(NamedTuple):
    """The certificates of trusted authorities."""

    path: str
    """A file in PEM format, or a directory in OpenSSL's format."""
    origin: str
    """What sets it, for messages: ``AWS_CA_BUNDLE``, ``ca_bundle in ~/.aws/config:12``."""


class Transport(NamedTuple):
    """The HTTP client for requests to services. Requests with equal values share one client and its connections."""

    client_factory: Callable[[], Any] | None = None
    """Returns a new ``AsyncClient`` of httpx or httpx2; None for a client of this library."""
    ssl_context: Any = None
    """An ``ssl.SSLContext``; None for one with the certificates of ``AWS_CA_BUNDLE``, the profile or the system."""
    ca_bundle: CaBundle | None = None
    """The profile's certificates, unless ``AWS_CA_BUNDLE`` is set; also used for direct requests."""


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    url: Url
    headers: Mapping[str, str]
    timeout: float
    """The seconds for the whole exchange, from connecting to the last byte of the response."""
    body: bytes = b""
    direct: bool = True
    """Whether to connect to the host itself and not to a proxy, as for link-local and loopback addresses."""
    limit: int = BODY_LIMIT
    """The largest response body, in bytes."""
    transport: Transport | None = None
    """The HTTP client of a service; of a direct request, only its ``ca_bundle`` is used. None if it is no service."""
    app_id: str = ""
    """The name of the user's application for the ``User-Agent`` header; empty if there is none."""

    @property
    def is_plain(self) -> bool:
        """Whether a socket is enough to send it: there is no client, no TLS, no proxy, and no name to resolve."""
        host = self.url.host
        is_address = ":" in host or host.rpartition(".")[2].isdigit()  # no name ends so; see ``parse_url``
        is_resolved = is_address or host == "localhost"
        return self.transport is None and self.direct and self.url.scheme == "http" and is_resolved

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.origin})"  # a path or query can be a secret


class Response(NamedTuple):
    """A complete response; its body is not decoded."""

    status: int
    headers: Mapping[str, str]
    """The names are in lower case."""
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


# How the detail of a failure begins if the host name has no address. A misspelt region looks like this.
HOST_NOT_FOUND = "unable to resolve the host name"


class TransportFailure(NamedTuple):
    """Why an exchange has no usable response."""

    kind: Literal["unreachable", "timeout", "broken", "too large"]
    """``unreachable``: no connection; ``broken``: a connection, but no valid HTTP response."""
    detail: str
    """The reason for display; never a part of the request or the response."""
