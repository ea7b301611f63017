"""The header of every request, as bytes in the order in which they are sent."""

from __future__ import annotations

from ... import __version__
from ..._core.http import Request


def encode_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the names and values of a request's header. Raise ``ValueError`` if one cannot be sent."""
    headers = {
        "Host": request.url.origin.partition("://")[2],
        "Accept-Encoding": "identity",
        "User-Agent": f"anycreds/{__version__}" + (f" app/{request.app_id}" if request.app_id else ""),
        **request.headers,
    }
    if request.method != "GET":
        headers["Content-Length"] = str(len(request.body))
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
