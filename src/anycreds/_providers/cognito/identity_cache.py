"""Whose credentials Cognito gives: the logins that say so, and the cache for the ids of identities.

Both are the program's, so that they are asked within a time, and what they give is checked. A login that fails is an
error; a cache that fails is only logged, as the pool knows the identity, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from ..._core.errors import CredentialsError, ProviderTimeoutError, RetrievalError
from ..._core.io import Io
from ..._core.logs import log
from ..._core.validation import InvalidValueError, check_text
from ..service.callbacks import call_user_function

# JavaScript's name for nobody in particular.
ANONYMOUS = "ANONYMOUS"
# A login may be a sign-in over the network; this leaves half of a flight to Cognito.
_LOGIN_TIME = 30.0
# A cache that takes longer than Cognito itself is none.
_CACHE_TIME = 5.0
# As long as Cognito takes one.
_LONGEST_TOKEN = 50_000

Login: TypeAlias = str | Callable[[], Awaitable[str]]
"""A token, or an async function without arguments that returns one."""


class IdentityCache(Protocol):
    """Where the ids of identities are kept: any object with these three methods. What they raise is only logged."""

    async def get(self, key: str) -> str | None:
        """Return what is kept under a key; None: nothing."""

    async def set(self, key: str, value: str) -> Any:
        """Keep a text under a key."""

    async def delete(self, key: str) -> Any:
        """Forget what is kept under a key."""


class MemoryCache:
    """The cache of a provider that was given none."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        """Return what is kept under a key."""
        return self._kept.get(key)

    async def set(self, key: str, value: str) -> None:
        """Keep a text under a key."""
        self._kept[key] = value

    async def delete(self, key: str) -> None:
        """Forget what is kept under a key."""
        self._kept.pop(key, None)


class Identities:
    """A cache, asked with care. ``name`` is the provider that asks."""

    __slots__ = ("_cache", "_name")

    def __init__(self, cache: IdentityCache, name: str) -> None:
        self._cache = cache
        self._name = name

    async def find(self, io: Io, key: str) -> str | None:
        """Return the identity that is kept, if there is one that can be right."""
        kept = await self._asked(io, self._cache.get, (key,), "cache.get")
        if kept is None:
            return None
        try:
            return check_text(kept)
        except InvalidValueError as error:
            log("identities", "warning", "%s: cache.get returned a value that %s; ignored", self._name, error)
            return None

    async def keep(self, io: Io, key: str, identity_id: str) -> None:
        """Keep an identity."""
        await self._asked(io, self._cache.set, (key, identity_id), "cache.set")

    async def forget(self, io: Io, key: str) -> None:
        """Forget an identity."""
        await self._asked(io, self._cache.delete, (key,), "cache.delete")

    async def _asked(self, io: Io, function: Callable[..., Any], arguments: tuple[str, ...], told: str) -> Any:
        try:
            return await _ask_within(io, _CACHE_TIME, function, arguments, told=told, name=self._name)
        except CredentialsError as error:
            log("identities", "warning", "%s: %s, so it is done without", self._name, error.message)
            return None


async def tokens_of(io: Io, logins: Mapping[str, Login], name: str) -> dict[str, str]:
    """Return the tokens of logins as they are now. ``name`` is the provider that asks."""
    tokens = {}
    for provider, login in logins.items():
        told = f"the login for {provider}"
        token = login if isinstance(login, str) else await _ask_within(io, _LOGIN_TIME, login, (), told=told, name=name)
        try:
            tokens[provider] = check_text(token, _LONGEST_TOKEN)
        except InvalidValueError as error:
            raise RetrievalError(f"{told} returned a token that {error}", source=name) from None
    return tokens


def user_of(logins: Mapping[str, Login] | None) -> str | None:
    """Return for whom an identity may be kept if nobody says so; None: for nobody."""
    if not logins:
        return ANONYMOUS
    # Texts remain the same person's for as long as the provider lives; what a function returns may not.
    return "" if all(isinstance(login, str) for login in logins.values()) else None


def check_identity(name: str, identity: object, custom_role_arn: object, logins: object) -> None:
    """Raise ``InvalidValueError`` for unusable options of an identity or, by another name, of a pool."""
    check_logins(logins)
    check_text(identity, field=f"option {name}")
    _check_optional_text("custom_role_arn", custom_role_arn)


def check_pool(account_id: object, user_identifier: object, cache: object, logins: Mapping[str, Login] | None) -> None:
    """Raise ``InvalidValueError`` for unusable options that only a pool has."""
    if user_identifier == ANONYMOUS and logins:
        raise InvalidValueError(f"option user_identifier is {ANONYMOUS}, the user without logins, but there are logins")
    _check_optional_text("account_id", account_id)
    _check_optional_text("user_identifier", user_identifier)
    check_cache(cache)


def _check_optional_text(name: str, text: object) -> None:
    if text is not None:
        check_text(text, field=f"option {name}")


def check_logins(logins: object) -> None:
    """Raise ``InvalidValueError`` for an unusable value of this option."""
    if logins is None:
        return
    if not isinstance(logins, Mapping):
        raise InvalidValueError(f"option logins is not a mapping but {type(logins).__name__}")
    for provider, login in logins.items():
        check_text(provider, field="option logins: the name of a provider")
        if not callable(login):
            check_text(login, _LONGEST_TOKEN, field=f"option logins: the token for {provider}")


def check_cache(cache: object) -> None:
    """Raise ``InvalidValueError`` for an unusable value of this option."""
    missing = [name for name in ("get", "set", "delete") if not callable(getattr(cache, name, None))]
    if cache is not None and missing:
        raise InvalidValueError(f"option cache is {type(cache).__name__}, which has no method {missing[0]}")


async def _ask_within(
    io: Io, seconds: float, function: Callable[..., Any], arguments: tuple[str, ...], *, told: str, name: str
) -> Any:
    """Return what a function of the program returns, or raise an error, also if it takes too long."""
    try:
        with io.deadline(seconds, told):
            return await call_user_function(io, function, arguments, told, name)
    except ProviderTimeoutError:
        pass
    raise ProviderTimeoutError(f"{told} gave no answer within {seconds:g} s", source=name)
