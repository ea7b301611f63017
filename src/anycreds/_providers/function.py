"""The provider of an async function of the user."""

from __future__ import annotations

from inspect import Parameter, signature

from .._core.credentials import Credentials
from .._core.io import Io, Runtime
from .._core.provider import WHOLE_CONTEXT, ClientContext, ContextFunction, CredentialProvider, Provider
from .service.callbacks import credentials_from_callback


class FunctionProvider(Provider):
    """The provider of an async function without arguments, or with the client's context as its only argument."""

    __slots__ = ("_function", "_takes_context")

    def __init__(self, runtime: Runtime, function: CredentialProvider | ContextFunction) -> None:
        self._takes_context = _takes_one_argument(function)
        fields = WHOLE_CONTEXT if self._takes_context else frozenset()
        super().__init__(f"function {_name(function)}", runtime, context_fields=fields)
        self._function = function

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        arguments = (context,) if self._takes_context else ()
        return await credentials_from_callback(io, self._function, arguments, None, self.name)


def _takes_one_argument(function: CredentialProvider | ContextFunction) -> bool:
    """Return whether a function needs exactly one positional argument. One with a default value keeps that value."""
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters) == 1


def _name(function: object) -> str:
    """Return the name of a function: of a partial that of its function, of another object that of its class."""
    for candidate in (function, getattr(function, "func", None)):
        if isinstance(name := getattr(candidate, "__qualname__", None), str):
            return name
    return type(function).__qualname__
