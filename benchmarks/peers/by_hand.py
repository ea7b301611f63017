"""The floor of a cold resolve: a program for one source only, over a bare socket or with one process."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from benchmarks.least import Exchanges, Request

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"by hand on {loop}",
        worker=python_peer(__name__, loop),
        packages=("anyio",),
        missing=not_installed(loop),
        is_floor=True,
        plays=("cold",),
    )
    for loop in ("asyncio", "trio")
)
MOST = 65_536  # bytes at a time; every answer is shorter


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
    from benchmarks import least

    async def ask() -> str:
        environ = os.environ
        if (asked := least.exchanges(environ)) is not None:
            return await _exchanged(*asked)
        if environ["ANYCREDS_BENCH_SOURCE"] == "environment":
            return environ["AWS_ACCESS_KEY_ID"]
        if environ["ANYCREDS_BENCH_SOURCE"] == "file":
            return least.from_file(environ)
        return least.key_printed(await _printed(loop, least.command(environ)))

    return ask


async def _exchanged(place: str, exchanges: Exchanges) -> str:
    """Do the exchanges over one socket, one after another."""
    import anyio

    where = urlsplit(place)
    with socket.socket() as line:
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if line.connect_ex((where.hostname, where.port)):
            await anyio.wait_writable(line)
        request = next(exchanges)
        while True:
            line.send(_written(request, where.netloc))  # which the system takes at once, short as it is
            answer = b""
            while not _is_whole(answer):
                await anyio.wait_readable(line)
                if not (more := line.recv(MOST)):
                    raise ConnectionError(f"{place} closed the connection")
                answer += more
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(answer.split(b"\r\n", 1)[0])
            try:
                request = exchanges.send(answer.partition(b"\r\n\r\n")[2])
            except StopIteration as end:
                return str(end.value)


def _written(request: Request, host: str) -> bytes:
    length = {"Content-Length": str(len(request.body))} if request.body or request.method == "PUT" else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **request.headers, **length}.items())
    return f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + request.body


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


async def _printed(loop: str, command: list[str]) -> bytes:
    """Return what a process prints."""
    if loop == "trio":
        import trio

        return bytes((await trio.run_process(command, capture_stdout=True)).stdout)
    from asyncio.subprocess import PIPE, create_subprocess_exec

    process = await create_subprocess_exec(*command, stdout=PIPE)
    return (await process.communicate())[0]
