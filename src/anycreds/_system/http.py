"""HTTP through httpx: no redirects, no decoding, nothing read beyond a limit, and no raise for what comes.

Clients live as long as one attempt, so nothing is bound to an event loop or left open. Only this file names httpx; its
successor is one import away.
"""

from __future__ import annotations

import os
from typing import Any

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from .._wire.messages import NoAnswer, Request, Response
from . import tls

_httpx: Any = None

# The name that means this machine, and where it is; asked in this order and never looked up.
LOCALHOST = ("127.0.0.1", "::1")


async def load() -> Any:
    """Return httpx, ready to be used.

    Importing it, and what it imports at its first client (trio too, if that is installed), takes 100 ms and more: in a
    thread, so that the event loop runs on.
    """
    global _httpx  # noqa: PLW0603
    if _httpx is None:
        _httpx = await run_sync(_import, abandon_on_cancel=True, limiter=CapacityLimiter(1))
    return _httpx


def _import() -> Any:
    import httpx
    import idna  # noqa: F401 - httpx does this when it meets the first host

    httpx.AsyncHTTPTransport(verify=tls.untrusting(), trust_env=False)
    for backend in ("httpcore._backends.auto", "httpcore._backends.anyio"):
        __import__(backend)
    return httpx


class HttpClients:
    """The clients of one attempt: one connection per host, however many exchanges."""

    __slots__ = ("_clients",)

    def __init__(self) -> None:
        self._clients: dict[tuple[bool, str], Any] = {}

    async def close(self) -> None:
        """Close every connection."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    async def exchange(self, request: Request) -> Response | NoAnswer:
        """Make one exchange, or say why it brought nothing."""
        httpx = await load()  # before its time begins: that is for the network
        client = await self._client(httpx, request)
        with anyio.move_on_after(request.timeout):
            first, *others = LOCALHOST if _is_localhost(request) else (request.url.host,)
            answer = await _ask(httpx, client, request, first)
            for host in others:
                if isinstance(answer, NoAnswer) and answer.kind == "unreachable":
                    answer = await _ask(httpx, client, request, host)
            return answer
        return NoAnswer("timeout", f"no answer within {round(request.timeout, 3):g} s")

    async def _client(self, httpx: Any, request: Request) -> Any:
        key = (request.direct, request.url.scheme)
        if key not in self._clients:
            context = tls.untrusting() if key == (True, "http") else await tls.trusting(httpx)
            if request.direct:
                self._clients[key] = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
            else:
                self._clients[key] = httpx.AsyncClient(verify=context, timeout=None, follow_redirects=False)
        return self._clients[key]


def _is_localhost(request: Request) -> bool:
    return request.url.scheme == "http" and request.url.host == "localhost"


async def _ask(httpx: Any, client: Any, request: Request, host: str) -> Response | NoAnswer:
    try:
        response = await _send(httpx, client, request, host)
        try:
            return await _read(httpx, response, request.limit)
        finally:
            await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        return NoAnswer("unreachable", _reason(error))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # ValueError: idna, of a host's name
        return NoAnswer("broken", f"{type(error).__name__}: {_reason(error)}")


async def _send(httpx: Any, client: Any, request: Request, host: str) -> Any:
    url = request.url
    target = httpx.URL(scheme=url.scheme, host=host, port=url.port, raw_path=url.target.encode("ascii"))
    if target.raw_host.strip(b"[]") != host.encode("ascii"):  # what was checked is what is asked
        raise httpx.InvalidURL("the host changed on the way")
    headers = {"Host": url.origin.partition("://")[2], "Accept-Encoding": "identity", **request.headers}
    if request.method != "GET":
        headers["Content-Length"] = str(len(request.body))
    encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    message = httpx.Request(request.method, target, headers=encoded, content=request.body or None)
    if request.direct:
        return await client.handle_async_request(message)
    return await client.send(message, stream=True, auth=None, follow_redirects=False)


async def _read(httpx: Any, response: Any, limit: int) -> Response | NoAnswer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        return NoAnswer("too large", f"an answer of {declared[:20]} bytes; at most {limit} are read")
    body = bytearray()
    try:
        async for chunk in response.stream:
            if len(body) <= limit:
                body += chunk
            if len(body) > limit:
                # Not a break: the libraries' generators have to come to their end, and so they do, with an error.
                await response.aclose()
    except httpx.HTTPError:
        if len(body) <= limit:
            raise
    if len(body) > limit:
        return NoAnswer("too large", f"an answer of more than {limit} bytes")
    return Response(response.status_code, headers, bytes(body))


def _reason(error: BaseException) -> str:
    """Return what the operating system or TLS said, from the depth of the exceptions, and nothing of what was sent.

    The texts of the libraries between are not used: some repeat bytes of a header or an answer.
    """
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if text := _said_by_system(found):
            return text
        waiting += [inner for inner in (found.__context__, found.__cause__) if inner is not None]
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
    return "no more is known"


def _said_by_system(error: BaseException) -> str | None:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no reason given'}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else error.strerror
    return None
