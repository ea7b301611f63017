"""Credentials for aiobotocore: a session whose clients sign each attempt of a request with the set that is good then.

Works with aiobotocore 2.25 and newer on asyncio, and with aiobotocore 3 on trio, too. Needs the extra ``aiobotocore``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

try:
    from aiobotocore import __version__ as _VERSION  # noqa: N812 - it is a constant
    from aiobotocore import endpoint as _endpoint
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
except ImportError as error:
    raise ImportError(
        f"anycreds.adapters.aiobotocore needs aiobotocore ({error}): pip install anycreds[aiobotocore]",
        name=error.name,
        path=error.path,
    ) from error

from .._core.errors import InvalidConfigurationError
from .._core.provider import CredentialProvider, Provider
from .._factories.chains import cached
from ._botocore_requests import AttemptCredentials, listen
from ._botocore_session import for_session

_SOURCE = "aiobotocore session"
_COMPONENT = "credential_provider"  # what botocore calls the part of a session that is asked for credentials


class ProviderSession(AioSession):  # type: ignore[misc] # aiobotocore has no types
    """An aiobotocore session that signs with a provider's credentials. Made by ``create_session``.

    Pickled if it was made with ``factory``: with the region, the profile and whatever else was set by
    ``set_config_variable``, and the default client configuration; not with handlers of events, nor with secrets.
    """

    def __init__(
        self,
        provider: CredentialProvider | None,
        factory: Callable[[], CredentialProvider] | None,
        variables: dict[str, Any],
        config: AioConfig | None,
    ) -> None:
        super().__init__()
        self._given = provider, factory
        for name, value in variables.items():
            self.set_config_variable(name, value)
        if config is not None:
            self.set_default_client_config(config)
        install(self, _made(provider, factory))

    def get_default_client_config(self) -> AioConfig | None:
        """Return the default configuration of clients; on trio one that names httpx, since aiohttp is for asyncio."""
        config = super().get_default_client_config()
        if not _on_trio():
            return config
        if not hasattr(_endpoint, "AnyioEndpoint"):
            raise InvalidConfigurationError(
                f"aiobotocore {_VERSION} runs on asyncio only",
                source=_SOURCE,
                hint="on trio, use aiobotocore 3 or newer",
            )
        from aiobotocore.httpxsession import HttpxSession

        on_httpx = AioConfig(http_session_cls=HttpxSession)
        return on_httpx if config is None else on_httpx.merge(config)

    def __reduce__(self) -> tuple[Any, ...]:
        provider, factory = self._given
        if isinstance(provider, Provider):
            _refuse_to_pickle(provider)
        return ProviderSession, (provider, factory, self.instance_variables(), super().get_default_client_config())

    def __deepcopy__(self, memo: object) -> ProviderSession:
        return ProviderSession(*self._given, self.instance_variables(), super().get_default_client_config())


class _Resolver:
    """What a session asks for credentials, once, when its first client is made."""

    __slots__ = ("_provider", "_session")

    def __init__(self, provider: CredentialProvider, session: Any) -> None:
        self._provider = cached(provider)
        self._session = session

    async def load_credentials(self) -> AttemptCredentials:
        """Return what stands for the provider. It asks for nothing before the first request."""
        return AttemptCredentials(for_session(self._provider, self._session))


def create_session(
    provider: CredentialProvider | None = None,
    *,
    factory: Callable[[], CredentialProvider] | None = None,
    region: str | None = None,
    profile: str | None = None,
    config: AioConfig | None = None,
) -> ProviderSession:
    """Return an aiobotocore session whose clients sign with the credentials of this provider.

    ``provider`` is a provider of this library or any async function without arguments. It is cached; nothing is asked
    before the first request. ``region`` and ``profile`` are those of the session, and the provider is told of them; its
    cache is then one of its own, ``(await session.get_credentials()).provider``. ``config`` is the default
    configuration of the session's clients.

    >>> session = create_session(anycreds.from_default_chain(), region="eu-central-1")
    >>> async def buckets():
    ...     async with session.create_client("s3") as s3:
    ...         return [bucket["Name"] for bucket in (await s3.list_buckets())["Buckets"]]

    Every attempt of a request is signed with one set, and goes to the host of the account of that set where hosts have
    accounts in their names. If a service says that the session token has expired, the set is dropped and the request
    is sent once more, with another one. Who cannot get credentials gets the ``CredentialsError`` where the client is
    called.

    A presigned URL lives no longer than the session token in it. To be sure of one hour, first
    ``await (await session.get_credentials()).provider(min_ttl=3600)``.

    On trio clients use httpx, without being told. aiobotocore prefers its successor ``httpx2`` where that is installed.

    A session that other processes may have needs a ``factory`` instead of a provider: a function of a module that
    returns the provider. With ``functools.cache`` on it, all sessions of a process share one provider.

    >>> @functools.cache
    ... def provider():
    ...     return anycreds.from_default_chain()
    >>> files = s3fs.S3FileSystem(session=create_session(factory=provider))  # can be pickled

    Raises ``InvalidConfigurationError`` unless there is one of provider and factory.
    """
    variables = {"region": region, "profile": profile}
    given = {name: value for name, value in variables.items() if value is not None}
    return ProviderSession(provider, factory, given, config)


def install(session: AioSession, provider: CredentialProvider) -> None:
    """Let an aiobotocore session that there is already sign with the credentials of this provider.

    As ``create_session`` otherwise, but for pickling and for trio: there the session's default client configuration, or
    that of each client, has to name ``aiobotocore.httpxsession.HttpxSession`` as its ``http_session_cls``.

    >>> session = aiobotocore.session.get_session()
    >>> install(session, anycreds.from_default_chain())

    Clients with keys of their own (``aws_access_key_id=…``) keep to those. Raises ``InvalidConfigurationError`` if the
    session has credentials already, because they would be used on.
    """
    if getattr(session, "_credentials", None) is not None:
        raise InvalidConfigurationError(
            "it has credentials already", source=_SOURCE, hint="install before the first client is made"
        )
    session.register_component(_COMPONENT, _Resolver(provider, session))
    listen(session.get_component("event_emitter"))


def _made(provider: CredentialProvider | None, factory: Callable[[], CredentialProvider] | None) -> CredentialProvider:
    if (provider is None) == (factory is None):
        raise InvalidConfigurationError("needs a provider or a factory of one, and not both", source=_SOURCE)
    if factory is None:
        assert provider is not None
        return provider
    return factory()


def _refuse_to_pickle(provider: Provider) -> NoReturn:
    raise TypeError(
        f"a session with {provider!r} cannot be pickled: use create_session(factory=…) with a function of a module "
        "that returns the provider"
    )


def _on_trio() -> bool:
    """Tell whether this is a task of trio, without importing it."""
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    return bool(lowlevel is not None and lowlevel.in_trio_task())
