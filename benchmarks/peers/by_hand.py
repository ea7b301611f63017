"""The baseline of a cold call: minimal code for one source, with a bare socket or one subprocess."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from benchmarks.minimal_exchanges import Exchanges, Request

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"by hand on {loop}",
        worker=python_peer(__name__, loop),
        packages=("anyio",),
        missing=not_installed(loop),
        is_baseline=True,
        benchmarks=("cold",),
    )
    for loop in ("asyncio", "trio")
)
MAX_BYTES = 65_536  # per read; every response is shorter


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the function that gets credentials."""
    from benchmarks import minimal_exchanges

    async def get_key() -> str:
        environ = os.environ
        if (exchange := minimal_exchanges.exchanges(environ)) is not None:
            return await _exchanged(*exchange)
        if environ["ANYCREDS_BENCH_SOURCE"] == "environment":
            return environ["AWS_ACCESS_KEY_ID"]
        if environ["ANYCREDS_BENCH_SOURCE"] == "file":
            return minimal_exchanges.key_from_file(environ)
        return minimal_exchanges.key_from_output(await _printed(loop, minimal_exchanges.command(environ)))

    return get_key


async def _exchanged(endpoint: str, exchanges: Exchanges) -> str:
    """Make the exchanges over one socket, one after another."""
    import anyio

    url_parts = urlsplit(endpoint)
    with socket.socket() as line:
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if line.connect_ex((url_parts.hostname, url_parts.port)):
            await anyio.wait_writable(line)
        request = next(exchanges)
        while True:
            line.send(_written(request, url_parts.netloc))  # short enough for the socket buffer
            response = b""
            while not _is_whole(response):
                await anyio.wait_readable(line)
                if not (more := line.recv(MAX_BYTES)):
                    raise ConnectionError(f"{endpoint} closed the connection")
                response += more
            if not response.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(response.split(b"\r\n", 1)[0])
            try:
                request = exchanges.send(response.partition(b"\r\n\r\n")[2])
            except StopIteration as end:
                return str(end.value)


def _written(request: Request, host: str) -> bytes:
    length = {"Content-Length": str(len(request.body))} if request.body or request.method == "PUT" else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **request.headers, **length}.items())
    return f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + request.body


def _is_whole(response: bytes) -> bool:
    head, end, body = response.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def _printed(loop: str, command: list[str]) -> bytes:
    """Return the standard output of a command."""
    if loop == "trio":
        import trio

        return bytes((await trio.run_process(command, capture_stdout=True)).stdout)
    from asyncio.subprocess import PIPE, create_subprocess_exec

    process = await create_subprocess_exec(*command, stdout=PIPE)
    return (await process.communicate())[0]
