"""Fixtures for the aiobotocore adapter: three HTTP stacks, and a server that verifies signatures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from adapters.aiobotocore.signed_aws import SignedAws, signed_aws
from adapters.aiobotocore.stacks import Stack

STACKS = [
    pytest.param(Stack("asyncio", {}, "aiohttp"), id="asyncio-aiohttp"),
    pytest.param(Stack("asyncio", {}, "httpx"), id="asyncio-httpx"),
    pytest.param(Stack("trio", {}, "httpx"), id="trio-httpx"),
]


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    """Return each HTTP stack that the installed aiobotocore supports."""
    found: Stack = request.param
    if found.backend == "trio" and not runs_on_trio():
        pytest.skip("this aiobotocore runs on asyncio only")
    return found


def runs_on_trio() -> bool:
    """Return whether the tests can run on trio: aiobotocore is new enough, or missing."""
    if not find_spec("aiobotocore"):
        return True  # tests that need it are skipped; the others run everywhere
    from aiobotocore import endpoint

    return hasattr(endpoint, "AnyioEndpoint")


@pytest.fixture
def anyio_backend(stack: Stack) -> tuple[str, dict[str, Any]]:
    """Return the event loop of the stack."""
    return stack.backend, stack.options


@pytest.fixture
def config(stack: Stack) -> Any:
    """Return the default client configuration that a session needs; None if the adapter selects the HTTP library."""
    if stack.http == "aiohttp" or stack.backend == "trio":
        return None
    from aiobotocore.config import AioConfig
    from aiobotocore.httpxsession import HttpxSession

    return AioConfig(http_session_cls=HttpxSession)


@pytest.fixture(autouse=True)
def quiet_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence the logs of other libraries: they contain the tokens that are signed and sent."""
    for name in ("botocore", "aiobotocore", "httpx", "httpcore", "httpx2", "httpcore2", "s3fs"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)


@pytest.fixture
def aws() -> Iterator[SignedAws]:
    """Return a server that runs during the test."""
    with signed_aws() as found:
        yield found
