"""How a provider is pickled: as the call of the factory that made it, without secrets.

The process that unpickles it makes the same call. So environment variables, files and everything else that was not
given as an option are looked up there, and no credentials travel. All pickles of one cached provider are one provider
in each process (``shared_objects``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, strip_frames
from .._core.provider import Provider
from .shared_objects import SHARED

P = ParamSpec("P")
T = TypeVar("T", bound=Provider)

# The options that may contain a secret, with what can be done instead.
SECRET_OPTIONS = {
    "authorization_token": "pass authorization_token_file",
    "environ": "set the variables in the other process",
    "full_uri": "pass a URL without a query",
    "logins": "pass async functions that return the tokens",
    "provided_contexts": "create the provider in the other process",
    "relative_uri": "let the other process read AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "source_credentials": "pass a provider or an async function",
    "web_identity_token": "pass an async function that returns the token",
}


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


class FactoryCall:
    """A call of a public factory: what is pickled in place of the provider that it returned.

    Args:
        factory: The name of the factory.
        names: The names of its positional parameters; none for ``*providers``.
        args: The positional arguments.
        options: The keyword arguments, a new dict. What the program may change later is copied, except for ``environ``,
            of which each call of the provider reads the current state.

    """

    __slots__ = ("_args", "_factory", "_names", "_options")

    def __init__(self, factory: str, names: tuple[str, ...], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        for name, value in options.items():
            if type(value) in (dict, list) and name != "environ":
                options[name] = value.copy()
        self._factory = factory
        self._names = names
        self._args = args
        self._options = options

    def __call__(self, provider: Provider) -> tuple[Any, ...]:
        """Return what ``provider.__reduce__`` returns. Raise ``InvalidConfigurationError`` if it contains a secret."""
        if (secret := self._secret_option()) is not None:
            raise InvalidConfigurationError(
                f"the provider cannot be pickled: option {secret} of {self._factory}() is a secret",
                source=provider.name,
                hint=f"{SECRET_OPTIONS[secret]}, or pass include_secrets=True to pickle the secret too",
            )
        others, options = self._named()
        options.pop("clock", None)  # it belongs to a test
        options = {name: _portable(value) for name, value in options.items()}
        if isinstance(provider, CachedProvider):
            return reduced_once(provider, self._factory, others, options)
        from .. import __version__

        return call_again, (__version__, self._factory, others, options)

    def _named(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments without a name, which are those of ``*providers``, and all others by their names."""
        named = dict(zip(self._names, self._args, strict=False))
        return self._args[len(self._names) :], {**named, **self._options}

    def _secret_option(self) -> str | None:
        """Return the name of an option that must not be pickled; None if there is none."""
        _, options = self._named()
        if options.get("include_secrets"):
            return None
        given = {name: options[name] for name in SECRET_OPTIONS if options.get(name) is not None}
        return next((name for name, value in given.items() if _is_secret(name, value)), None)


def _is_secret(option: str, value: Any) -> bool:
    """Return whether the value of one of ``SECRET_OPTIONS`` is a secret: all that is not a function, but most URLs."""
    if option == "full_uri":
        return "?" in value
    return not all(map(callable, value.values() if option == "logins" else (value,)))


def _portable(value: Any) -> Any:
    """Return what is pickled in place of the value of an option."""
    if isinstance(value, Credentials):
        return _PortableCredentials(value)
    return dict(value) if isinstance(value, Mapping) else value  # ``os.environ`` cannot be pickled


class _PortableCredentials:
    """Credentials that may be pickled, because the program said so."""

    __slots__ = ("_credentials",)

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __reduce__(self) -> tuple[Any, ...]:
        from .. import __version__

        fields = {name: getattr(self._credentials, name) for name in Credentials.__slots__}
        return call_again, (__version__, Credentials.__name__, (), fields)


def reduced_once(given: object, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
    """Return what ``given.__reduce__`` returns, for a call whose result is one object in each process."""
    from .. import __version__

    return call_again_once, (SHARED.identify(given), __version__, name, args, options)


def call_again(version: str, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return the result of a call that was pickled: a provider, or the credentials that are its source.

    Raises:
        InvalidConfigurationError: This version of the library does not know the function, or one of its options.

    """
    import anycreds

    factory = getattr(anycreds, name, None)
    try:
        if factory is not None:
            return factory(*args, **options)
        problem = f"there is no function {name}"
    except CredentialsError as error:
        del args, options
        strip_frames(error)
        raise
    except TypeError as error:  # it names the unknown option, and no value
        problem = str(error)
    del args, options
    raise InvalidConfigurationError(
        f"the provider was pickled by anycreds {version} and cannot be used by {anycreds.__version__}: {problem}",
        hint="use the same version of anycreds in all processes",
    )


def call_again_once(identity: bytes, *call: Any) -> Any:
    """Return the provider with this identity; make it by the pickled call if this process has none."""
    return SHARED.find_or_make(identity, partial(call_again, *call))
