"""User functions that fail, hang, swallow cancellations or are not async: one error, without a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import CredentialsError, NotConfiguredError, RetrievalError
from anycreds._cache.refresh import InFlightRefresh
from anycreds._core.provider import Provider
from robustness.environment import Environment, leaks, outcome
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop

pytestmark = pytest.mark.anyio

Function = Callable[..., Any]
# Where user functions are called: the kind of provider, and the name of the option.
CALLBACKS = (
    ("role", "source"),
    ("role with device", "mfa_code_provider"),
    ("role with device", "role_assumer"),
    ("web token", "web_identity_token"),
    ("web token", "assumer"),
    ("cognito", "login"),
    ("cognito pool", "login"),
)


def raising(make: Callable[[], BaseException]) -> Function:
    """Return a function that raises an error and has all its arguments in its frame."""

    async def fail(*arguments: Any) -> None:
        await anyio.lowlevel.checkpoint()
        raise make()

    return fail


ERRORS: dict[str, Callable[[], BaseException]] = {
    "error": lambda: ValueError("the program's"),
    "group": lambda: ExceptionGroup("the program's", [ValueError("one"), KeyError("other")]),
    "timeout": lambda: TimeoutError("the program's"),
    "StopIteration": lambda: StopIteration("the program's"),
    "StopAsyncIteration": lambda: StopAsyncIteration("the program's"),
    "recursion": lambda: RecursionError("the program's"),
    "memory": lambda: MemoryError("the program's"),
    "error of ours": lambda: RetrievalError("the program's"),
    "nothing configured": lambda: NotConfiguredError("the program's"),
}


@pytest.mark.fault("U33")
@each_loop
@pytest.mark.parametrize("is_cached", [False, True], ids=["plain", "cached"])
async def test_function_that_raises_is_an_error(environment: Environment, is_cached: bool) -> None:
    """An exception of a user function becomes a ``CredentialsError`` that shows none of its arguments."""
    for description, make in ERRORS.items():
        for kind, name in CALLBACKS:
            provider = environment.provider(kind, **{name: raising(make)})
            found = await outcome(anycreds.cached(provider) if is_cached else provider, environment)
            assert isinstance(found, CredentialsError), (name, description)
    assert environment.aws.count() == 0


async def never(*arguments: Any) -> None:
    """Never return."""
    await anyio.sleep_forever()


async def replacing_cancellation(*arguments: Any) -> None:
    """Turn the cancellation into an error."""
    try:
        await anyio.sleep_forever()
    except BaseException:  # noqa: BLE001 - the cancellation is to be swallowed
        raise ValueError("the program's") from None


async def failing_in_a_nursery(*arguments: Any) -> None:
    """Raise an error from a nursery that is being cancelled."""

    async def fail() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("the program's")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        await anyio.sleep_forever()


@pytest.mark.fault("U33")
@each_loop
@pytest.mark.parametrize("function", [never, replacing_cancellation, failing_in_a_nursery])
async def test_function_that_never_returns_times_out(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, function: Function
) -> None:
    """A user function that does not return is abandoned at its timeout; the error shows no secret."""
    for timeout in (
        "_providers.sts.assume_role._PROMPT_TIMEOUT",
        "_core.provider.ATTEMPT_TIMEOUT",
    ):
        monkeypatch.setattr(f"anycreds.{timeout}", 0.01)
    for kind, name in CALLBACKS:
        assert isinstance(await outcome(environment.provider(kind, **{name: function}), environment), RetrievalError), (
            name
        )


class _AwaitsNumber:
    def __await__(self) -> Any:
        return 5


def not_async(*arguments: Any) -> int:
    """Return a number instead of an awaitable."""
    return 5


def broken_awaitable(*arguments: Any) -> _AwaitsNumber:
    """Return an object whose ``__await__`` returns no iterator."""
    return _AwaitsNumber()


async def returning_none(*arguments: Any) -> None:
    """Return None."""
    await anyio.lowlevel.checkpoint()


async def wrong_signature(one: Any, two: Any, three: Any, four: Any) -> None:
    """Take more parameters than a callback gets."""


@pytest.mark.fault("C19")
@pytest.mark.parametrize("function", [not_async, broken_awaitable, returning_none, wrong_signature, dict])
async def test_unsuitable_function_is_an_error(environment: Environment, function: Function) -> None:
    """A function that is not async, or returns something else, is an error."""
    for kind, name in CALLBACKS:
        assert isinstance(
            await outcome(environment.provider(kind, **{name: function}), environment), CredentialsError
        ), name


@pytest.mark.fault("U33", "C04")
@each_loop
@pytest.mark.parametrize("is_cached", [False, True], ids=["plain", "cached"])
async def test_function_that_awaits_its_provider_is_an_error(environment: Environment, is_cached: bool) -> None:
    """A function that awaits the provider that calls it gets an error instead of a deadlock."""
    for kind, name in CALLBACKS:
        called: list[Provider] = []

        async def same(*arguments: Any, called: list[Provider] = called) -> Any:
            return await called[0]()

        provider = environment.provider(kind, **{name: same})
        called.append(anycreds.cached(provider) if is_cached else provider)
        with anyio.fail_after(1):
            found = await outcome(called[0], environment)
        assert "itself" in str(found), name


@pytest.mark.parametrize("method", ["get", "set", "delete"])
async def test_failing_identity_cache_is_ignored(environment: Environment, method: str) -> None:
    """An identity cache that raises, or awaits its provider, does not prevent the call from succeeding."""
    functions: list[Function] = [raising(lambda: ValueError("the program's")), raising(ERRORS["group"])]

    class Cache:
        async def get(self, key: str) -> None:
            await self._do("get")

        async def set(self, key: str, value: str) -> None:
            await self._do("set")

        async def delete(self, key: str) -> None:
            await self._do("delete")

        async def _do(self, what: str) -> None:
            if what == method:
                await functions[0]()

    provider = environment.provider("cognito pool", cache=Cache())
    functions.append(provider)
    while functions:
        assert (await provider()).identity_id is not None
        del functions[0]


@each_loop
@pytest.mark.parametrize("process_exit", [SystemExit, KeyboardInterrupt])
async def test_process_exits_propagate(environment: Environment, process_exit: type[BaseException]) -> None:
    """``SystemExit`` and ``KeyboardInterrupt`` of a user function reach the caller."""
    for kind, name in CALLBACKS:
        with pytest.raises(process_exit):
            await environment.provider(kind, **{name: raising(process_exit)})()


def test_leak_search_finds_secrets() -> None:
    """The leak search finds a secret in a message, a field, a cause's frame and a context."""

    def raised(error: BaseException, **fields: object) -> BaseException:
        vars(error).update(fields)
        try:
            raise error
        except BaseException as caught:  # noqa: BLE001 - every class is searched
            return caught

    cause = RetrievalError("x")
    vars(cause)["found"] = "hidden"
    for error in (raised(RetrievalError("hidden")), raised(RetrievalError("x"), note="hidden")):
        assert leaks(error, ["hidden"])
    for slot in ("__cause__", "__context__"):
        error = ValueError("hidden is the program's here")
        assert leaks(error, ["hidden"]) == []
        setattr(error, slot, cause)
        assert leaks(error, ["hidden"])
    refresh = InFlightRefresh.__new__(InFlightRefresh)
    with pytest.raises(AttributeError) as caught:
        refresh.finish("hidden")  # type: ignore[arg-type]  # any failure in a frame of ours will do
    assert leaks(caught.value, ["hidden"])


def test_leak_search_finds_mfa_codes() -> None:
    """The leak search finds the digits of an MFA code, but not in an address or in a longer number."""
    for text in ("TokenCode=730946&", "('730946',)"):
        assert leaks(RetrievalError(text), ["730946"])
    for text in ("<object at 0x7fc6730946a0>", "1730946", "2.730946"):
        assert leaks(RetrievalError(text), ["730946"]) == []
