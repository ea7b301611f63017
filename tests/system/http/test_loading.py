"""Tests that the time for loading the HTTP library does not make a service look unreachable."""

from __future__ import annotations

import socket

import anyio
import pytest

import anycreds._system.http.plain  # noqa: F401 - loads it before the tests, whose timeouts are short
from anycreds import MetadataUnreachableError, from_http, from_instance_metadata
from anycreds._system import event_loop, io, preload
from anycreds.testing import FakeAWS

pytestmark = [pytest.mark.anyio, pytest.mark.realtime]

SLOW = 0.2  # seconds: longer than all exchanges of an attempt may take in these tests
TIMEOUT = 0.1


@pytest.fixture(autouse=True)
def _metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable the metadata service."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def load_slowly(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Make importing the HTTP library take this long."""
    real, is_imported = preload.preload, event_loop.is_imported
    unloaded = {io._PLAIN_HTTP}

    async def slow(modules: tuple[str, ...] = ()) -> None:
        if unloaded.intersection(modules):
            await anyio.sleep(seconds)
            unloaded.clear()
        await real(modules)

    monkeypatch.setattr(preload, "preload", slow)
    monkeypatch.setattr(event_loop, "is_imported", lambda name: name not in unloaded and is_imported(name))


async def test_endpoint_that_responds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that responds at once does not time out, although loading took longer than the timeout."""
    async with FakeAWS() as aws:
        load_slowly(monkeypatch, SLOW)
        provider = from_http(full_uri=aws.container_url, authorization_token=aws.container_token, timeout=TIMEOUT)
        assert (await provider()).access_key_id


async def test_later_exchanges_have_their_full_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes nothing from the timeout of later exchanges."""
    async with FakeAWS(latency=TIMEOUT / 10) as aws:
        load_slowly(monkeypatch, SLOW)
        assert (await from_instance_metadata(endpoint=aws.metadata_url, timeout=TIMEOUT)()).access_key_id


async def test_silent_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a slow loading, three quarters of the timeout are left for the first exchange."""
    timeout = 0.2
    with socket.create_server(("127.0.0.1", 0)) as listener:
        load_slowly(monkeypatch, SLOW)
        started = anyio.current_time()
        with pytest.raises(MetadataUnreachableError, match=r"no response within 0\.2 s"):
            await from_instance_metadata(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=timeout)()
        assert anyio.current_time() - started + 0.01 >= SLOW + 0.75 * timeout  # 0.01: the resolution of clocks
