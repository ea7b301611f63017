"""HTTP through httpx: no redirects, no decoding, nothing read beyond a limit, and no raise for what comes.

Clients live as long as one attempt, so nothing is bound to an event loop or left open. Only this file names httpx; its
successor is one import away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from .._errors import InvalidConfigurationError
from .._wire.messages import NoAnswer, Request, Response
from . import tls
from .reasons import reason_of

_httpx: Any = None

# What makes transports in the place of sockets: ``anycreds.testing.MemoryNetwork`` puts it here, and nobody else. Not a
# context variable: a refresh that was begun elsewhere must not reach the real network from within a test.
make_transport: Callable[[Any], Any] | None = None

_CLOSING = 2.0  # seconds for closing a socket, which is local work

# Loading the HTTP library counts against the time of an exchange, so that a program off EC2 waits no longer; but so
# much of it is left for the network, lest a slow disk makes a service look unreachable.
NETWORK_SHARE = 0.75

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


def preload() -> Any:
    """Do what ``load`` does, but at once and in this thread: threads do not mix with virtual time."""
    global _httpx  # noqa: PLW0603
    if _httpx is None:
        _httpx = _import()
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
        begun = anyio.current_time()
        httpx = await load()
        client = await self._client(httpx, request)
        spent = anyio.current_time() - begun  # the first time only, and then it is for the disk, not for the network
        with anyio.move_on_after(max(request.timeout - spent, request.timeout * NETWORK_SHARE)):
            first, *others = LOCALHOST if _is_localhost(request) else (request.url.host,)
            answer = await _ask(httpx, client, request, first)
            for host in others:
                if isinstance(answer, NoAnswer) and answer.kind == "unreachable":
                    answer = await _ask(httpx, client, request, host)
            return answer
        return NoAnswer("timeout", f"no answer within {round(request.timeout, 3):g} s")

    async def _client(self, httpx: Any, request: Request) -> Any:
        key = (request.direct, request.url.scheme)
        if key not in self._clients and make_transport is not None:
            network = make_transport(httpx)
            self._clients[key] = network if request.direct else httpx.AsyncClient(transport=network, timeout=None)
        if key not in self._clients:
            context = tls.untrusting() if key == (True, "http") else await tls.trusting(httpx)
            if request.direct:
                self._clients[key] = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
            else:
                self._clients[key] = _behind_proxies(httpx, context)
        return self._clients[key]


def _behind_proxies(httpx: Any, context: Any) -> Any:
    """Return the client that goes through the proxies which the environment names.

    Raises ``InvalidConfigurationError`` if one of them can be none. It does not repeat it: there may be a password.
    """
    try:
        return httpx.AsyncClient(verify=context, timeout=None, follow_redirects=False)
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        kind = type(error).__name__
    raise InvalidConfigurationError(
        f"HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY cannot be used ({kind})",
        hint="a proxy is http://host:port or https://host:port; for socks5:// install httpx[socks]",
    )


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
        return NoAnswer("unreachable", reason_of(error))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # ValueError: idna, of a host's name
        return NoAnswer("broken", f"{type(error).__name__}: {reason_of(error)}")


async def _send(httpx: Any, client: Any, request: Request, host: str) -> Any:
    url = request.url
    target = httpx.URL(scheme=url.scheme, host=host, port=url.port, raw_path=url.target.encode("ascii"))
    if target.raw_host.strip(b"[]") != host.encode("ascii"):  # what was checked is what is asked
        raise httpx.InvalidURL("the host changed on the way")
    headers = {"Host": url.origin.partition("://")[2], "Accept-Encoding": "identity", **request.headers}
    if request.method != "GET":
        headers["Content-Length"] = str(len(request.body))
    encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    opened: list[Any] = []

    async def note(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            opened.append(info["return_value"])

    extensions = {"trace": note} if url.scheme == "https" else {}
    message = httpx.Request(
        request.method, target, headers=encoded, content=request.body or None, extensions=extensions
    )
    try:
        if request.direct:
            return await client.handle_async_request(message)
        message.url = _quiet(httpx)(target)
        return await client.send(message, stream=True, auth=None, follow_redirects=False)
    except BaseException:
        # httpcore knows nothing of a connection before its TLS handshake has ended, and leaves it open if cancelled.
        with anyio.move_on_after(_CLOSING, shield=True):
            for stream in opened:
                await stream.aclose()
        raise


@cache
def _quiet(httpx: Any) -> Any:
    """Return a kind of URL that shows its origin only: clients log URLs, and a path or query can be a secret."""

    def shown(url: Any) -> str:
        return f"{url.scheme}://{url.netloc.decode('ascii')}"

    return type("QuietURL", (httpx.URL,), {"__str__": shown, "__repr__": shown})


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
