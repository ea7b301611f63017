"""The boundary of a provider: what leaves it keeps no frame, context or cause that could hold a secret."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable

import pytest

from anycreds import Credentials, CredentialsError, ProviderTimeoutError, RetrievalError
from anycreds._core import provider as provider_module
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import CANARY
from support.fake_io import FakeIo, FakeRuntime, run

SECRET = f"{CANARY}-secret"


class Failing(Provider):
    """Raises what a function makes, from a frame with a secret in it."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], BaseException]) -> None:
        super().__init__("failing", FakeRuntime())
        self.make = make

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        body = SECRET
        try:
            raise KeyError(body)
        except KeyError:
            raise self.make() from ValueError(body)


class Outer(Provider):
    """Has a secret in its frame while it calls another provider."""

    __slots__ = ("inner",)

    def __init__(self, inner: Provider) -> None:
        super().__init__("outer", FakeRuntime())
        self.inner = inner

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        body = SECRET
        credentials = await self.inner._fetch(io, context)
        assert body
        return credentials


@pytest.mark.fault("S09")
@pytest.mark.parametrize(
    "make",
    [
        lambda: RetrievalError("it failed"),
        asyncio.CancelledError,
        KeyboardInterrupt,
        lambda: KeyError("a bug"),
        lambda: BaseExceptionGroup("several", [asyncio.CancelledError(), RetrievalError("it failed")]),
    ],
    ids=["error", "cancellation", "interrupt", "bug", "group"],
)
def test_what_leaves_a_provider_has_no_frame_with_a_secret(make: Callable[[], BaseException]) -> None:
    """Whatever is raised below, cancellations too, leaves without the frames, the context and the cause from there."""
    raised = make()
    with pytest.raises(type(raised)) as caught:
        run(Outer(Failing(lambda: raised))._fetch(FakeIo(), ClientContext()))
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert "_load" not in [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, BaseExceptionGroup):
        assert all(part.__traceback__ is None for part in error.exceptions)


def test_cause_from_user_code_stays() -> None:
    """The exception of a user's function stays the cause of the error, also through several providers."""
    cause = ValueError("the user's own")
    error = RetrievalError("the function raised ValueError")._keep_cause(cause)
    with pytest.raises(RetrievalError) as caught:
        run(Outer(Failing(lambda: error))._fetch(FakeIo(), ClientContext()))
    assert caught.value.__cause__ is cause
    assert caught.value._copy().__cause__ is cause


def test_error_names_the_innermost_provider() -> None:
    """An error without a source gets the name of the provider that raised it, and keeps it further out."""
    with pytest.raises(RetrievalError) as caught:
        run(Outer(Failing(lambda: RetrievalError("it failed")))._fetch(FakeIo(), ClientContext()))
    assert caught.value.source == "failing"


@pytest.mark.anyio
async def test_attempt_has_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that does not return is cancelled at the deadline of the attempt, and the error names it."""

    class Hanging(Provider):
        async def _load(self, io: Io, context: ClientContext) -> Credentials:
            await io.sleep(60)
            raise AssertionError

    monkeypatch.setattr(provider_module, "ATTEMPT_TIMEOUT", 0.01)
    runtime = SystemRuntime()
    outer = Outer(Hanging("hanging", runtime))
    outer._runtime = runtime
    with pytest.raises(ProviderTimeoutError, match=r"no response within 0\.01 s") as caught:
        await outer()
    assert caught.value.source == "hanging"


@pytest.mark.fault("U21")
def test_expired_credentials_are_an_error() -> None:
    """Credentials that have expired already never leave a provider."""
    io = FakeIo()

    class Expired(Provider):
        async def _load(self, io: Io, context: ClientContext) -> Credentials:
            from anycreds._core.durations import to_datetime

            return Credentials("AKID", SECRET, expiration=to_datetime(io.time() - 5))

    with pytest.raises(CredentialsError, match=r"expired at .*, 5 s ago"):
        run(Expired("expired", FakeRuntime())._fetch(io, ClientContext()))
