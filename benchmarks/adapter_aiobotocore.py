"""A signed request with the adapter for aiobotocore, compared with aiobotocore's static credentials.

A handler returns the response instead of the network, whose time would hide the difference. Everything else is as in a
program, from the call of the client's method to its result.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import repeat
from time import perf_counter
from typing import Any

from anycreds import Credentials, cached

from .measurement import Row, interleaved, ratio, run_on, span

GOAL = 1.15  # ratio to the same call with static credentials
CALLS = 20  # per sample: some milliseconds, well above the clock's resolution
ROUNDS, QUICK_ROUNDS = 70, 10
REGION = "us-east-1"
TOKEN = "t" * 900  # about as long as a token of STS
OBJECT = {"Bucket": "bucket", "Key": "key"}

Call = Callable[[], Awaitable[Any]]


class CannedResponse:
    """A response without a network."""

    def __init__(self, body: bytes) -> None:
        self.status_code = 200
        self.headers: dict[str, str] = {}
        self.raw = None
        self._body = body

    @property
    async def content(self) -> bytes:
        """Return the body, as aiobotocore's own responses do."""
        return self._body


CALLER_IDENTITY = CannedResponse(
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/alice</Arn>"
    b"<UserId>alice</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
HEAD = CannedResponse(b"")


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop, or none if aiobotocore is missing or does not support it."""
    if not find_spec("aiobotocore"):
        return []
    from aiobotocore import endpoint

    if loop == "trio" and not hasattr(endpoint, "AnyioEndpoint"):
        return []
    return run_on(loop, lambda: _measure(loop, QUICK_ROUNDS if quick else ROUNDS))


async def _measure(loop: str, rounds: int) -> list[Row]:
    from anycreds.adapters.aiobotocore import create_session

    keys = Credentials("ASIAEXAMPLE", "no-secret", TOKEN, expiration=datetime.now(UTC) + timedelta(hours=6))

    async def source() -> Credentials:
        return keys

    static = _plain_session(loop)
    static.set_credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    async with AsyncExitStack() as stack:
        ours = await _calls(stack, create_session(cached(source)))
        baseline = await _calls(stack, static)
        samples = [_timed(call) for pair in zip(ours, baseline, strict=True) for call in pair]
        await interleaved(3, *samples)  # warm up: imports, models and specialized bytecode
        gc.collect()
        found = await interleaved(rounds, *samples)
    whats = ("signed request, GetCallerIdentity", "signed request, HeadObject", "presigned URL, GetObject")
    return [_row(what, loop, *found[2 * index : 2 * index + 2]) for index, what in enumerate(whats)]


def _plain_session(loop: str) -> Any:
    """Return a plain session of aiobotocore, with the HTTP library that the adapter uses on this event loop."""
    from aiobotocore.config import AioConfig
    from aiobotocore.httpxsession import HttpxSession
    from aiobotocore.session import get_session

    session = get_session()
    if loop == "trio":
        session.set_default_client_config(AioConfig(http_session_cls=HttpxSession))
    return session


async def _calls(stack: AsyncExitStack, session: Any) -> tuple[Call, ...]:
    sts = await stack.enter_async_context(session.create_client("sts", region_name=REGION))
    s3 = await stack.enter_async_context(session.create_client("s3", region_name=REGION))
    sts.meta.events.register("before-send", lambda **_: CALLER_IDENTITY)
    s3.meta.events.register("before-send", lambda **_: HEAD)
    return (
        sts.get_caller_identity,
        lambda: s3.head_object(**OBJECT),
        lambda: s3.generate_presigned_url("get_object", Params=OBJECT),
    )


def _timed(call: Call) -> Callable[[], Awaitable[float]]:
    async def sample() -> float:
        started = perf_counter()
        for _ in repeat(None, CALLS):
            await call()
        return (perf_counter() - started) / CALLS

    return sample


def _row(what: str, loop: str, ours: list[float], baseline: list[float]) -> Row:
    return Row(
        what=f"aiobotocore: {what}",
        loop=loop,
        unit="s",
        ours=span(ours),
        baseline=span(baseline),
        baseline_is="aiobotocore with static credentials, both without a network",
        kind="ratio",
        judged=ratio(ours, baseline),
        goal=GOAL,
    )
