"""How a provider is pickled: as the call of the factory that made it, without secrets.

The process that unpickles it makes the same call. So environment variables, files and everything else that was not
given as an option are looked up there, and no credentials travel. All pickles of one cached provider are one provider
in each process (``shared_objects``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, strip_frames
from .._core.provider import Provider
from .factory_call import FactoryCall
from .shared_objects import SHARED

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


def reduced(provider: Provider, call: FactoryCall) -> tuple[Any, ...]:
    """Return what ``provider.__reduce__`` returns.

    Raises:
        InvalidConfigurationError: It would contain a secret, and the program did not pass ``include_secrets=True``.

    """
    if (secret := _secret_option(call)) is not None:
        raise InvalidConfigurationError(
            f"the provider cannot be pickled: option {secret} of {call.factory}() is a secret",
            source=provider.name,
            hint=f"{SECRET_OPTIONS[secret]}, or pass include_secrets=True to pickle the secret too",
        )
    others, options = call.named()
    options.pop("clock", None)  # it belongs to a test
    options = {name: _portable(value) for name, value in options.items()}
    if isinstance(provider, CachedProvider):
        return reduced_once(provider, call.factory, others, options)
    from .. import __version__

    return call_again, (__version__, call.factory, others, options)


def _secret_option(call: FactoryCall) -> str | None:
    """Return the name of an option that must not be pickled; None if there is none."""
    _, options = call.named()
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
