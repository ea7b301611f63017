"""One exchange on one client: what is sent is exactly the request, and what comes is read raw, up to the limit."""

from __future__ import annotations

from functools import cache
from typing import Any

import anyio

from ..._core.http import Request, Response, TransportFailure
from .clients import Client
from .errors import reason_of

_CLOSING = 2.0  # seconds for closing a socket, which is local work


async def ask(client: Client, request: Request, host: str) -> Response | TransportFailure:
    """Send a request to this host, and read the answer up to its limit."""
    library = client.library
    try:
        response = await _send(client, request, host)
        try:
            return await _read(library, response, request.limit)
        finally:
            await response.aclose()
    except (library.ConnectError, library.ConnectTimeout) as error:
        return TransportFailure("unreachable", reason_of(error))
    except (library.HTTPError, library.InvalidURL, OSError, ValueError) as error:  # ValueError: idna, of a host's name
        return TransportFailure("broken", f"{type(error).__name__}: {reason_of(error)}")
    except Exception as error:
        if client.is_ours:
            raise
        # Hooks and transports of the program's raise what they like.
        return TransportFailure(
            "broken", f"{type(error).__name__} in the client of http_client_factory: {reason_of(error)}"
        )


async def _send(client: Client, request: Request, host: str) -> Any:
    library = client.library
    url = request.url
    target = library.URL(scheme=url.scheme, host=host, port=url.port, raw_path=url.target.encode("ascii"))
    if target.raw_host.strip(b"[]") != host.encode("ascii"):  # what was checked is what is asked
        raise library.InvalidURL("the host changed on the way")
    headers = {"Host": url.origin.partition("://")[2], "Accept-Encoding": "identity", **request.headers}
    if request.method != "GET":
        headers["Content-Length"] = str(len(request.body))
    encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    opened: list[Any] = []

    async def note(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            opened.append(info["return_value"])

    extensions = {"trace": note} if url.scheme == "https" else {}
    message = library.Request(
        request.method, target, headers=encoded, content=request.body or None, extensions=extensions
    )
    if request.body and hasattr(library, "AsyncByteStream"):
        message.stream = _whole(library)(request.body)
    try:
        if request.direct:
            return await client.made.handle_async_request(message)
        message.url = _quiet(library)(target)
        return await client.made.send(message, stream=True, auth=None, follow_redirects=False)
    except BaseException:
        # httpcore knows nothing of a connection before its TLS handshake has ended, and leaves it open if cancelled.
        with anyio.move_on_after(_CLOSING, shield=True):
            for stream in opened:
                await stream.aclose()
        raise


class _Once:
    """Gives one piece. Unlike a generator it may be left at any time."""

    def __init__(self, piece: bytes) -> None:
        self._pieces = [piece]

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


@cache
def _whole(library: Any) -> Any:
    """Return a kind of body that is sent in one piece."""

    class Whole(library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, body: bytes) -> None:
            self._body = body

        def __aiter__(self) -> _Once:
            return _Once(self._body)

    return Whole


@cache
def _quiet(library: Any) -> Any:
    """Return a kind of URL that shows its origin only: clients log URLs, and a path or query can be a secret."""

    def shown(url: Any) -> str:
        return f"{url.scheme}://{url.netloc.decode('ascii')}"

    return type("QuietURL", (library.URL,), {"__str__": shown, "__repr__": shown})


async def _read(library: Any, response: Any, limit: int) -> Response | TransportFailure:
    headers = {name.lower(): value for name, value in response.headers.items()}
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        return TransportFailure("too large", f"an answer of {declared[:20]} bytes; at most {limit} are read")
    # What is consumed has been read already: by a hook of the program's, or it never was on a wire.
    body = response.content if response.is_stream_consumed else await _read_stream(library, response, limit)
    if len(body) > limit:
        return TransportFailure("too large", f"an answer of more than {limit} bytes")
    return Response(response.status_code, headers, bytes(body))


async def _read_stream(library: Any, response: Any, limit: int) -> bytearray:
    """Return the whole body, not decoded, or more of it than the limit."""
    body = bytearray()
    try:
        async for chunk in response.stream:
            if len(body) <= limit:
                body += chunk
            if len(body) > limit:
                # Not a break: the libraries' generators have to come to their end, and so they do, with an error.
                await response.aclose()
    except library.HTTPError:
        if len(body) <= limit:
            raise
    return body
