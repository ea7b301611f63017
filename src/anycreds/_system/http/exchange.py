"""One exchange on one client: the request is sent as it is, and the response is read undecoded, up to the limit."""

from __future__ import annotations

from functools import cache
from typing import Any, Self

import anyio

from ..._core.http import Request, Response, TransportFailure
from .clients import Client
from .errors import describe_os_error
from .headers import encode_headers
from .resolving import CLOSE_TIMEOUT
from .socket_limit import ResponseTooLargeError, SocketReads, check_length, current_reads, limit_stream


async def exchange(client: Client, request: Request, host: str) -> Response | TransportFailure:
    """Send a request to a host, and read the response up to the request's limit."""
    library = client.library
    previous = current_reads.set(SocketReads(request.limit))
    try:
        response = await _send(client, request, host)
        try:
            return await _read(library, response, request.limit)
        finally:
            await response.aclose()
    except ResponseTooLargeError as error:
        return TransportFailure("too large", str(error))
    except (library.ConnectError, library.ConnectTimeout) as error:
        return TransportFailure("unreachable", describe_os_error(error))
    except (library.HTTPError, library.InvalidURL, OSError, ValueError) as error:  # ValueError: an invalid host
        return TransportFailure("broken", f"{type(error).__name__}: {describe_os_error(error)}")
    except Exception as error:
        if client.is_ours:
            raise
        # Hooks and transports of the user's client may raise anything.
        kind = type(error).__name__
        return TransportFailure("broken", f"{kind} in the client of http_client_factory: {describe_os_error(error)}")
    finally:
        current_reads.reset(previous)


async def _send(client: Client, request: Request, host: str) -> Any:
    opened: list[Any] = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            limit_stream(info["return_value"])
        if event == "connection.connect_tcp.complete":
            opened.append(info["return_value"])

    message = _message(client.library, request, host)
    message.extensions = {"trace": trace}
    try:
        return await client.send(message)
    except BaseException:
        # httpcore does not know a connection before its TLS handshake has ended, and leaves it open if cancelled.
        with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
            for stream in opened:
                await stream.aclose()
        raise


def _message(library: Any, request: Request, host: str) -> Any:
    """Return the library's object for a request."""
    url = request.url
    target = library.URL(scheme=url.scheme, host=host, port=url.port, raw_path=url.target.encode("ascii"))
    if target.raw_host.strip(b"[]") != host.encode("ascii"):  # the host that was validated must be the one called
        raise library.InvalidURL("the HTTP library changed the host")
    message = library.Request(request.method, target, headers=encode_headers(request), content=request.body or None)
    message.url = _redacted_url_type(library)(target)
    if request.body and hasattr(library, "AsyncByteStream"):
        message.stream = _single_chunk_body_type(library)(request.body)
    return message


@cache
def _redacted_url_type(library: Any) -> Any:
    """Return a type of URL whose text is its origin only: clients log URLs, and a path or query may be secret."""

    def text(url: Any) -> str:
        return f"{url.scheme}://{url.netloc.decode('ascii')}"

    return type("RedactedURL", (library.URL,), {"__str__": text, "__repr__": text})


@cache
def _single_chunk_body_type(library: Any) -> Any:
    """Return a type of body that yields one chunk. Unlike the libraries' generators it needs not be closed."""

    class SingleChunkBody(library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, body: bytes) -> None:
            self._body = body

        def __aiter__(self) -> Self:
            self._chunks = [self._body]
            return self

        async def __anext__(self) -> bytes:
            if not self._chunks:
                raise StopAsyncIteration
            return self._chunks.pop()

    return SingleChunkBody


async def _read(library: Any, response: Any, limit: int) -> Response:
    headers = {name.lower(): value for name, value in response.headers.items()}
    check_length(headers, limit)
    # The body is consumed already if a hook of the user's client has read it, or if it was never on a wire.
    body = response.content if response.is_stream_consumed else await _read_stream(library, response, limit)
    if len(body) > limit:
        raise ResponseTooLargeError(f"the response has more than {limit} bytes")
    return Response(response.status_code, headers, bytes(body))


async def _read_stream(library: Any, response: Any, limit: int) -> bytearray:
    """Return the whole body undecoded, or a part of it that exceeds the limit."""
    body = bytearray()
    try:
        async for chunk in response.stream:
            if len(body) <= limit:
                body += chunk
            if len(body) > limit:
                # Not a `break`: the libraries' generators must run to their end, and this ends them with an error.
                await response.aclose()
    except library.HTTPError:
        if len(body) <= limit:
            raise
    return body
