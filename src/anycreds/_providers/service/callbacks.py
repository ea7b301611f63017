"""Calls of other providers, and of the user's functions, from within a provider.

Only a direct member of a chain can be "not configured". For a source or a user function this is a mistake in the
configuration, so the error becomes ``InvalidConfigurationError``, and names the step.
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


async def fetch_source(source: Provider, io: Io, context: ClientContext, description: str, name: str) -> Credentials:
    """Return the credentials of another provider, in the same attempt, for the provider ``name``.

    ``description`` is what the source is for, in an error.
    """
    try:
        return await source._fetch(io, context)
    except NotConfiguredError as error:
        raise missing_source_error(error, description, name) from error


async def call_user_function(
    io: Io, function: Callable[..., Any], arguments: tuple[Any, ...], description: str | None, name: str
) -> Any:
    """Return what an async function of the user returns, for the provider ``name``.

    Errors name the function by its ``description``, that of a timeout of the attempt too. It is None if the function is
    the provider itself: then ``NotConfiguredError`` is raised unchanged.
    """
    io.waiting_for = description or name
    subject = "" if description is None else f"{description} "
    try:
        awaitable: object = function(*arguments)
        result = await awaitable if isinstance(awaitable, Awaitable) else None
    except Exception as error:
        io.waiting_for = name
        if isinstance(error, NotConfiguredError) and description is not None:
            raise missing_source_error(error, description, name) from error
        if isinstance(error, CredentialsError):
            raise
        # Only the class: the text of a user's exception may contain a secret.
        failure = RetrievalError(
            f"{subject}raised {type(error).__name__}", source=name, hint="see the cause of this error"
        )
        raise failure._keep_cause(error) from error
    io.waiting_for = name
    if isinstance(awaitable, Awaitable):
        return result
    raise InvalidConfigurationError(
        f"{subject}returned {type(awaitable).__name__} instead of an awaitable; expected an async function",
        source=name,
        hint="define it with async def",
    )


async def credentials_from_callback(
    io: Io, function: Callable[..., Any], arguments: tuple[Any, ...], description: str | None, name: str
) -> Credentials:
    """Return the credentials that an async function of the user returns. See ``call_user_function``."""
    credentials = await call_user_function(io, function, arguments, description, name)
    if not isinstance(credentials, Credentials):
        subject = "" if description is None else f"{description} "
        raise MalformedResponseError(
            f"{subject}returned {type(credentials).__name__}; expected Credentials",
            source=name,
            hint="return anycreds.Credentials, or raise an error",
        )
    return credentials if credentials.source is not None else credentials.replace(source=name)


def missing_source_error(missing: NotConfiguredError, description: str, name: str) -> InvalidConfigurationError:
    """Return the error for a step that has nothing configured, although another step depends on it."""
    error = InvalidConfigurationError(f"{description} has no credentials: {missing}", source=name)
    return error._keep_cause(missing.with_traceback(None))
