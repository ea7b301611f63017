"""Calls of the user's logins and identity cache, and the default identity cache.

A login that fails is an error. A cache that fails is only logged, since the pool knows the identity too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.errors import CredentialsError, RetrievalError, strip_frames
from ..._core.io import Io
from ..._core.logs import log
from ..._core.validation import InvalidValueError, check_text
from ..service.callbacks import call_user_function
from .settings import MAX_TOKEN_LENGTH, IdentityCache, Login

# Seconds for one call of the cache. The pool is called without it, so a cache that hangs must not use up the attempt.
_CACHE_TIMEOUT = 5.0


class MemoryIdentityCache:
    """The identity cache of a provider without the option ``cache``."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        """Return the value for a key; None if there is none."""
        return self._values.get(key)

    async def set(self, key: str, value: str) -> None:
        """Store a value for a key."""
        self._values[key] = value

    async def delete(self, key: str) -> None:
        """Delete the value for a key, if there is one."""
        self._values.pop(key, None)


class IdentityCacheGuard:
    """An identity cache of the provider ``name``. Its errors are logged, and its values are checked."""

    __slots__ = ("_cache", "_name")

    def __init__(self, cache: IdentityCache, name: str) -> None:
        self._cache = cache
        self._name = name

    async def get(self, io: Io, key: str) -> str | None:
        """Return the cached identity; None if there is no valid one."""
        value = await self._call(io, "get", key)
        if value is None:
            return None
        try:
            return check_text(value)
        except InvalidValueError as error:
            log("identities", "warning", "%s: the identity cache returned a value that %s; ignored", self._name, error)
            return None

    async def set(self, io: Io, key: str, identity_id: str) -> None:
        """Store an identity."""
        await self._call(io, "set", key, identity_id)

    async def delete(self, io: Io, key: str) -> None:
        """Delete an identity."""
        await self._call(io, "delete", key)

    async def _call(self, io: Io, method: str, *arguments: str) -> Any:
        """Return what a method of the cache returns; None if it raises an error or takes too long."""
        description = f"the method {method} of the identity cache"
        try:
            with io.deadline(_CACHE_TIMEOUT, description):
                return await call_user_function(io, getattr(self._cache, method), arguments, description, self._name)
        except CredentialsError as error:
            strip_frames(error)
            log("identities", "warning", "%s: %s; continuing without the cache", self._name, error.message)
            return None


async def resolve_logins(io: Io, logins: Mapping[str, Login], name: str) -> dict[str, str]:
    """Return the tokens of logins by the name of the identity provider. Functions are called."""
    tokens = {}
    for provider, login in logins.items():
        description = f"the login for {provider}"
        token = login if isinstance(login, str) else await call_user_function(io, login, (), description, name)
        try:
            tokens[provider] = check_text(token, MAX_TOKEN_LENGTH)
        except InvalidValueError as error:
            raise RetrievalError(f"{description} returned a token that {error}", source=name) from None
    return tokens
