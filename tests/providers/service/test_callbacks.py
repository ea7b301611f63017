"""Calls of sources and user functions from a provider: results, errors, and no secret in a frame."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    MetadataUnreachableError,
    NoCredentialsError,
    NotConfiguredError,
    ProfileLoopError,
    ProviderTimeoutError,
    RetrievalError,
    strip_frames,
)
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._providers.service.callbacks import (
    call_user_function,
    credentials_from_callback,
    fetch_source,
    missing_source_error,
)
from support.fake_io import (
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    FakeIo,
    FakeRuntime,
    assert_no_secret,
    is_library_file,
    run,
)
from support.rows import each_row

NAME, STEP = "AssumeRole", "profile 'base'"
KEYS = Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN)
TEXT = "a text that may be a secret"
CLIENT = ClientContext("eu-west-1", "dev")
KINDS: list[type[CredentialsError]] = [
    RetrievalError,
    ProviderTimeoutError,
    MalformedResponseError,
    LoginRequiredError,
    InvalidConfigurationError,
    ProfileLoopError,
]
NOT_CONFIGURED: list[type[NotConfiguredError]] = [NotConfiguredError, MetadataUnreachableError, NoCredentialsError]


class Source(Provider):
    """A provider that returns or raises what it was created with."""

    __slots__ = ("result", "seen")

    def __init__(self, result: Credentials | CredentialsError) -> None:
        super().__init__("source", FakeRuntime())
        self.result = result
        self.seen: list[tuple[Io, ClientContext]] = []

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.seen.append((io, context))
        if isinstance(self.result, CredentialsError):
            raise self.result
        return self.result


class UserError(Exception):
    """An exception of the user's code."""


# --- a source


def test_source_is_called_in_the_same_attempt() -> None:
    """The source gets the same ``Io`` and client, and its credentials are returned unchanged."""
    source, io = Source(KEYS), FakeIo()
    assert run(fetch_source(source, io, CLIENT, STEP, NAME)) is KEYS
    assert source.seen == [(io, CLIENT)]


@each_row("kind", NOT_CONFIGURED)
def test_source_without_credentials(kind: type[NotConfiguredError]) -> None:
    """A source with nothing configured is a configuration error that names the step, so no chain continues."""
    missing = kind("nothing there", source="source")
    with pytest.raises(InvalidConfigurationError) as caught:
        run(fetch_source(Source(missing), FakeIo(), CLIENT, STEP, NAME))
    error = caught.value
    assert type(error) is InvalidConfigurationError
    assert str(error) == f"{NAME}: {STEP} has no credentials: source: nothing there"
    assert error.__cause__ is missing
    assert not isinstance(error, NotConfiguredError)


@each_row("kind", KINDS)
def test_source_that_fails(kind: type[CredentialsError]) -> None:
    """Every other error of a source is raised unchanged."""
    failure = kind("broken", source="source")
    with pytest.raises(kind) as caught:
        run(fetch_source(Source(failure), FakeIo(), CLIENT, STEP, NAME))
    assert caught.value is failure
    assert str(failure) == "source: broken"


def test_missing_source_error() -> None:
    """The error for a step without credentials has the provider's name and the original error as cause."""
    missing = NotConfiguredError("x", source="y")
    error = missing_source_error(missing, STEP, NAME)
    assert (type(error), error.source, error.__cause__) == (InvalidConfigurationError, NAME, missing)


