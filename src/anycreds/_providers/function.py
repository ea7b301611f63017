"""The provider of an async function of the user."""

from __future__ import annotations

from .._core.credentials import Credentials
from .._core.io import Io, Runtime
from .._core.provider import ClientContext, CredentialProvider, Provider
from .service.callbacks import credentials_from_callback


class FunctionProvider(Provider):
    """The provider of an async function without arguments."""

    __slots__ = ("_function",)

    def __init__(self, runtime: Runtime, function: CredentialProvider) -> None:
        super().__init__(f"function {_name(function)}", runtime)
        self._function = function

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        return await credentials_from_callback(io, self._function, (), None, self.name)


def _name(function: object) -> str:
    """Return the name of a function: of a partial that of its function, of another object that of its class."""
    for candidate in (function, getattr(function, "func", None)):
        if isinstance(name := getattr(candidate, "__qualname__", None), str):
            return name
    return type(function).__qualname__
