"""The runtime of providers that the factories make, and what a program may give in place of a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.credentials import Credentials
from .._core.errors import InvalidConfigurationError
from .._core.provider import ContextFunction, CredentialProvider, Provider
from .._system.runtime import SystemRuntime

if TYPE_CHECKING:
    from .._core.io import Runtime

RUNTIME = SystemRuntime()


def as_provider(provider: CredentialProvider | ContextFunction, runtime: Runtime) -> Provider:
    """Return a provider as it is, and a provider for an async function; raise for anything else."""
    if isinstance(provider, Provider):
        return provider
    given: object = provider
    if not callable(given):
        kind = type(given).__name__
        raise InvalidConfigurationError(
            f"{kind} cannot be used as a provider; expected a provider of this library or an async function"
        )
    from .._providers.function import FunctionProvider

    return FunctionProvider(runtime, provider)


def as_source_provider(source: CredentialProvider | ContextFunction | Credentials) -> Provider:
    """Return a provider for the source of a role's credentials: ``Credentials``, a provider or an async function."""
    if not isinstance(source, Credentials):
        return as_provider(source, RUNTIME)

    async def given() -> Credentials:
        return source

    return as_provider(given, RUNTIME)
