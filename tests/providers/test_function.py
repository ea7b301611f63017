"""Async functions of users as providers: their credentials are returned, and other results are errors."""

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
from support.rows import each_row

CREDENTIALS = Credentials(KEY_ID, SECRET_KEY)


def provider(function: Any) -> FunctionProvider:
    """Return a provider for a function."""
    return FunctionProvider(FakeRuntime(), function)


async def function_of_user() -> Credentials:
    """Return credentials."""
    return CREDENTIALS


class CallableObject:
    """An object that can be called like an async function."""

    async def __call__(self) -> Credentials:
        return CREDENTIALS

    async def method(self) -> Credentials:
        """Return credentials."""
        return CREDENTIALS


def test_returns_the_credentials_of_the_function() -> None:
    """The credentials of the function are returned, with the function as their source."""
    expected = CREDENTIALS.replace(source="function function_of_user")
    assert fetch(provider(function_of_user), FakeIo()) == expected


async def for_client(context: ClientContext) -> Credentials:
    """Return credentials that name the client."""
    return Credentials(f"AKID-{context.profile}-{context.region}", SECRET_KEY)


class ObjectForClient:
    """An object that can be called with a context, like an async function."""

    async def __call__(self, context: ClientContext, /, *, option: int = 0) -> Credentials:
        return await for_client(context)


@pytest.mark.parametrize("function", [for_client, ObjectForClient(), functools.partial(for_client)], ids=type)
def test_function_with_one_parameter_gets_the_context(function: Any) -> None:
    """A function that needs one positional argument gets the context, on which its credentials then depend."""
    assert provider(function)._context_fields == {"region", "profile"}
    context = ClientContext(region="eu-west-1", profile="dev")
    assert run(provider(function)._fetch(FakeIo(), context)).access_key_id == "AKID-dev-eu-west-1"


async def with_default(option: object = None) -> Credentials:
    """Return credentials if the parameter has its default value."""
    assert option is None
    return CREDENTIALS


async def with_any(*arguments: object, **options: object) -> Credentials:
    """Return credentials if there are no arguments."""
    assert (arguments, options) == ((), {})
    return CREDENTIALS


@pytest.mark.parametrize(
    "function", [with_default, with_any, functools.partial(with_default, None)], ids=["default", "any", "partial"]
)
def test_optional_parameters_keep_their_values(function: Any) -> None:
    """A function that needs no argument is called without any, and its credentials depend on no client."""
    assert provider(function)._context_fields == frozenset()
    assert run(provider(function)._fetch(FakeIo(), ClientContext("eu-west-1"))).access_key_id == KEY_ID


def test_keeps_the_source_of_the_credentials() -> None:
    """Credentials with a source are returned unchanged."""
    with_source = CREDENTIALS.replace(source="my vault")

    async def function() -> Credentials:
        return with_source

    assert fetch(provider(function), FakeIo()) is with_source


@each_row(
    "function, name",
    [
        (function_of_user, "function function_of_user"),
        (CallableObject(), "function CallableObject"),
        (CallableObject().method, "function CallableObject.method"),
        (functools.partial(function_of_user), "function function_of_user"),
        (functools.partial(CallableObject()), "function partial"),
    ],
)
def test_name_of_the_provider(function: Any, name: str) -> None:
    """The provider has the name of the callable."""
    assert provider(function).name == name
    assert fetch(provider(function), FakeIo()) == CREDENTIALS.replace(source=name)


def plain() -> Credentials:
    """Return credentials without being async."""
    return CREDENTIALS


async def stream() -> AsyncIterator[Credentials]:
    """Yield credentials from an async generator."""
    yield CREDENTIALS


@pytest.mark.fault("C19")
@each_row("function, kind", [(plain, "Credentials"), (stream, "async_generator"), (dict, "dict")])
def test_function_that_is_not_async(function: Any, kind: str) -> None:
    """A result that cannot be awaited is an invalid configuration, and the error contains its type."""
    error = failure(provider(function), FakeIo())
    assert type(error) is InvalidConfigurationError
    assert f"returned {kind} instead of an awaitable; expected an async function" in str(error)


@pytest.mark.fault("C19")
@each_row(
    "value, kind",
    [(None, "NoneType"), ({"SecretAccessKey": SECRET_KEY}, "dict"), (SECRET_KEY, "str"), (plain, "function")],
    ids=["None", "dict", "text", "function"],
)
def test_result_that_is_not_credentials(value: object, kind: str) -> None:
    """Another result than credentials is malformed; the error contains its type and not its value."""

    async def function() -> object:
        return value

    error = failure(provider(function), FakeIo())
    assert type(error) is MalformedResponseError
    assert f"returned {kind}; expected Credentials" in str(error)


@each_row(
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
)
@each_row("late", [False, True])
def test_exception_of_the_function(theirs: Exception, late: bool) -> None:
    """An exception of the function is the cause of a ``RetrievalError``, which contains the name of its class."""

    def when_called() -> NoReturn:
        raise theirs

    async def when_awaited() -> NoReturn:
        raise theirs

    error = failure(provider(when_awaited if late else when_called), FakeIo())
    assert type(error) is RetrievalError
    cause = error.__cause__
    if isinstance(theirs, StopIteration) and late:
        assert cause is not None
        cause = cause.__cause__  # Python itself wraps this one when it leaves a coroutine
    else:
        assert type(theirs).__name__ in str(error)
    assert cause is theirs


def test_message_of_a_foreign_exception() -> None:
    """The message of the function's exception is not repeated, since it may contain a secret."""

    async def function() -> Credentials:
        raise ValueError(f"cannot use {hidden}")

    hidden = "a password"
    with pytest.raises(RetrievalError) as caught:
        run(provider(function)._fetch(FakeIo(), ClientContext()))
    assert hidden not in str(caught.value)


@pytest.mark.parametrize("theirs", [NotConfiguredError("nothing"), InvalidConfigurationError("x"), RetrievalError("x")])
def test_credentials_error_of_the_function(theirs: Exception) -> None:
    """A ``CredentialsError`` of the function is raised unchanged, so that it may continue a chain."""

    async def function() -> Credentials:
        raise theirs

    assert failure(provider(function), FakeIo()) is theirs


@pytest.mark.parametrize("theirs", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=repr)
def test_exits_are_not_caught(theirs: BaseException) -> None:
    """An exception that ends a program or a task is not caught."""

    async def function() -> Credentials:
        raise theirs

    with pytest.raises(type(theirs)):
        run(provider(function)._fetch(FakeIo(), ClientContext()))


def test_expired_credentials() -> None:
    """Expired credentials are an error."""

    async def function() -> Credentials:
        return CREDENTIALS.replace(expiration=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert "expired at 2024-01-02T03:04:05+00:00" in str(failure(provider(function), FakeIo()))
