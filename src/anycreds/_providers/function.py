"""Credentials from any async function without arguments; of errors, only a ``CredentialsError`` leaves here."""

from __future__ import annotations

from collections.abc import Awaitable

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, MalformedResponseError, RetrievalError
from .._core.io import Io, Runtime
from .._core.provider import ClientContext, CredentialProvider, Provider


class FunctionProvider(Provider):
    """A user's function in the place of a built-in provider. It gets no arguments."""

    __slots__ = ("_function",)

    def __init__(self, runtime: Runtime, function: CredentialProvider) -> None:
        super().__init__(f"function {_name(function)}", runtime)
        self._function = function

    async def _load(self, io: Io, context: ClientContext) -> Credentials | CredentialsError:
        try:
            waiting: object = self._function()
            if not isinstance(waiting, Awaitable):
                return _not_async(self.name, waiting)
            answer = await waiting
        except CredentialsError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises has one meaning here
            return _failed(self.name, error)
        if not isinstance(answer, Credentials):
            kind = type(answer).__name__
            return MalformedResponseError(
                f"returned {kind}, not Credentials", source=self.name, hint="return anycreds.Credentials, or raise"
            )
        return answer if answer.source is not None else answer.replace(source=self.name)


def _name(function: object) -> str:
    """Return a function's name; for a partial that of what it calls, for an object with ``__call__`` its class."""
    for named in (function, getattr(function, "func", None)):
        if isinstance(name := getattr(named, "__qualname__", None), str):
            return name
    return type(function).__qualname__


def _not_async(source: str, answer: object) -> InvalidConfigurationError:
    kind = type(answer).__name__
    return InvalidConfigurationError(
        f"returned {kind} instead of something to await; it must be async",
        source=source,
        hint="write it with async def",
    )


def _failed(source: str, error: Exception) -> RetrievalError:
    """Return the error to raise. It names the class only: what stands in a stranger's message may be a secret."""
    failure = RetrievalError(
        f"raised {type(error).__name__}", source=source, hint="its own error is the cause of this one"
    )
    return failure._keep_cause(error)
