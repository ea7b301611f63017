"""Functions of the program that fail, hang, swallow cancellations or are no functions: one error, and no secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import CredentialsError, NotConfiguredError, RetrievalError
from anycreds._cache.refresh import Flight
from anycreds._core.provider import Provider
from robustness.environment import Stage, leaks, outcome

pytestmark = pytest.mark.anyio

Function = Callable[..., Any]
# Where a program's function is asked: the kind of provider, and the name of the function.
HOOKS = (
    ("role", "source"),
    ("role with device", "mfa_code_provider"),
    ("role with device", "role_assumer"),
    ("web token", "web_identity_token"),
    ("web token", "assumer"),
    ("cognito", "login"),
    ("cognito pool", "login"),
)


def raising(make: Callable[[], BaseException]) -> Function:
    """Return a function that raises what is made, with all that it was given in its frame."""

    async def fail(*given: Any) -> None:
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


@pytest.mark.parametrize("is_cached", [False, True], ids=["plain", "cached"])
async def test_functions_that_raise(stage: Stage, is_cached: bool) -> None:
    """Whatever a function raises becomes an error of the library's own, and shows nothing of what was asked with."""
    for told, make in ERRORS.items():
        for kind, name in HOOKS:
            provider = stage.provider(kind, **{name: raising(make)})
            found = await outcome(anycreds.cached(provider) if is_cached else provider, stage)
            assert isinstance(found, CredentialsError), (name, told)
    assert stage.aws.count() == 0


async def never(*given: Any) -> None:
    """Never return."""
    await anyio.sleep_forever()


async def defiant(*given: Any) -> None:
    """Make an error of the cancellation."""
    try:
        await anyio.sleep_forever()
    except BaseException:  # noqa: BLE001 - that is the attack
        raise ValueError("the program's") from None


async def crowd(*given: Any) -> None:
    """Leave a nursery with an error while it is cancelled."""

    async def fail() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("the program's")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        await anyio.sleep_forever()


@pytest.mark.parametrize("function", [never, defiant, crowd])
async def test_functions_that_never_return(stage: Stage, monkeypatch: pytest.MonkeyPatch, function: Function) -> None:
    """A function that does not return is left after its time, and what it makes of that shows nothing."""
    for place in (
        "_providers.sts.assume_role._HOOK_TIME",
        "_providers.sts.assume_role._ASKING_TIME",
        "_providers.sts.web_identity._HOOK_TIME",
        "_providers.sts.web_identity._TOKEN_TIME",
        "_providers.function._LONGEST",
        "_providers.cognito.identity_cache._LOGIN_TIME",
    ):
        monkeypatch.setattr(f"anycreds.{place}", 0.01)
    for kind, name in HOOKS:
        assert isinstance(await outcome(stage.provider(kind, **{name: function}), stage), RetrievalError), name


class _AwaitsNumber:
    def __await__(self) -> Any:
        return 5


def number(*given: Any) -> int:
    """Be no async function."""
    return 5


def odd(*given: Any) -> _AwaitsNumber:
    """Return what cannot be awaited, though it looks like it."""
    return _AwaitsNumber()


async def nothing(*given: Any) -> None:
    """Return nothing."""
    await anyio.lowlevel.checkpoint()


async def demanding(one: Any, two: Any, three: Any, four: Any) -> None:
    """Take other parameters than there are."""


@pytest.mark.parametrize("function", [number, odd, nothing, demanding, dict])
async def test_functions_that_are_none(stage: Stage, function: Function) -> None:
    """What is no async function, or returns something else, is an error that says so."""
    for kind, name in HOOKS:
        assert isinstance(await outcome(stage.provider(kind, **{name: function}), stage), CredentialsError), name


@pytest.mark.parametrize("is_cached", [False, True], ids=["plain", "cached"])
async def test_functions_that_await_who_asks(stage: Stage, is_cached: bool) -> None:
    """A function that awaits the very provider that asks it gets an error, not a deadlock."""
    for kind, name in HOOKS:
        asked: list[Provider] = []

        async def same(*given: Any, asked: list[Provider] = asked) -> Any:
            return await asked[0]()

        provider = stage.provider(kind, **{name: same})
        asked.append(anycreds.cached(provider) if is_cached else provider)
        with anyio.fail_after(1):
            found = await outcome(asked[0], stage)
        assert "itself" in str(found), name


@pytest.mark.parametrize("method", ["get", "set", "delete"])
async def test_caches_that_fail_are_done_without(stage: Stage, method: str) -> None:
    """A cache for identities that fails, or awaits who asks, keeps nobody from credentials."""
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

    provider = stage.provider("cognito pool", cache=Cache())
    functions.append(provider)
    while functions:
        assert (await provider()).identity_id is not None
        del functions[0]


@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt])
async def test_exits_reach_the_program(stage: Stage, leave: type[BaseException]) -> None:
    """A function that wants to leave the program does."""
    for kind, name in HOOKS:
        with pytest.raises(leave):
            await stage.provider(kind, **{name: raising(leave)})()


def test_search_for_leaks_finds_them() -> None:
    """What these tests search errors with finds a secret in a message, a field, a cause's frame and a context."""

    def raised(error: BaseException, **fields: object) -> BaseException:
        vars(error).update(fields)
        try:
            raise error
        except BaseException as caught:  # noqa: BLE001 - all of them are looked at
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
    flight = Flight.__new__(Flight)
    with pytest.raises(AttributeError) as caught:
        flight.settle("hidden")  # type: ignore[arg-type]  # anything that fails in a frame of ours
    assert leaks(caught.value, ["hidden"])
