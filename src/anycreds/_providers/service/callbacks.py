"""What a provider asks of others on its way: another provider, or a function of the program.

Only a direct member of a chain can say "not configured". From a source or a hook that is a mistake in the
configuration, and the error names the step. Nothing that goes in or comes out is kept by an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..._core.credentials import Credentials
from ..._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    MalformedResponseError,
    NotConfiguredError,
    RetrievalError,
)
from ..._core.io import Io
from ..._core.provider import ClientContext, Provider


async def fetch_source(source: Provider, io: Io, context: ClientContext, step: str, name: str) -> Credentials:
    """Return the credentials that a step stands on. ``step`` says what for; ``name`` is the provider that asks.

    Raises what the source raises, and ``InvalidConfigurationError`` where that is ``NotConfiguredError``.
    """
    try:
        return await source._fetch(io, context)
    except NotConfiguredError as error:
        missing = error.with_traceback(None)
    raise missing_source_error(missing, step, name)


async def call_user_function(function: Callable[..., Any], arguments: tuple[Any, ...], told: str, name: str) -> Any:
    """Call an async function of the program. Return its answer, or the error to raise.

    ``told`` names the function, for people; ``name`` is the provider that asks. Only exits and cancellations leave.
    """
    try:
        waiting: object = function(*arguments)
        if not isinstance(waiting, Awaitable):
            return _not_async(told, name, waiting)
        return await waiting
    except NotConfiguredError as error:
        return missing_source_error(error.with_traceback(None), told, name)
    except CredentialsError as error:
        return error.with_traceback(None)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises has one meaning here
        return _failed(told, name, error)


async def credentials_from_callback(
    function: Callable[..., Any], arguments: tuple[Any, ...], told: str, name: str
) -> Credentials | CredentialsError:
    """Call an async function of the program that has to return credentials."""
    answer = await call_user_function(function, arguments, told, name)
    if isinstance(answer, CredentialsError):
        return answer
    if not isinstance(answer, Credentials):
        return MalformedResponseError(
            f"{told} returned {type(answer).__name__}, not Credentials",
            source=name,
            hint="return anycreds.Credentials, or raise",
        )
    return answer if answer.source is not None else answer.replace(source=name)


def missing_source_error(missing: NotConfiguredError, step: str, name: str) -> InvalidConfigurationError:
    """Return the error for a step that has nothing configured, though something stands on it."""
    error = InvalidConfigurationError(f"{step} has no credentials: {missing}", source=name)
    return error._keep_cause(missing)


def _not_async(told: str, name: str, answer: object) -> InvalidConfigurationError:
    kind = type(answer).__name__
    return InvalidConfigurationError(
        f"{told} returned {kind} instead of something to await; it must be async",
        source=name,
        hint="write it with async def",
    )


def _failed(told: str, name: str, error: Exception) -> RetrievalError:
    """Return the error to raise. It names the class only: what stands in a stranger's message may be a secret."""
    failure = RetrievalError(
        f"{told} raised {type(error).__name__}", source=name, hint="its own error is the cause of this one"
    )
    return failure._keep_cause(error)
