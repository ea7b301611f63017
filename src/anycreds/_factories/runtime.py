"""The world that providers made by the factories live in, and what a program may give in the place of a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.credentials import Credentials
from .._core.errors import InvalidConfigurationError
from .._core.provider import CredentialProvider, Provider
from .._system.io import SystemRuntime

if TYPE_CHECKING:
    from .._core.io import Clock

RUNTIME = SystemRuntime()


def runtime_with_clock(clock: Clock | None) -> SystemRuntime:
    """Return the world, with another clock if one is given."""
    return RUNTIME if clock is None else SystemRuntime(clock)


def as_provider(provider: CredentialProvider, runtime: SystemRuntime) -> Provider:
    """Return a provider of this library for whatever can be awaited for credentials."""
    if isinstance(provider, Provider):
        return provider
    given: object = provider
    if not callable(given):
        kind = type(given).__name__
        raise InvalidConfigurationError(f"a provider is one of this library's or an async function, not {kind}")
    from .._providers.function import FunctionProvider

    return FunctionProvider(runtime, provider)


def as_source(source: CredentialProvider | Credentials) -> Provider:
    """Return a provider for what is given as the source of credentials: a set, or what can be awaited for one."""
    if not isinstance(source, Credentials):
        return as_provider(source, RUNTIME)

    async def given() -> Credentials:
        return source

    return as_provider(given, RUNTIME)
