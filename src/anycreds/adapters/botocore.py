"""Credentials for botocore, boto3 and libraries on top of them: each attempt of a request is signed with valid ones.

Nothing here awaits: if credentials must be fetched, the calling thread waits for an event loop in another thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal, cast

try:
    from botocore.config import Config
    from botocore.session import Session
except ImportError as _error:
    raise ImportError(
        f"anycreds.adapters.botocore needs botocore ({_error}): pip install anycreds[botocore]",
        name=_error.name,
        path=_error.path,
    ) from _error

from .._cache.provider import CachedProvider
from .._core.errors import InvalidConfigurationError
from .._core.frozen_credentials import FrozenCredentials
from .._core.provider import ContextFunction, CredentialProvider
from .._factories.cache import cached
from ._blocking_portal import BlockingProvider, run_without_suspending
from ._botocore_requests import AttemptCredentials, connect_session, for_session, retry_if_expired

Backend = Literal["asyncio", "trio"]

_SOURCE = "botocore session"


class ProviderCredentials:
    """The credentials object of a session: whatever reads it gets the credentials that are valid then.

    ``session.get_credentials()`` returns it, and the signers of botocore take it like their own object. Any number of
    threads may use it.

    Attributes:
        provider: The cached provider, for the session's region and profile, with ``invalidate`` and ``keep_fresh``.

    Example::

        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("GET", "https://search-logs.eu-central-1.es.amazonaws.com/")
        SigV4Auth(session.get_credentials(), "es", "eu-central-1").add_auth(request)
    """

    __slots__ = ("_attempts", "provider")

    method = "anycreds"  # the source of the credentials in botocore's logs

    def __init__(self, provider: CachedProvider, backend: Backend) -> None:
        self.provider: CachedProvider = provider
        self._attempts = AttemptCredentials(cast("CachedProvider", BlockingProvider(provider, backend)))

    def get_frozen_credentials(self) -> FrozenCredentials:
        """Return the current credentials as one consistent value.

        Returns:
            ``access_key``, ``secret_key``, ``token`` and ``account_id``; the last two are None if there is none.

        Raises:
            CredentialsError: The provider's own error.
            ReentrantProviderError: A provider calls this on the event loop that would have to run it.
        """
        return run_without_suspending(self._attempts.get_frozen_credentials())

    def get_account_id(self) -> str | None:
        """Return the current account id, for account-based endpoints; None if unknown. Raises ``CredentialsError``."""
        return run_without_suspending(self._attempts.get_account_id())

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Return a function that returns a property at its call.

        Args:
            name: The name of the property. For one that does not exist, the function returns None.
        """
        return self.get_account_id if name == "account_id" else partial(getattr, self, name, None)

    # botocore's own objects have these properties. Two reads may be of different credentials, if one is refreshed
    # between them.

    @property
    def access_key(self) -> str:
        """The current access key id. Use ``get_frozen_credentials()`` for keys that belong together."""
        return self.get_frozen_credentials().access_key

    @property
    def secret_key(self) -> str:
        """The current secret access key."""
        return self.get_frozen_credentials().secret_key

    @property
    def token(self) -> str | None:
        """The current session token; None for long-term credentials."""
        return self.get_frozen_credentials().token

    @property
    def account_id(self) -> str | None:
        """The account id of the current credentials; None if it is unknown."""
        return self.get_frozen_credentials().account_id

    def __repr__(self) -> str:
        return f"<credentials of {self.provider!r}>"


def create_session(
    provider: CredentialProvider | ContextFunction,
    *,
    region: str | None = None,
    profile: str | None = None,
    config: Config | None = None,
    backend: Backend = "asyncio",
) -> Session:
    """Return a botocore session whose clients sign with the credentials of a provider.

    Each attempt of a request is signed with credentials that are valid then, and sent to the endpoint of their account,
    where the service has account-based endpoints. If a service reports an expired session, the credentials are
    invalidated and the request is sent once more with new ones.

    Any number of threads may use the clients. Cached credentials are read without waiting. Otherwise the provider runs
    on an event loop in another thread, one for each process, and the calling thread waits; Ctrl-C interrupts the wait.
    A client that is called on the thread of a running event loop blocks that loop, as botocore always does: use
    ``anyio.to_thread.run_sync`` there.

    Args:
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``. It
            is cached, and first called by the first request.
        region: The session's region, such as ``"eu-central-1"``. Default: botocore's own lookup.
        profile: The session's profile. It counts as selected explicitly. Default: botocore's own lookup.
        config: The default client configuration of the session. Default: none.
        backend: The async library that runs the provider, ``"asyncio"`` (default) or ``"trio"``. It matters only for
            async functions of yours that need one of them.

    ``region`` and ``profile`` also reach the provider, as its client context. Only providers that depend on them have
    one cache for each: a role of STS, ``from_ini`` and ``from_default_chain`` for region and profile, EC2 instance
    metadata for the profile. Any other provider has one cache, which all sessions share. The cache of a session, with
    ``invalidate`` and ``keep_fresh``, is ``session.get_credentials().provider``.

    Returns:
        A session for ``session.create_client``, or for ``boto3.Session(botocore_session=session)``.

    Raises:
        InvalidConfigurationError: ``backend`` is unknown or not installed, or ``provider`` is not a function.

    A client method raises the provider's ``CredentialsError``. It raises ``ReentrantProviderError`` if an async
    function that provides credentials calls it without a worker thread.

    Example:
        >>> session = create_session(anycreds.from_default_chain(), region="eu-central-1")
        >>> sts = session.create_client("sts")
        >>> s3 = boto3.Session(botocore_session=session).resource("s3")

    See:
        Boto3 documentation, "Session reference":
        https://boto3.amazonaws.com/v1/documentation/api/latest/reference/core/session.html
    """
    session = Session()
    for name, value in {"region": region, "profile": profile}.items():
        if value is not None:
            session.set_config_variable(name, value)
    if config is not None:
        session.set_default_client_config(config)
    install(session, provider, backend=backend)
    return session


def install(session: Any, provider: CredentialProvider | ContextFunction, *, backend: Backend = "asyncio") -> None:
    """Let an existing session of botocore or boto3 sign with the credentials of a provider, as ``create_session`` does.

    A client with keys of its own (``aws_access_key_id=…``) keeps using them.

    Args:
        session: A ``botocore.session.Session`` or ``boto3.Session`` that has not created a client yet. The region and
            profile that are set on it until then reach the provider.
        provider: A provider of this library, or any async function (see ``cached``) that returns ``Credentials``.
        backend: The async library that runs the provider, ``"asyncio"`` (default) or ``"trio"``.

    Raises:
        InvalidConfigurationError: ``backend`` is unknown or not installed, ``provider`` is not a function, or the
            session has credentials already, which it would continue to use.

    Example:
        >>> session = boto3.Session(region_name="eu-central-1")
        >>> install(session, anycreds.from_default_chain())
    """
    if backend not in ("asyncio", "trio") or not find_spec(backend):
        raise InvalidConfigurationError(
            f"backend {backend!r} is unknown or not installed; expected 'asyncio' or 'trio'", source=_SOURCE
        )
    session = getattr(session, "_session", session)  # the botocore session of a boto3 session
    source = cached(provider)

    def load_credentials() -> ProviderCredentials:
        return ProviderCredentials(for_session(source, session), backend)

    connect_session(
        session, _SOURCE, load_credentials, lambda **event: run_without_suspending(retry_if_expired(**event))
    )
