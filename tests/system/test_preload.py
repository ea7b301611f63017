"""A program that is slow itself, loading or busy with other work, does not take that for a service that is silent."""

from __future__ import annotations

import socket
import time
from typing import Any

import anyio
import pytest

from anycreds import MetadataUnreachableError, from_http, from_instance_metadata
from anycreds._system import http
from anycreds.testing import FakeAWS
from support.raw_http_server import httpx_loaded  # noqa: F401

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("httpx_loaded")]

SLOW = 0.6  # seconds: twice all the time that an attempt has in these tests
TIMEOUT = 0.1


@pytest.fixture(autouse=True)
def _metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the metadata service be asked; each test says where it is."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def load_slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Forget that the library is loaded, and let loading it take so long."""
    import httpx

    def slow() -> Any:
        time.sleep(seconds)
        http._httpx = httpx
        return httpx

    monkeypatch.setattr(http, "_httpx", None)
    monkeypatch.setattr(http, "import_httpx", slow)


async def test_a_configured_endpoint_does_not_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that answers at once gives credentials, though loading took longer than the whole attempt may."""
    async with FakeAWS() as aws:
        load_slowly(monkeypatch, SLOW)
        provider = from_http(full_uri=aws.container_url, authorization_token=aws.container_token, timeout=TIMEOUT)
        assert (await provider()).access_key_id


async def test_later_exchanges_have_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes nothing from the exchanges that follow the first one either."""
    async with FakeAWS(latency=TIMEOUT / 2) as aws:
        load_slowly(monkeypatch, SLOW)
        assert (await from_instance_metadata(endpoint=aws.metadata_url, timeout=TIMEOUT)()).access_key_id


async def test_a_silent_endpoint_has_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the library is loaded, a service that is silent has three quarters of its time, and then that is said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        load_slowly(monkeypatch, SLOW)
        begun = anyio.current_time()
        with pytest.raises(MetadataUnreachableError, match=r"no response within 1 s"):
            await from_instance_metadata(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=1.0)()
        assert anyio.current_time() - begun + 0.01 >= SLOW + 0.75  # a hundredth for the grain of clocks
