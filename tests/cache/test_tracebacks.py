"""Errors of a refresh keep no frame of the attempt, in which secrets may be."""

from __future__ import annotations

import traceback

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError, RetrievalError
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._system.runtime import SystemRuntime
from anycreds.events import AttemptFailed, Event
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401

pytestmark = pytest.mark.anyio


class FailingProvider(Provider):
    """A provider that fails in one of three ways while it handles another exception."""

    __slots__ = ("kind",)

    def __init__(self, clock: VirtualClock, kind: str) -> None:
        super().__init__("failing", SystemRuntime(clock))
        self.kind = kind

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        await anyio.sleep(1)
        try:
            raise KeyError("inner")
        except KeyError:
            if self.kind == "hangs":
                await anyio.sleep_forever()
            raise (RetrievalError("down") if self.kind == "fails" else OSError("broken")) from ValueError("cause")


def frames_of_attempts(error: BaseException) -> list[str]:
    """Return the functions below a refresh in the tracebacks of an error, its causes and contexts."""
    found: list[str] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        if (one := waiting.pop()) is not None:
            found += [frame.name for frame in traceback.extract_tb(one.__traceback__)]
            waiting += [one.__cause__, one.__context__]
    return [name for name in found if name in {"_load", "_fetch", "fetch_observed", "_attempt", "_outcome_of_attempt"}]


@pytest.mark.parametrize("kind", ["fails", "raises", "hangs"])
async def test_no_error_has_frames_of_the_attempt(kind: str) -> None:
    """Waiters, a caller during the backoff, the observer and the state have errors without frames of the attempt."""
    clock = VirtualClock()
    events: list[Event] = []
    provider = anycreds.cached(FailingProvider(clock, kind), clock=clock, observer=events.append)
    errors: list[CredentialsError] = []

    async def call() -> None:
        with pytest.raises(RetrievalError) as caught:
            await provider()
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
    await call()
    failure = provider._state.snapshot.failure
    assert failure is not None
    assert len({id(error) for error in (*errors, failure.error)}) == 5
    errors += [failure.error, *(event.error for event in events if isinstance(event, AttemptFailed))]
    for error in errors:
        assert frames_of_attempts(error) == []
        assert error.__context__ is None
    assert failure.error.__traceback__ is None


async def test_cause_of_a_functions_error_keeps_the_frames_of_the_user() -> None:
    """The cause of a waiter's error shows where the user's function raised it, and no frame of this library."""

    async def source() -> Credentials:
        raise KeyError("broken")

    with pytest.raises(RetrievalError) as caught:
        await anycreds.cached(source)()
    cause = caught.value.__cause__
    assert isinstance(cause, KeyError)
    assert [frame.name for frame in traceback.extract_tb(cause.__traceback__)] == ["source"]
