"""Functions of users: their sets are taken, and whatever else they do becomes a CredentialsError."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    InvalidConfigurationError,
    MalformedResponseError,
    NotConfiguredError,
    RetrievalError,
)
from anycreds._core.provider import ClientContext
from anycreds._providers.function import FunctionProvider
from support.fake_io import KEY_ID, SECRET_KEY, FakeIo, FakeRuntime, failure, fetch, run

SET = Credentials(KEY_ID, SECRET_KEY)


def provider(function: Any) -> FunctionProvider:
    """Make a provider of anything."""
    return FunctionProvider(FakeRuntime(), function)


async def give() -> Credentials:
    """Give a set, as a user's function does."""
    return SET


class Giver:
    """An object that can be called like an async function."""

    async def __call__(self) -> Credentials:
        return SET

    async def method(self) -> Credentials:
        """Give a set."""
        return SET


def test_gives_what_the_function_gives() -> None:
    """The set of the function is handed out and says where it is from."""
    assert fetch(provider(give), FakeIo()) == SET.replace(source="function give")


def test_keeps_a_source_that_is_named() -> None:
    """A set that says where it is from is handed out untouched."""
    named = SET.replace(source="my vault")

    async def function() -> Credentials:
        return named

    assert fetch(provider(function), FakeIo()) is named


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (give, "function give"),
        (Giver(), "function Giver"),
        (Giver().method, "function Giver.method"),
        (functools.partial(give), "function give"),
        (functools.partial(Giver()), "function partial"),
    ],
)
def test_has_the_name_of_the_function(function: Any, name: str) -> None:
    """The provider is named after what it calls, whatever kind of callable that is."""
    assert provider(function).name == name
    assert fetch(provider(function), FakeIo()) == SET.replace(source=name)


def plain() -> Credentials:
    """Give a set without being async."""
    return SET


async def stream() -> AsyncIterator[Credentials]:
    """Give a set as an async generator does."""
    yield SET


@pytest.mark.parametrize(("function", "kind"), [(plain, "Credentials"), (stream, "async_generator"), (dict, "dict")])
def test_must_be_async(function: Any, kind: str) -> None:
    """A function whose result cannot be awaited is a mistake in the program, and the error says which."""
    error = failure(provider(function), FakeIo())
    assert type(error) is InvalidConfigurationError
    assert f"returned {kind}" in str(error)
    assert "async" in str(error)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "NoneType"), ({"SecretAccessKey": SECRET_KEY}, "dict"), (SECRET_KEY, "str"), (give, "function")],
)
def test_must_give_credentials(value: object, kind: str) -> None:
    """Anything but credentials is malformed; its type is named and its value is not."""

    async def function() -> object:
        return value

    error = failure(provider(function), FakeIo())
    assert type(error) is MalformedResponseError
    assert f"returned {kind}, not Credentials" in str(error)


@pytest.mark.parametrize(
    "theirs",
    [
        ValueError("x"),
        KeyError("x"),
        OSError(2, "x"),
        TimeoutError(),
        StopIteration(),
        StopAsyncIteration(),
        ExceptionGroup("x", [ValueError("y")]),
        RecursionError(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("late", [False, True])
def test_any_exception_is_the_cause(theirs: Exception, late: bool) -> None:
    """An exception of the function, at once or when awaited, is the cause of a RetrievalError naming its class."""

    def at_once() -> NoReturn:
        raise theirs

    async def when_awaited() -> NoReturn:
        raise theirs

    error = failure(provider(when_awaited if late else at_once), FakeIo())
    assert type(error) is RetrievalError
    cause = error.__cause__
    if isinstance(theirs, StopIteration) and late:
        assert cause is not None
        cause = cause.__cause__  # Python itself wraps this one when it leaves a coroutine
    else:
        assert type(theirs).__name__ in str(error)
    assert cause is theirs


def test_their_words_are_not_repeated() -> None:
    """The message of a stranger's exception is not ours: it may hold a secret."""

    async def function() -> Credentials:
        raise ValueError(f"cannot use {hidden}")

    hidden = "a password"
    with pytest.raises(RetrievalError) as caught:
        run(provider(function)._fetch(FakeIo(), ClientContext()))
    assert hidden not in str(caught.value)


@pytest.mark.parametrize("theirs", [NotConfiguredError("nothing"), InvalidConfigurationError("x"), RetrievalError("x")])
def test_our_errors_pass(theirs: Exception) -> None:
    """A function may say itself what went wrong in our words."""

    async def function() -> Credentials:
        raise theirs

    assert failure(provider(function), FakeIo()) is theirs


@pytest.mark.parametrize("theirs", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=repr)
def test_exits_pass(theirs: BaseException) -> None:
    """What ends a program or a task is not caught."""

    async def function() -> Credentials:
        raise theirs

    with pytest.raises(type(theirs)):
        run(provider(function)._fetch(FakeIo(), ClientContext()))


def test_an_expired_set_is_refused() -> None:
    """A set that has ended is not handed out."""

    async def function() -> Credentials:
        return SET.replace(expiration=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert "expired at 2024-01-02T03:04:05+00:00" in str(failure(provider(function), FakeIo()))
