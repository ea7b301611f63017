"""What a provider asks on its way: sources and functions that fail in every manner, and nothing that they held kept."""

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

WHO, STEP = "AssumeRole", "profile 'base'"
SET = Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN)
WORDS = "what may be a secret"
CALLER = ClientContext("eu-west-1", "dev")
KINDS: list[type[CredentialsError]] = [
    RetrievalError,
    ProviderTimeoutError,
    MalformedResponseError,
    LoginRequiredError,
    InvalidConfigurationError,
    ProfileLoopError,
]
NOTHING: list[type[NotConfiguredError]] = [NotConfiguredError, MetadataUnreachableError, NoCredentialsError]


class Source(Provider):
    """A provider that gives what it was made with."""

    __slots__ = ("answer", "seen")

    def __init__(self, answer: Credentials | CredentialsError) -> None:
        super().__init__("source", FakeRuntime())
        self.answer = answer
        self.seen: list[tuple[Io, ClientContext]] = []

    async def _load(self, io: Io, caller: ClientContext) -> Credentials | CredentialsError:
        self.seen.append((io, caller))
        return self.answer


class StrangeError(Exception):
    """What a program's own code raises."""


# --- a source


def test_a_source_is_asked_in_the_same_attempt() -> None:
    """The source gets the same world and caller, and its set is passed on as it is."""
    source, io = Source(SET), FakeIo()
    assert run(fetch_source(source, io, CALLER, STEP, WHO)) is SET
    assert source.seen == [(io, CALLER)]


