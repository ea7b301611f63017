"""The options of the Cognito providers, and their checks. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..._core.validation import InvalidValueError, check_text

IDENTITY = "Cognito identity"
POOL = "Cognito identity pool"
# JavaScript's name of the user without logins.
ANONYMOUS = "ANONYMOUS"
# The maximum that Cognito accepts.
MAX_TOKEN_LENGTH = 50_000

Login: TypeAlias = str | Callable[[], Awaitable[str]]
"""A token of an identity provider, or an async function without arguments that returns one.

The function is called at every attempt. The time that it takes counts as time of the attempt.
"""


class IdentityCache(Protocol):
    """Stores the IDs of Cognito identities: any object with these three async methods.

    A program can store them in a file or a database, so that a guest keeps the same identity after a restart. An error
    in a method is logged, and the identity is requested from the pool. The time that a method takes counts as time of
    the attempt.
    """

    async def get(self, key: str) -> str | None:
        """Return a stored value; None if there is none.

        Args:
            key: A text that identifies the pool and the user.

        """

    async def set(self, key: str, value: str) -> Any:
        """Store a value.

        Args:
            key: A text that identifies the pool and the user.
            value: The ID of the identity.

        """

    async def delete(self, key: str) -> Any:
        """Delete a stored value, if there is one.

        Args:
            key: A text that identifies the pool and the user.

        """


class CognitoOptions(NamedTuple):
    """The options that both providers have. The repr shows none of them, since logins are secrets."""

    custom_role_arn: str | None = None
    logins: Mapping[str, Login] | None = None
    """By the name of the identity provider."""
    timeout: float = 5.0
    """Seconds for one HTTP exchange."""

    def __repr__(self) -> str:
        return "CognitoOptions()"


def check_identity_options(name: str, identity: object, custom_role_arn: object, logins: object) -> None:
    """Raise ``InvalidValueError`` for an invalid option of both providers; ``name`` is that of ``identity``."""
    if logins is not None:
        _check_logins(logins)
    check_text(identity, field=f"option {name}")
    _check_optional_text("custom_role_arn", custom_role_arn)


def check_pool_options(account_id: object, user_identifier: object, cache: object, logins: object) -> None:
    """Raise ``InvalidValueError`` for an invalid option that only the provider of a pool has."""
    if user_identifier == ANONYMOUS and logins:
        raise InvalidValueError(f"option user_identifier is {ANONYMOUS}, the user without logins, but logins are set")
    _check_optional_text("account_id", account_id)
    _check_optional_text("user_identifier", user_identifier)
    if cache is not None:
        _check_cache(cache)


def default_user_identifier(logins: Mapping[str, Login] | None) -> str | None:
    """Return the user whose identity is cached if the option is not set; None if it must not be cached."""
    if not logins:
        return ANONYMOUS
    # Tokens given as strings belong to one user. A function may return another user's token the next time.
    return "" if all(isinstance(login, str) for login in logins.values()) else None


def _check_optional_text(name: str, text: object) -> None:
    if text is not None:
        check_text(text, field=f"option {name}")


def _check_logins(logins: object) -> None:
    if not isinstance(logins, Mapping):
        raise InvalidValueError(f"option logins is not a mapping but {type(logins).__name__}")
    for provider, login in logins.items():
        check_text(provider, field="option logins: the name of a provider")
        if not callable(login):
            check_text(login, MAX_TOKEN_LENGTH, field=f"option logins: the token for {provider}")


def _check_cache(cache: object) -> None:
    for name in ("get", "set", "delete"):
        method = getattr(cache, name, None)
        if not callable(method):
            raise InvalidValueError(f"option cache is {type(cache).__name__}, which has no method {name}")
        if not iscoroutinefunction(method):
            raise InvalidValueError(f"option cache is {type(cache).__name__}, whose method {name} is not async")
