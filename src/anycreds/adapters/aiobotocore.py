"""Credentials for aiobotocore: sessions whose clients sign each attempt of a request with valid credentials.

Works with aiobotocore 2.25 and newer on asyncio, and with aiobotocore 3 on trio as well. Needs the extra
``aiobotocore``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

try:
    from aiobotocore import __version__ as _VERSION  # noqa: N812 - it is a constant
    from aiobotocore import endpoint as _endpoint
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
except ImportError as _error:
    raise ImportError(
        f"anycreds.adapters.aiobotocore needs aiobotocore ({_error}): pip install anycreds[aiobotocore]",
        name=_error.name,
        path=_error.path,
    ) from _error

from .._core.errors import InvalidConfigurationError
from .._core.provider import ContextFunction, CredentialProvider
from .._factories.cache import cached
from .._factories.shared_objects import SHARED
from ._botocore_requests import AttemptCredentials, connect_session, for_session, retry_if_expired

_SOURCE = "aiobotocore session"


class ProviderSession(AioSession):  # type: ignore[misc] # aiobotocore has no types
    """An aiobotocore session whose clients sign with a provider's credentials. ``create_session`` returns it.

    A session can be pickled if its provider can, with its region, profile and other variables of
    ``set_config_variable``, and its default client configuration. Event handlers and credentials are not pickled. All
    pickles of one session are one session in each process. On trio its clients use httpx.

    Args:
        provider: See ``create_session``. None if there is a ``factory``.
        factory: See ``create_session``. None if there is a ``provider``.
        variables: The configuration variables to set, such as ``{"region": "eu-central-1"}``.
        config: The default client configuration; None for none.

    Example::

        async with session.create_client("s3", region_name="eu-central-1") as s3:
            response = await s3.list_buckets()
    """

    def __init__(
        self,
        provider: CredentialProvider | ContextFunction | None,
        factory: Callable[[], CredentialProvider | ContextFunction] | None,
        variables: dict[str, Any],
        config: AioConfig | None,
    ) -> None:
        super().__init__()
        source = cached(_provider_from(provider, factory))
        self._arguments = None if provider is None else source, factory
        for name, value in variables.items():
            self.set_config_variable(name, value)
        if config is not None:
            self.set_default_client_config(config)
        install(self, source)

    def get_default_client_config(self) -> AioConfig | None:
        """Return the default client configuration; on trio it selects httpx, because aiohttp runs on asyncio only.

        Raises:
            InvalidConfigurationError: On trio, this version of aiobotocore does not support trio.
        """
        config = super().get_default_client_config()
        if not _on_trio():
            return config
        if not hasattr(_endpoint, "AnyioEndpoint"):
            raise InvalidConfigurationError(
                f"aiobotocore {_VERSION} runs on asyncio only",
                source=_SOURCE,
                hint="on trio, use aiobotocore 3 or newer",
            )
        from aiobotocore.httpxsession import HttpxSession  # only on trio, because it needs httpx

        httpx_config = AioConfig(http_session_cls=HttpxSession)
        return httpx_config if config is None else httpx_config.merge(config)

    def __reduce__(self) -> tuple[Any, ...]:
        settings = self.instance_variables(), super().get_default_client_config()
        return _unpickled, (SHARED.identify(self, settings), *self._arguments, *settings)

    def __deepcopy__(self, memo: object) -> ProviderSession:
        return ProviderSession(*self._arguments, self.instance_variables(), super().get_default_client_config())


def create_session(
    provider: CredentialProvider | ContextFunction | None = None,
    *,
    factory: Callable[[], CredentialProvider | ContextFunction] | None = None,
    region: str | None = None,
    profile: str | None = None,
    config: AioConfig | None = None,
) -> ProviderSession:
    """Return an aiobotocore session whose clients sign with the credentials of a provider.

    Each attempt of a request is signed with credentials that are valid then, and sent to the endpoint of their account,
    where the service has account-based endpoints. If a service reports an expired session, the credentials are
    invalidated and the request is sent once more with new ones.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``. It
            is cached, and first called by the first request.
        factory: Instead of ``provider``: a module-level function without arguments that returns the provider, which is
            called in each process that unpickles the session. With ``functools.cache`` all sessions of a process share
            one provider.
        region: The session's region, such as ``"eu-central-1"``. Default: botocore's own lookup.
        profile: The session's profile. It counts as selected explicitly. Default: botocore's own lookup.
        config: The default client configuration of the session. Default: none. On trio, httpx is selected unless it
            names an ``http_session_cls``.

    ``region`` and ``profile`` also reach the provider, as its client context. Only providers that depend on them have
    one cache for each: a role of STS, ``from_ini`` and ``from_default_chain`` for region and profile, EC2 instance
    metadata for the profile. Any other provider has one cache, which all sessions share. The cache of a session, with
    ``invalidate`` and ``keep_fresh``, is ``(await session.get_credentials()).provider``.

    Returns:
        A session for ``async with session.create_client(…)`` and for ``s3fs.S3FileSystem(session=…)``.

    Raises:
        InvalidConfigurationError: Neither or both of ``provider`` and ``factory`` are given, or the provider is not a
            function.

    A client method raises the provider's ``CredentialsError``. A presigned URL expires with the session token in it:
    for one hour, first ``await (await session.get_credentials()).provider(min_ttl=3600)``.

    Example:
        >>> session = create_session(anycreds.from_default_chain(), region="eu-central-1")
        >>> async def buckets():
        ...     async with session.create_client("s3") as s3:
        ...         return [bucket["Name"] for bucket in (await s3.list_buckets())["Buckets"]]

        The session and the file system can be pickled, without credentials:

        >>> files = s3fs.S3FileSystem(session=session)

    See:
        aiobotocore documentation: https://aiobotocore.readthedocs.io/en/latest/
    """
    variables = {"region": region, "profile": profile}
    given = {name: value for name, value in variables.items() if value is not None}
    return ProviderSession(provider, factory, given, config)


def install(session: AioSession, provider: CredentialProvider | ContextFunction) -> None:
    """Let an existing aiobotocore session sign with the credentials of a provider, as ``create_session`` does.

    The session cannot be pickled and does not select httpx on trio. There its default client configuration, or that of
    each client, has to name ``aiobotocore.httpxsession.HttpxSession`` as ``http_session_cls``. A client with keys of
    its own (``aws_access_key_id=…``) keeps using them.

    Args:
        session: A session that has not created a client yet. The region and profile that are set on it until then
            reach the provider.
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``.

    Raises:
        InvalidConfigurationError: ``provider`` is not a function, or the session has credentials already, which it
            would continue to use.

    Example:
        >>> session = aiobotocore.session.get_session()
        >>> install(session, anycreds.from_default_chain())
    """
    source = cached(provider)

    async def load_credentials() -> AttemptCredentials:
        return AttemptCredentials(for_session(source, session))

    connect_session(session, _SOURCE, load_credentials, retry_if_expired)


def _unpickled(identity: bytes, provider: Any, factory: Any, *settings: Any) -> ProviderSession:
    """Return the session with this identity; create it if this process has none."""
    return SHARED.find_or_make(identity, partial(ProviderSession, provider, factory, *settings), settings)


def _provider_from(
    provider: CredentialProvider | ContextFunction | None,
    factory: Callable[[], CredentialProvider | ContextFunction] | None,
) -> CredentialProvider | ContextFunction:
    if provider is not None and factory is None:
        return provider
    if provider is None and factory is not None:
        return factory()
    raise InvalidConfigurationError("expected either a provider or a factory", source=_SOURCE)


def _on_trio() -> bool:
    """Return whether this code runs in a trio task, without importing trio."""
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    return bool(lowlevel is not None and lowlevel.in_trio_task())