# --- a user function


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a user function."""
    return run(call_user_function(FakeIo(), function, arguments, "role_assumer", NAME))


def error_of(function: Callable[..., Any], *arguments: Any) -> CredentialsError:
    """Return the error of a provider that calls the function, after a check for secrets."""
    with pytest.raises(CredentialsError) as caught:
        run(CallingProvider(function, arguments)._fetch(FakeIo(), CLIENT))
    assert_no_secret(caught.value)
    assert_no_library_frames(caught.value)
    return caught.value


def assert_no_library_frames(error: BaseException) -> None:
    """Fail if the error or one of its causes has a frame of the library."""
    one: BaseException | None = error
    while one is not None:
        for frame, _ in traceback.walk_tb(one.__traceback__):
            assert not is_library_file(frame.f_code.co_filename)
        one = one.__cause__ or one.__context__


async def raising(error: BaseException) -> Any:
    """Raise the error."""
    raise error


class CallingProvider(Provider):
    """A provider that calls a user function."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(NAME, FakeRuntime())
        self.function = function
        self.arguments = arguments

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        await call_user_function(io, self.function, self.arguments, "role_assumer", NAME)
        return KEYS


class CustomAwaitable:
    """An awaitable that is not a coroutine."""

    def __await__(self) -> Any:
        return iter(())


@pytest.mark.parametrize("result", ["text", None, KEYS, 0, b"bytes"])
def test_result_is_returned(result: object) -> None:
    """The result of the function is returned, and the function gets its arguments in order."""

    async def function(*arguments: object) -> object:
        assert arguments == (KEYS, "params")
        return result

    assert call(function, KEYS, "params") is result


def test_every_kind_of_awaitable_is_accepted() -> None:
    """Async ``__call__``, partials of async functions and custom awaitables are accepted."""

    class Assumer:
        async def __call__(self) -> str:
            return "yes"

    async def function() -> str:
        return "yes"

    assert call(Assumer()) == call(partial(function)) == "yes"
    assert call(CustomAwaitable) is None


@each_row("result", ["text", None, KEYS, {"SecretAccessKey": SECRET_KEY}, SECRET_KEY])
def test_function_that_is_not_async(result: object) -> None:
    """A plain function is a configuration error that names the type of its result only."""
    error = error_of(lambda: result)
    assert type(error) is InvalidConfigurationError
    assert f"role_assumer returned {type(result).__name__} instead of an awaitable" in str(error)
    assert "async def" in str(error)
    assert error.source == NAME


def test_async_generator_function() -> None:
    """An async generator function cannot be awaited."""

    async def function() -> AsyncIterator[Credentials]:
        yield KEYS

    assert "returned async_generator" in str(error_of(function))


@each_row(
    "failure",
    [UserError(TEXT), KeyError("x"), ValueError(), TimeoutError(), OSError(2, "x"), RecursionError(),
     StopIteration(), StopAsyncIteration(), AssertionError("x"), ExceptionGroup("x", [UserError()])],
)  # fmt: skip
@each_row("is_async", [True, False])
def test_function_that_raises(failure: Exception, is_async: bool) -> None:
    """An exception becomes the cause of a ``RetrievalError`` that names its class only, without library frames."""

    def plain(*arguments: object) -> Any:
        raise failure

    async def function(*arguments: object) -> Any:
        raise failure

    error = error_of(function if is_async else plain, KEYS, {"WebIdentityToken": SECRET_KEY})
    assert type(error) is RetrievalError
    assert (error.source, error.status, error.code) == (NAME, None, None)
    if isinstance(failure, StopIteration) and is_async:  # a coroutine cannot raise it
        assert error.message == "role_assumer raised RuntimeError"
    else:
        assert error.message == f"role_assumer raised {type(failure).__name__}"
        assert error.__cause__ is failure
    assert TEXT not in f"{error}{error!r}"
    assert_no_library_frames(error)


def test_function_with_other_parameters() -> None:
    """A function with the wrong parameters fails with a ``TypeError`` as cause."""

    async def function() -> Credentials:
        return KEYS

    error = error_of(function, KEYS, {"WebIdentityToken": SECRET_KEY})
    assert str(error).startswith(f"{NAME}: role_assumer raised TypeError")


