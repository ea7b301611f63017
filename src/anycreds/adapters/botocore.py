"""Credentials for botocore, boto3 and what stands on them: each attempt of a request gets the set that is good then.

Nothing here awaits: where a set has to be fetched, the calling thread waits for an event loop in another one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal, TypeVar, cast

try:
    from botocore.config import Config
    from botocore.session import Session
except ImportError as error:
    raise ImportError(
        f"anycreds.adapters.botocore needs botocore ({error}): pip install anycreds[botocore]",
        name=error.name,
        path=error.path,
    ) from error

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.errors import InvalidConfigurationError
from .._core.frozen_credentials import FrozenCredentials
from .._core.provider import CredentialProvider
from .._factories.chains import cached
from ._blocking_portal import obtain
from ._botocore_requests import AttemptCredentials, note_address, note_signing, repeat_if_expired
from ._botocore_session import for_session

T = TypeVar("T")
Backend = Literal["asyncio", "trio"]

_SOURCE = "botocore session"


class ProviderCredentials:
    """Stands for a provider in a session, and wherever else a botocore credentials object is taken.

    This is what ``session.get_credentials()`` gives. ``provider`` is the cached provider behind it, bound to what was
    set on the session. It may be used in any number of threads.
    """

    __slots__ = ("_attempts", "provider")

    method = "anycreds"  # how these were found, for botocore's logs

    def __init__(self, provider: CachedProvider, backend: Backend) -> None:
        self.provider = provider
        self._attempts = AttemptCredentials(cast("CachedProvider", _Waiting(provider, backend)))

    def get_frozen_credentials(self) -> FrozenCredentials:
        """Return the set that is good now. Raises a ``CredentialsError`` if there is none."""
        return _at_once(self._attempts.get_frozen_credentials())

    def get_account_id(self) -> str | None:
        """Return the account that the current set belongs to, for hosts that have it in their names."""
        return _at_once(self._attempts.get_account_id())

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Return the function that gives a property later."""
        return self.get_account_id if name == "account_id" else partial(getattr, self, name, None)

    # botocore's own objects have these, and programs read them. One after another they may be of different sets.

    @property
    def access_key(self) -> str:
        """The key id of the set that is good now. Keys that belong together come from ``get_frozen_credentials()``."""
        return self.get_frozen_credentials().access_key

    @property
    def secret_key(self) -> str:
        """The secret key of the set that is good now."""
        return self.get_frozen_credentials().secret_key

    @property
    def token(self) -> str | None:
        """The session token of the set that is good now; None: it has none."""
        return self.get_frozen_credentials().token

    @property
    def account_id(self) -> str | None:
        """The account of the set that is good now, where its source tells."""
        return self.get_frozen_credentials().account_id

    def __repr__(self) -> str:
        return f"<credentials of {self.provider!r}>"


class _Waiting:
    """A provider whose calls never suspend: the thread waits instead."""

    __slots__ = ("_backend", "_provider", "invalidate")

    def __init__(self, provider: CachedProvider, backend: Backend) -> None:
        self._provider = provider
        self._backend = backend
        self.invalidate = provider.invalidate

    async def __call__(self) -> Credentials:
        return obtain(self._provider, self._backend)


class _Resolver:
    """What a session asks for credentials, once, when its first client is made."""

    __slots__ = ("_backend", "_provider", "_session")

    def __init__(self, provider: CredentialProvider, session: Any, backend: Backend) -> None:
        self._provider = cached(provider)
        self._session = session
        self._backend = backend

    def load_credentials(self) -> ProviderCredentials:
        """Return what stands for the provider. It asks for nothing before the first request."""
        return ProviderCredentials(for_session(self._provider, self._session), self._backend)


def create_session(
    provider: CredentialProvider,
    *,
    region: str | None = None,
    profile: str | None = None,
    config: Config | None = None,
    backend: Backend = "asyncio",
) -> Session:
    """Return a botocore session whose clients sign with the credentials of this provider.

    ``provider`` is a provider of this library or any async function without arguments. It is cached; nothing is asked
    before the first request. ``region`` and ``profile`` are those of the session, and the provider is told of them; its
    cache is then one of its own, ``session.get_credentials().provider``. ``config`` is the default configuration of the
    session's clients.

    >>> session = create_session(anycreds.from_default_chain(), region="eu-central-1")
    >>> sts = session.create_client("sts")
    >>> s3 = boto3.Session(botocore_session=session).resource("s3")

    Every attempt of a request is signed with one set, and goes to the host of the account of that set where hosts have
    accounts in their names. If a service says that the session token has expired, the set is dropped and the request
    is sent once more, with another one. Who cannot get credentials gets the ``CredentialsError`` where the client is
    called.

    Clients may be used in any thread, those of s3transfer among them. While a set is good they read it and that is
    all. Otherwise the provider runs on an event loop in a thread of its own, one in a process, which starts when it is
    first needed and ends with the process; ``backend`` says which library runs it, for async functions of the
    program's own that need ``"trio"``. The calling thread waits, for as long as the provider takes; Ctrl-C ends that.
    On the thread of a running event loop that loop stands still meanwhile, as with all of botocore: let
    ``anyio.to_thread.run_sync`` call the client there, and it waits for nobody.

    Raises ``InvalidConfigurationError`` for a backend that there is not. A client raises ``ReentrantProviderError`` if
    it is called, without a thread between, by an async function that has been asked for credentials in this way.
    """
    session = Session()
    for name, value in (("region", region), ("profile", profile)):
        if value is not None:
            session.set_config_variable(name, value)
    if config is not None:
        session.set_default_client_config(config)
    install(session, provider, backend=backend)
    return session


def install(session: Any, provider: CredentialProvider, *, backend: Backend = "asyncio") -> None:
    """Let a session of botocore or boto3 that there is already sign with the credentials of this provider.

    As ``create_session`` otherwise.

    >>> session = boto3.Session(region_name="eu-central-1")
    >>> install(session, anycreds.from_default_chain())

    Clients with keys of their own (``aws_access_key_id=…``) keep to those. Raises ``InvalidConfigurationError`` for a
    backend that there is not, and if the session has credentials already, because they would be used on.
    """
    if backend not in ("asyncio", "trio") or not find_spec(backend):
        raise InvalidConfigurationError(
            f"backend {backend!r} is not there",
            source=_SOURCE,
            hint="it is 'asyncio', or 'trio' where that is installed",
        )
    session = getattr(session, "_session", session)  # boto3 keeps botocore's there
    if getattr(session, "_credentials", None) is not None:
        raise InvalidConfigurationError(
            "it has credentials already", source=_SOURCE, hint="install before the first client is made"
        )
    session.register_component("credential_provider", _Resolver(provider, session, backend))
    emitter = session.get_component("event_emitter")
    # Last, because the handlers of others may ask for something themselves. The ids keep it from happening twice.
    emitter.register_last("before-endpoint-resolution", note_address, unique_id="anycreds-address")
    emitter.register_last("before-sign", note_signing, unique_id="anycreds-signing")
    emitter.register_first("needs-retry", _repeat_if_expired, unique_id="anycreds-expired")


def _repeat_if_expired(**told: Any) -> int | None:
    return _at_once(repeat_if_expired(**told))


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine gives that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        answer: T = stop.value
        return answer
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} waits, and nobody is there to resume it")
