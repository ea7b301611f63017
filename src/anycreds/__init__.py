"""AWS credentials for trio and asyncio programs.

A provider is an async callable that returns ``Credentials`` or raises a ``CredentialsError``. The functions ``from_…``
create providers, ``create_credential_chain`` composes them, and ``cached`` caches their credentials.
``from_default_chain`` finds the credentials that every AWS SDK would find, and caches them.

Any async function that returns ``Credentials`` is a provider too; it may take the ``ClientContext``. Callback and
protocol types are in ``anycreds.typing``, events in ``anycreds.events``, connections to other libraries in
``anycreds.adapters``, fakes and fixtures in ``anycreds.testing``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cache.provider import CachedProvider
from ._config.client_config import ClientConfig
from ._core.credentials import Credentials
from ._core.errors import (
    ConfigParseError,
    CredentialsError,
    ForbiddenEndpointError,
    InvalidConfigurationError,
    LifetimeTooShortError,
    LoginRequiredError,
    MalformedResponseError,
    MetadataUnreachableError,
    NoCredentialsError,
    NotConfiguredError,
    ProfileLoopError,
    ProfileNotFoundError,
    ProviderAttempt,
    ProviderTimeoutError,
    ReentrantProviderError,
    RetrievalError,
)
from ._core.provider import ClientContext, CredentialProvider, Provider
from ._factories.assume_role import from_temporary_credentials
from ._factories.cache import cached
from ._factories.chains import create_credential_chain
from ._factories.cognito import from_cognito_identity, from_cognito_identity_pool
from ._factories.default_chain import from_default_chain
from ._factories.local import from_env, from_ini, from_process
from ._factories.metadata import from_container_metadata, from_http, from_instance_metadata
from ._factories.sign_in import from_login_credentials, from_sso
from ._factories.web_identity import from_token_file, from_web_token
from ._providers.chain import CredentialChain

if TYPE_CHECKING:
    from . import adapters as adapters
    from . import events as events
    from . import testing as testing
    from . import typing as typing
    from ._cache.keep_fresh import FreshCredentials as FreshCredentials
    from ._core.io import Clock as Clock
    from ._factories.disk_cache import disk_cached as disk_cached
    from ._factories.role_cache import RoleCache as RoleCache
    from ._factories.role_cache import RoleCacheStatistics as RoleCacheStatistics

__version__ = "0.1.0"

__all__ = [
    "CachedProvider",
    "ClientConfig",
    "ClientContext",
    "Clock",
    "ConfigParseError",
    "CredentialChain",
    "CredentialProvider",
    "Credentials",
    "CredentialsError",
    "ForbiddenEndpointError",
    "FreshCredentials",
    "InvalidConfigurationError",
    "LifetimeTooShortError",
    "LoginRequiredError",
    "MalformedResponseError",
    "MetadataUnreachableError",
    "NoCredentialsError",
    "NotConfiguredError",
    "ProfileLoopError",
    "ProfileNotFoundError",
    "Provider",
    "ProviderAttempt",
    "ProviderTimeoutError",
    "ReentrantProviderError",
    "RetrievalError",
    "RoleCache",
    "RoleCacheStatistics",
    "__version__",
    "cached",
    "create_credential_chain",
    "disk_cached",
    "from_cognito_identity",
    "from_cognito_identity_pool",
    "from_container_metadata",
    "from_default_chain",
    "from_env",
    "from_http",
    "from_ini",
    "from_instance_metadata",
    "from_login_credentials",
    "from_process",
    "from_sso",
    "from_temporary_credentials",
    "from_token_file",
    "from_web_token",
]

# Most programs need none of these, and importing them takes as long as a tenth of all the others.
_LAZY_SUBMODULES = frozenset(("adapters", "events", "testing", "typing"))
_LAZY_NAMES = {
    "Clock": "_core.io",
    "FreshCredentials": "_cache.keep_fresh",
    "RoleCache": "_factories.role_cache",
    "RoleCacheStatistics": "_factories.role_cache",
    "disk_cached": "_factories.disk_cache",
}

if not TYPE_CHECKING:  # type checkers would accept every name

    def __getattr__(name: str) -> object:
        """Import a public submodule, class or function when it is first used (PEP 562)."""
        from importlib import import_module

        if name in _LAZY_SUBMODULES:
            return import_module(f"{__name__}.{name}")
        if name in _LAZY_NAMES:
            value = globals()[name] = getattr(import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_SUBMODULES, *_LAZY_NAMES})
