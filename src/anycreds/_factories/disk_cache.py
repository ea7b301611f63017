"""Factory for the cache on disk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, overload

from .._cache.provider import CachedProvider
from .._config.settings import Setting, from_path_argument
from .._core.disk_cache_key import KEY_HINT
from .._core.errors import InvalidConfigurationError
from .._core.provider import ContextFunction, CredentialProvider, Provider
from .._core.validation import InvalidValueError, check_text
from .factory_call import picklable
from .lazy import LazyProvider
from .runtime import RUNTIME, as_provider

if TYPE_CHECKING:
    import os

    from .._core.io import Runtime

_DEFAULT_DIRECTORY = Setting("~/.aws/cli/cache", "the path of the AWS CLI's cache")


@overload
def disk_cached(
    provider: CachedProvider, *, key: str | None = None, directory: str | os.PathLike[str] | None = None
) -> CachedProvider: ...
@overload
def disk_cached(
    provider: CredentialProvider | ContextFunction,
    *,
    key: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Provider: ...
@picklable
def disk_cached(
    provider: CredentialProvider | ContextFunction,
    *,
    key: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Provider:
    """Return a provider that shares the temporary credentials of another one with other processes, in a file.

    The files are those of the AWS CLI: roles of profiles, of ``from_temporary_credentials``, ``from_token_file`` and
    IAM Identity Center have the same name and format, so that the AWS CLI and anycreds use each other's credentials.
    They contain secrets, and only their owner can read them. When credentials are due, one process calls the source
    while the others wait for it. The source is called without the cache where a file cannot be used, locked or written:
    that is logged, and no error.

    Args:
        provider: A provider of this library, or any async function that returns ``Credentials``. Of a cached provider,
            the cache in memory is kept, and the files are read when it needs new credentials.
        key: A text that names the credentials. Programs with the same key share them, so it must name everything that
            selects them: the role, the account, the user. Default: the name that the AWS CLI gives them, which does not
            depend on the source of a role's credentials; where it has none, ``key`` is required. A profile, and the
            default chain, may have other credentials, which are returned without a file.
        directory: Where the files are. It is created if it is missing. Default: ``~/.aws/cli/cache``.

    Returns:
        A provider. It is not cached in memory; see ``cached``. A ``CachedProvider`` if a cached one was given.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: the AWS CLI has no name for these credentials,
            and ``key`` is not given.
        CredentialsError: When awaited: what the provider raises, if no valid credentials are in the file.

    Example:
        >>> role = anycreds.from_temporary_credentials("arn:aws:iam::123456789012:role/Deploy")
        >>> provider = anycreds.cached(anycreds.disk_cached(role))

    See:
        AWS Command Line Interface User Guide, "Using an IAM role in the AWS CLI", "Clear cached credentials":
        https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html

    """
    if key is not None:
        try:
            check_text(key)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"option key of disk_cached() {error}") from None
    elif not isinstance(provider, Provider):
        raise InvalidConfigurationError("disk_cached() of a function needs an option key", hint=KEY_HINT)
    place = from_path_argument("directory", directory) or _DEFAULT_DIRECTORY
    path: object = place.value
    if not isinstance(path, str):
        kind = type(path).__name__
        raise InvalidConfigurationError(f"option directory of disk_cached() is {kind}; expected a path")
    if isinstance(provider, CachedProvider):
        source = _on_disk(provider._source, key=key, directory=place)
        return CachedProvider(source, provider._runtime, provider._state.options, provider._context)
    return _on_disk(as_provider(provider, RUNTIME), key=key, directory=place)


def _on_disk(source: Provider, *, key: str | None, directory: Setting) -> Provider:
    build = partial(_build, source._runtime, source, key, directory)
    return LazyProvider(
        source.name,
        source._runtime,
        build,
        may_prompt_user=source._may_prompt_user,
        context_fields=source._context_fields,
    )


def _build(runtime: Runtime, source: Provider, key: str | None, directory: Setting) -> Provider:
    from .._providers.disk_cache.provider import DiskCachedProvider
    from .._providers.disk_cache.settings import DiskCacheSettings

    return DiskCachedProvider(runtime, source, DiskCacheSettings(directory, key))
