"""What the tests of the adapter for aiobotocore stand on: four ways to make requests, and a server that checks them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from adapters.aiobotocore.loops import Stack
from adapters.aiobotocore.signed_aws import SignedAws, signed_aws

STACKS = [
    pytest.param(Stack("asyncio", {}, "aiohttp"), id="asyncio-aiohttp"),
    pytest.param(Stack("asyncio", {"use_uvloop": True}, "aiohttp"), id="uvloop-aiohttp"),
    pytest.param(Stack("asyncio", {}, "httpx"), id="asyncio-httpx"),
    pytest.param(Stack("trio", {}, "httpx"), id="trio-httpx"),
]


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """Give each way to make requests in turn, as far as this aiobotocore has it."""
    found: Stack = request.param
    if found.backend == "trio" and not runs_on_trio():
        pytest.skip("this aiobotocore runs on asyncio only")
    return found


def runs_on_trio() -> bool:
    """Tell whether nothing keeps the tests from trio: neither an old aiobotocore, nor one that is not there."""
    if not find_spec("aiobotocore"):
        return True  # tests that need it are skipped anyway; the others run everywhere
    from aiobotocore import endpoint

    return hasattr(endpoint, "AnyioEndpoint")


@pytest.fixture
def anyio_backend(stack: Stack) -> tuple[str, dict[str, Any]]:
    """Run on the event loop of the stack."""
    return stack.backend, stack.options


@pytest.fixture
def config(stack: Stack) -> Any:
    """Give the default client configuration that a session needs; None: none, because it finds out by itself."""
    if stack.http == "aiohttp" or stack.backend == "trio":
        return None
    from aiobotocore.config import AioConfig
    from aiobotocore.httpxsession import HttpxSession

    return AioConfig(http_session_cls=HttpxSession)


@pytest.fixture(autouse=True)
def others_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other libraries from logging what they sign and send: that is full of tokens, and none of ours."""
    for name in ("botocore", "aiobotocore", "httpx", "httpcore", "httpx2", "httpcore2", "s3fs"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)


@pytest.fixture
def aws() -> Iterator[SignedAws]:
    """Serve for the time of the test."""
    with signed_aws() as found:
        yield found
