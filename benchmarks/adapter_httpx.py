"""``SigV4Auth`` for httpx: its whole flow compared with botocore's signer, and a signed call over loopback."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from itertools import repeat
from time import perf_counter

import anyio
import httpx
from anyio.abc import ByteStream, SocketAttribute

from anycreds import Credentials
from anycreds.adapters.httpx import SigV4Auth

from . import signing
from .measurement import Row, interleaved, ratio, run_on, span

GOAL = 1.0  # ratio to botocore's signer
SIGNATURES = 200  # per sample: some milliseconds, well above the clock's resolution
CALLS = 20  # per sample: about ten milliseconds
ROUNDS, QUICK_ROUNDS = 60, 10
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
KEYS = Credentials("AKIDEXAMPLE", "no-secret", signing.TOKEN)


async def _source() -> Credentials:
    return KEYS


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    return run_on(loop, lambda: _measure(loop, QUICK_ROUNDS if quick else ROUNDS))


async def _measure(loop: str, rounds: int) -> list[Row]:
    auth = SigV4Auth(_source, service="sts", region="us-east-1")
    rows = [await _signature(loop, rounds, auth)] if find_spec("botocore") else []
    async with _service() as url, httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501 - no TLS
        rows.append(await _call(loop, rounds, _calls(client, url, auth), _calls(client, url, None)))
    return rows


async def _signature(loop: str, rounds: int, auth: SigV4Auth) -> Row:
    response = httpx.Response(200)

    async def ours() -> float:
        endpoint, head = str(signing.URL), signing.HEADERS
        requests = [httpx.Request("POST", endpoint, headers=head, content=signing.BODY) for _ in range(SIGNATURES)]
        gc.collect()  # garbage of one side must not slow down the other
        started = perf_counter()
        for request in requests:
            flow = auth.async_auth_flow(request)
            await anext(flow)
            with suppress(StopAsyncIteration):
                await flow.asend(response)
        return (perf_counter() - started) / SIGNATURES

    async def botocores() -> float:
        gc.collect()
        return signing._botocores(KEYS)

    await interleaved(1, ours, botocores)  # warm up: imports and specialized bytecode
    mine, theirs = await interleaved(rounds, ours, botocores)
    what = "SigV4Auth: provider, hash, signature, headers"
    return Row(what, loop, "s", span(mine), span(theirs), "botocore's signer", "ratio", ratio(mine, theirs), GOAL)


async def _call(
    loop: str, rounds: int, ours: Callable[[], Awaitable[float]], plain: Callable[[], Awaitable[float]]
) -> Row:
    await interleaved(2, ours, plain)
    mine, least = await interleaved(rounds, ours, plain)
    what = "httpx call over loopback, signed"
    return Row(what, loop, "s", span(mine), span(least), "the same call, not signed", "ratio", ratio(mine, least), None)


def _calls(client: httpx.AsyncClient, url: str, auth: SigV4Auth | None) -> Callable[[], Awaitable[float]]:
    async def sample() -> float:
        started = perf_counter()
        for _ in repeat(None, CALLS):
            await client.post(url, content=signing.BODY, headers=signing.HEADERS, auth=auth or httpx.USE_CLIENT_DEFAULT)
        return (perf_counter() - started) / CALLS

    return sample


@asynccontextmanager
async def _service() -> AsyncIterator[str]:
    """Run a server on loopback that sends the same response to every request."""

    async def serve(stream: ByteStream) -> None:
        async with stream:
            async for data in stream:
                if data.endswith(signing.BODY):
                    await stream.send(ANSWER)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not a database query
        yield f"http://127.0.0.1:{port}/"
        tasks.cancel_scope.cancel()
