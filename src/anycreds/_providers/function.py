"""The provider of an async function of the user."""

from __future__ import annotations

from collections.abc import Awaitable

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, MalformedResponseError, RetrievalError
from .._core.io import Io, Runtime
from .._core.provider import ClientContext, CredentialProvider, Provider


class FunctionProvider(Provider):
    """The provider of an async function without arguments."""

    __slots__ = ("_function",)

    def __init__(self, runtime: Runtime, function: CredentialProvider) -> None:
        super().__init__(f"function {_name(function)}", runtime)
        self._function = function

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        try:
            awaitable: object = self._function()
            credentials = await awaitable if isinstance(awaitable, Awaitable) else None
        except CredentialsError:
            raise
        except Exception as error:
            # Only the class: the text of a user's exception may contain a secret.
            failure = RetrievalError(
                f"raised {type(error).__name__}", source=self.name, hint="see the cause of this error"
            )
            raise failure._keep_cause(error) from error
        if not isinstance(awaitable, Awaitable):
            raise InvalidConfigurationError(
                f"returned {type(awaitable).__name__} instead of an awaitable; expected an async function",
                source=self.name,
                hint="define it with async def",
            )
        if not isinstance(credentials, Credentials):
            raise MalformedResponseError(
                f"returned {type(credentials).__name__}; expected Credentials",
                source=self.name,
                hint="return anycreds.Credentials, or raise an error",
            )
        return credentials if credentials.source is not None else credentials.replace(source=self.name)


def _name(function: object) -> str:
    """Return the name of a function: of a partial that of its function, of another object that of its class."""
    for candidate in (function, getattr(function, "func", None)):
        if isinstance(name := getattr(candidate, "__qualname__", None), str):
            return name
    return type(function).__qualname__
