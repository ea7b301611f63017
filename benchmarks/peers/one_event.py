"""The baseline of concurrent callers: one exchange over a bare socket, and one event for all waiters."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import time
from urllib.parse import urlsplit

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"one event on {loop}",
        worker=python_peer(__name__, loop),
        packages=("anyio",),
        missing=not_installed(loop),
        cannot=dict.fromkeys(
            ("advisory", "outage", "down", "unchanged", "cancelled", "deadlines"),
            "the baseline only returns credentials",
        ),
        is_baseline=True,
        benchmarks=("concurrent",),
    )
    for loop in ("asyncio", "trio")
)


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the function that gets credentials."""
    del loop  # the code is the same on all event loops
    import anyio

    url_parts = urlsplit(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    host, port = str(url_parts.hostname), int(url_parts.port or 80)
    head = f"Host: {url_parts.netloc}\r\nAuthorization: {os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']}"
    request = f"GET {url_parts.path} HTTP/1.1\r\n{head}\r\n\r\n".encode()
    key, end = "", 0.0
    refreshed: anyio.Event | None = None

    async def refresh() -> None:
        nonlocal key, end
        response = b""
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(request)
            while not response.endswith(b"}"):
                response += await stream.receive()
        document = json.loads(response.partition(b"\r\n\r\n")[2])
        key, end = document["AccessKeyId"], datetime.fromisoformat(document["Expiration"]).timestamp()

    async def get_key() -> str:
        nonlocal refreshed
        if time() < end:
            return key
        if refreshed is not None:
            await refreshed.wait()
        else:
            refreshed = anyio.Event()
            await refresh()
            refreshed.set()
            refreshed = None
        return key

    return get_key