@pytest.mark.parametrize("kind", NOT_CONFIGURED)
def test_function_without_credentials(kind: type[NotConfiguredError]) -> None:
    """``NotConfiguredError`` of a user function becomes a configuration error that names the function."""
    missing = kind("no vault", source="vault")
    error = error_of(raising, missing)
    assert type(error) is InvalidConfigurationError
    assert str(error) == f"{NAME}: role_assumer has no credentials: vault: no vault"
    assert error.__cause__ is missing


@each_row("kind", KINDS)
def test_credentials_errors_are_raised_unchanged(kind: type[CredentialsError]) -> None:
    """A ``CredentialsError`` of a user function is raised unchanged."""
    failure = kind("broken", source="vault", hint="fix it")
    assert error_of(raising, failure) is failure
    assert str(failure) == "vault: broken (fix it)"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_process_exits_are_raised_unchanged(ending: type[BaseException]) -> None:
    """``KeyboardInterrupt``, ``SystemExit`` and ``GeneratorExit`` are raised unchanged."""
    with pytest.raises(ending):
        call(raising, ending())


def test_cancellation_is_raised_unchanged() -> None:
    """The cancellation of a waiting function is raised unchanged, and the attempt still names the function."""

    class Cancelled(BaseException):
        """As event loops have it."""

    class Pause:
        def __await__(self) -> Any:
            yield

    async def function() -> None:
        await Pause()

    io = FakeIo()
    coroutine = call_user_function(io, function, (), "role_assumer", NAME)
    coroutine.send(None)
    with pytest.raises(Cancelled):
        coroutine.throw(Cancelled())
    assert io.waiting_for == "role_assumer"


# --- a callback that returns credentials


def callback_result(result: Any) -> Credentials | CredentialsError:
    """Return the credentials of a callback, or its error."""

    async def function(source: Credentials, params: object) -> Any:
        assert (source, params) == (KEYS, {"RoleArn": "arn"})
        if isinstance(result, BaseException):
            raise result
        return result

    try:
        return run(credentials_from_callback(FakeIo(), function, (KEYS, {"RoleArn": "arn"}), "role_assumer", NAME))
    except CredentialsError as error:
        strip_frames(error)  # as ``Provider._fetch`` does
        return error


def test_credentials_from_a_callback() -> None:
    """Credentials without a source get the provider's name as source."""
    assert callback_result(KEYS) == KEYS.replace(source=NAME)
    named = KEYS.replace(source="vault")
    assert callback_result(named) is named


@each_row(
    "result",
    [None, "text", {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET_KEY}, (KEY_ID, SECRET_KEY), Credentials, object()],
)
def test_callback_that_returns_something_else(result: object) -> None:
    """Another result than ``Credentials`` is a ``MalformedResponseError`` that names its type only."""
    error = callback_result(result)
    assert type(error) is MalformedResponseError
    assert str(error).startswith(f"{NAME}: role_assumer returned {type(result).__name__}; expected Credentials")
    assert_no_secret(error)


def test_callback_that_fails() -> None:
    """A callback fails like every user function."""
    assert type(callback_result(UserError(TEXT))) is RetrievalError
    failure = LoginRequiredError("sign in", command="vault login")
    assert callback_result(failure) is failure
    assert type(callback_result(NotConfiguredError("x"))) is InvalidConfigurationError


class CallbackProvider(Provider):
    """A provider with a callback."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(NAME, FakeRuntime())
        self.function = function

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        params = {"WebIdentityToken": SECRET_KEY}
        return await credentials_from_callback(io, self.function, (KEYS, params), "role_assumer", NAME)


@pytest.mark.parametrize("failure", [UserError(), NotConfiguredError("x"), RetrievalError("x"), TypeError()])
def test_no_frame_of_the_library_holds_a_secret(failure: Exception) -> None:
    """An error that leaves a provider has no frame of the library with the arguments of the callback."""

    def function(source: object, params: object) -> Any:
        del source, params
        raise failure

    provider = CallbackProvider(function)
    with pytest.raises(CredentialsError) as caught:
        run(provider._fetch(FakeIo(), CLIENT))
    assert_no_secret(caught.value)