@pytest.mark.parametrize("kind", NOTHING)
def test_a_source_without_anything(kind: type[NotConfiguredError]) -> None:
    """Something stands on it, so that is a mistake in the configuration: no chain goes on. The error names the step."""
    missing = kind("nothing there", source="source")
    with pytest.raises(InvalidConfigurationError) as caught:
        run(fetch_source(Source(missing), FakeIo(), CALLER, STEP, WHO))
    error = caught.value
    assert type(error) is InvalidConfigurationError
    assert str(error) == f"{WHO}: {STEP} has no credentials: source: nothing there"
    assert error.__cause__ is missing
    assert not isinstance(error, NotConfiguredError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_fails(kind: type[CredentialsError]) -> None:
    """Every other error of a source stays what it is."""
    failure = kind("broken", source="source")
    with pytest.raises(kind) as caught:
        run(fetch_source(Source(failure), FakeIo(), CALLER, STEP, WHO))
    assert caught.value is failure
    assert str(failure) == "source: broken"


def test_not_a_link() -> None:
    """The error for a step without anything can be had as a value."""
    missing = NotConfiguredError("x", source="y")
    error = missing_source_error(missing, STEP, WHO)
    assert (type(error), error.source, error.__cause__) == (InvalidConfigurationError, WHO, missing)


# --- a function of the program


def asked(function: Callable[..., Any], *arguments: Any) -> Any:
    """Ask a function."""
    return run(call_user_function(FakeIo(), function, arguments, "role_assumer", WHO))


def error_of(function: Callable[..., Any], *arguments: Any) -> CredentialsError:
    """Return the error of asking a function, raised where a provider does that, in a frame without secrets."""
    with pytest.raises(CredentialsError) as caught:
        run(Calling(function, arguments)._fetch(FakeIo(), CALLER))
    assert_no_secret(caught.value)
    assert_frames_are_clean(caught.value)
    return caught.value


def assert_frames_are_clean(error: BaseException) -> None:
    """Look for our frames in this error and its causes that hold more than an error."""
    one: BaseException | None = error
    while one is not None:
        for frame, _ in traceback.walk_tb(one.__traceback__):
            assert not is_library_file(frame.f_code.co_filename)
        one = one.__cause__ or one.__context__


async def raising(error: BaseException) -> Any:
    """Fail."""
    raise error


class Calling(Provider):
    """A provider that calls a function."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(WHO, FakeRuntime())
        self.function = function
        self.arguments = arguments

    async def _load(self, io: Io, caller: ClientContext) -> Credentials:
        await call_user_function(io, self.function, self.arguments, "role_assumer", WHO)
        return SET


class Waiting:
    """Something to await that is no coroutine."""

    def __await__(self) -> Any:
        return iter(())


@pytest.mark.parametrize("answer", ["text", None, SET, 0, b"bytes"])
def test_an_answer_is_passed_on(answer: object) -> None:
    """What the function returns is returned, whatever it is, and it gets its arguments in order."""

    async def function(*arguments: object) -> object:
        assert arguments == (SET, "params")
        return answer

    assert asked(function, SET, "params") is answer


def test_whatever_can_be_awaited() -> None:
    """An object with an async __call__, a partial of an async function, and other awaitables do, too."""

    class Assumer:
        async def __call__(self) -> str:
            return "yes"

    async def function() -> str:
        return "yes"

    assert asked(Assumer()) == asked(partial(function)) == "yes"
    assert asked(Waiting) is None


@pytest.mark.parametrize("answer", ["text", None, SET, {"SecretAccessKey": SECRET_KEY}, SECRET_KEY])
def test_a_function_that_is_not_async(answer: object) -> None:
    """A plain function is a mistake of the program: the error names what it returned by its type only."""
    error = error_of(lambda: answer)
    assert type(error) is InvalidConfigurationError
    assert f"role_assumer returned {type(answer).__name__} instead of an awaitable" in str(error)
    assert "async def" in str(error)
    assert error.source == WHO


def test_an_async_generator_is_not_async() -> None:
    """A function with a yield in it cannot be awaited."""

    async def function() -> AsyncIterator[Credentials]:
        yield SET

    assert "returned async_generator" in str(error_of(function))


@pytest.mark.parametrize(
    "failure",
    [StrangeError(WORDS), KeyError("x"), ValueError(), TimeoutError(), OSError(2, "x"), RecursionError(),
     StopIteration(), StopAsyncIteration(), AssertionError("x"), ExceptionGroup("x", [StrangeError()])],
    ids=lambda failure: type(failure).__name__,
)  # fmt: skip
@pytest.mark.parametrize("is_async", [True, False])
def test_a_function_that_raises(failure: Exception, is_async: bool) -> None:
    """What a function raises is the cause of one error, which has its class only; ours have no frame in either."""

    def plain(*arguments: object) -> Any:
        raise failure

    async def function(*arguments: object) -> Any:
        raise failure

    error = error_of(function if is_async else plain, SET, {"WebIdentityToken": SECRET_KEY})
    assert type(error) is RetrievalError
    assert (error.source, error.status, error.code) == (WHO, None, None)
    if isinstance(failure, StopIteration) and is_async:  # a coroutine cannot raise it
        assert error.message == "role_assumer raised RuntimeError"
    else:
        assert error.message == f"role_assumer raised {type(failure).__name__}"
        assert error.__cause__ is failure
    assert WORDS not in f"{error}{error!r}"
    assert_frames_are_clean(error)


def test_a_function_with_other_parameters() -> None:
    """A function that does not take what it gets fails like any other."""

    async def function() -> Credentials:
        return SET

    error = error_of(function, SET, {"WebIdentityToken": SECRET_KEY})
    assert str(error).startswith(f"{WHO}: role_assumer raised TypeError")


@pytest.mark.parametrize("kind", NOTHING)
def test_a_function_without_anything(kind: type[NotConfiguredError]) -> None:
    """What a hook does not have, nobody has: that is a mistake in the configuration, and the error names the hook."""
    missing = kind("no vault", source="vault")
    error = error_of(raising, missing)
    assert type(error) is InvalidConfigurationError
    assert str(error) == f"{WHO}: role_assumer has no credentials: vault: no vault"
    assert error.__cause__ is missing


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_ours_are_passed_on(kind: type[CredentialsError]) -> None:
    """A hook that raises an error of this library says itself what went wrong."""
    failure = kind("broken", source="vault", hint="mend it")
    assert error_of(raising, failure) is failure
    assert str(failure) == "vault: broken (mend it)"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exits_leave(ending: type[BaseException]) -> None:
    """An exit is no answer: it leaves as it is."""
    with pytest.raises(ending):
        asked(raising, ending())


def test_cancellation_leaves() -> None:
    """A function that is cancelled while it waits is not said to have failed."""

    class Cancelled(BaseException):
        """As event loops have it."""

    class Pause:
        def __await__(self) -> Any:
            yield

    async def function() -> None:
        await Pause()

    waiting = call_user_function(FakeIo(), function, (), "role_assumer", WHO)
    waiting.send(None)
    with pytest.raises(Cancelled):
        waiting.throw(Cancelled())


# --- a hook


def hook(answer: Any) -> Credentials | CredentialsError:
    """Let a hook give this."""

    async def function(source: Credentials, params: object) -> Any:
        assert (source, params) == (SET, {"RoleArn": "arn"})
        if isinstance(answer, BaseException):
            raise answer
        return answer

    try:
        return run(credentials_from_callback(FakeIo(), function, (SET, {"RoleArn": "arn"}), "role_assumer", WHO))
    except CredentialsError as error:
        strip_frames(error)  # as ``Provider._fetch`` does
        return error


def test_credentials_from_a_hook() -> None:
    """A set that does not say where it is from is from the provider; one that does keeps that."""
    assert hook(SET) == SET.replace(source=WHO)
    named = SET.replace(source="vault")
    assert hook(named) is named


@pytest.mark.parametrize(
    "answer",
    [None, "text", {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET_KEY}, (KEY_ID, SECRET_KEY), Credentials, object()],
)
def test_a_hook_that_returns_something_else(answer: object) -> None:
    """What is not Credentials is malformed, and the error names its type and nothing of it."""
    error = hook(answer)
    assert type(error) is MalformedResponseError
    assert str(error).startswith(f"{WHO}: role_assumer returned {type(answer).__name__}; expected Credentials")
    assert_no_secret(error)


def test_a_hook_that_fails() -> None:
    """A hook's own error, one of ours, and nothing at all end as they do for every function."""
    assert type(hook(StrangeError(WORDS))) is RetrievalError
    failure = LoginRequiredError("sign in", command="vault login")
    assert hook(failure) is failure
    assert type(hook(NotConfiguredError("x"))) is InvalidConfigurationError


class Hooked(Provider):
    """A provider as those with a hook are."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        super().__init__(WHO, FakeRuntime())
        self.function = function

    async def _load(self, io: Io, caller: ClientContext) -> Credentials | CredentialsError:
        params = {"WebIdentityToken": SECRET_KEY}
        return await credentials_from_callback(io, self.function, (SET, params), "role_assumer", WHO)


@pytest.mark.parametrize("failure", [StrangeError(), NotConfiguredError("x"), RetrievalError("x"), TypeError()])
def test_no_frame_of_ours_holds_a_secret(failure: Exception) -> None:
    """Raised by a provider, an error has no frame of ours that knows what the hook was asked with."""

    def function(source: object, params: object) -> Any:
        del source, params
        raise failure

    provider = Hooked(function)
    with pytest.raises(CredentialsError) as caught:
        run(provider._fetch(FakeIo(), CALLER))
    assert_no_secret(caught.value)
