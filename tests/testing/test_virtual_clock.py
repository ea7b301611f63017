"""The fixture ``virtual_clock``: code that creates its own providers runs under virtual time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import Credentials
from anycreds._factories.runtime import RUNTIME
from anycreds.testing import FakeAWS, MemoryNetwork, VirtualClock, pytest_plugin
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend

__all__ = ["anyio_backend"]  # a fixture: it makes the tests of this module run under virtual time

HOUR = 3600.0


@pytest.mark.anyio
async def test_code_under_test_calls_cached(virtual_clock: VirtualClock) -> None:
    """A cache that is created without ``clock=`` refreshes by the virtual clock."""
    calls = 0

    async def source() -> Credentials:
        nonlocal calls
        calls += 1
        expiration = datetime.fromtimestamp(virtual_clock.time(), UTC) + timedelta(hours=1)
        return Credentials(f"AKID{calls}", "canary-secret", "canary-session", expiration=expiration)

    async def code_under_test() -> list[str]:
        provider = anycreds.cached(source)
        keys = []
        for _ in range(48):
            keys.append((await provider()).access_key_id)
            await anyio.sleep(HOUR / 2)
        return keys

    keys = await code_under_test()
    assert (keys[:2], calls) == (["AKID1", "AKID1"], 24)


@pytest.mark.anyio
@pytest.mark.parametrize("replaces_environ", [False, True])
async def test_code_under_test_calls_from_default_chain(
    replaces_environ: bool, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default chain gets and refreshes credentials of a network in memory by the virtual clock."""

    async def code_under_test() -> None:
        provider = anycreds.from_default_chain(environ=environ if replaces_environ else None)
        end = anyio.current_time() + 24 * HOUR
        while anyio.current_time() < end:
            credentials = await provider()
            assert credentials.expiration is not None
            assert credentials.expiration.timestamp() > virtual_clock.time()
            await anyio.sleep(HOUR / 4)

    with MemoryNetwork() as network:
        aws = FakeAWS(clock=virtual_clock, lifetime=HOUR)
        network.serve(aws)
        environ = network.container_environ()
        if not replaces_environ:
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
        await code_under_test()
        assert aws.count("container") in range(24, 50)


@pytest.mark.anyio
async def test_profiles_are_read(virtual_clock: VirtualClock, isolated: Path) -> None:
    """Shared files are read at once, although threads do not run under virtual time."""
    (isolated / ".aws").mkdir()
    (isolated / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = canary-secret\n", encoding="utf-8"
    )
    started = virtual_clock.monotonic()
    assert (await anycreds.from_ini()()).access_key_id == "AKIDTEST"
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDTEST"
    assert virtual_clock.monotonic() == started


def test_clock_is_real_after_the_test() -> None:
    """The fixture replaces the clocks for one test only."""
    with pytest.MonkeyPatch.context() as patch:
        clock = pytest_plugin.virtual_clock.__wrapped__(patch)  # type: ignore[attr-defined]
        assert RUNTIME.time == clock.time
        assert repr(clock) == "VirtualClock(1767225600.0)"  # pytest prints it after the end of the event loop
    assert RUNTIME.time is time.time
    assert RUNTIME.monotonic is time.monotonic
