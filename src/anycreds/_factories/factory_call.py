"""Providers remember how their factory was called, because they are pickled as that call (``pickling``)."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .._core.errors import CredentialsError, strip_frames
from .._core.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T", bound=Provider)


class FactoryCall:
    """A call of a public factory: what is pickled in place of the provider that it returned.

    Args:
        factory: The name of the factory.
        names: The names of its positional parameters; none for ``*providers``.
        args: The positional arguments.
        options: The keyword arguments, a new dict. What the program may change later is copied, except for ``environ``,
            of which each call of the provider reads the current state.

    """

    __slots__ = ("_args", "_names", "_options", "factory")

    def __init__(self, factory: str, names: tuple[str, ...], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        for name, value in options.items():
            if type(value) in (dict, list) and name != "environ":
                options[name] = value.copy()
        self.factory = factory
        self._names = names
        self._args = args
        self._options = options

    def named(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments without a name, which are those of ``*providers``, and all others by their names."""
        named = dict(zip(self._names, self._args, strict=False))
        return self._args[len(self._names) :], {**named, **self._options}

    def __call__(self, provider: Provider) -> tuple[Any, ...]:
        """Return what ``provider.__reduce__`` returns. Raise ``InvalidConfigurationError`` if it contains a secret."""
        from .pickling import reduced  # few programs pickle providers

        return reduced(provider, self)


def picklable(factory: Callable[P, T]) -> Callable[P, T]:
    """Decorate a public factory, so that its providers can be pickled, and no frame of its errors holds an argument.

    If the factory has the option ``include_secrets``, that allows pickling with secrets. It has no other effect.
    """
    code = factory.__code__
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]

    @wraps(factory)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            provider = factory(*args, **kwargs)
        except CredentialsError as error:
            del args, kwargs
            strip_frames(error)
            raise
        if not any(provider is given for given in (*args, *kwargs.values())):  # ``cached`` may return its argument
            provider._made_by = FactoryCall(factory.__name__, names, args, kwargs)
        return provider

    return call
