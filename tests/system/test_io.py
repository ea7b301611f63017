"""Tests of the real ``Io``: its small functions, and how an attempt ends."""

from __future__ import annotations

import uuid

import anyio
import pytest

from anycreds import ProviderTimeoutError
from anycreds._system.io import SystemIo
from anycreds._system.runtime import SystemRuntime


def test_new_uuid() -> None:
    """Each UUID is random, of version 4, and in the usual text form."""
    io = SystemRuntime().open_io("test")
    texts = {io.new_uuid() for _ in range(100)}
    assert len(texts) == 100
    for text in texts:
        assert str(uuid.UUID(text)) == text
        assert uuid.UUID(text).version == 4


class HangingClients:
    """Connections that cannot be closed."""

    async def close(self) -> None:
        """Hang."""
        await anyio.sleep_forever()


@pytest.mark.anyio
@pytest.mark.parametrize("when", ["before", "in the body", "while closing"])
async def test_cancelled_attempt(when: str) -> None:
    """An attempt that is cancelled before it begins, in its body, or while it closes, ends without an error."""
    io = SystemRuntime().open_io("test")
    if when == "before":
        io.cancel()
    async with anyio.create_task_group() as tasks, io:
        if when == "while closing":
            io._http = HangingClients()  # type: ignore[assignment]
        if when != "before":
            tasks.start_soon(cancel, io)
        if when != "while closing":
            await anyio.sleep_forever()


async def cancel(io: SystemIo) -> None:
    """Cancel an attempt when its task waits."""
    await anyio.wait_all_tasks_blocked()
    io.cancel()


@pytest.mark.anyio
async def test_deadline_while_closing() -> None:
    """The deadline of an attempt ends it also while it closes its connections."""
    with pytest.raises(ProviderTimeoutError):
        async with SystemRuntime().open_io("test", 0.01) as io:
            io._http = HangingClients()  # type: ignore[assignment]
