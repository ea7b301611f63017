"""Credentials for each attempt of a botocore request, with one account in its host and its signature.

botocore gets the account id and the keys in two calls that do not name the request. Later it does not say which keys
signed a request. Its events name the request that a task works on, and a context variable carries it to the two calls.
What is known of a request is in botocore's own context dict of that request.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import Any

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.errors import InvalidConfigurationError
from .._core.frozen_credentials import FrozenCredentials
from .._core.provider import NO_CONTEXT, ClientContext

# The error codes for an expired session: S3 and STS; JSON services; EC2.
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_KEY = "anycreds"  # of ``RequestState`` in botocore's context of a request

# botocore's context of the request whose endpoint this task resolves, or that this task signs.
_request: ContextVar[dict[str, Any] | None] = ContextVar("anycreds_botocore_request", default=None)


class RequestState:
    """The credentials of one request, through all its attempts."""

    __slots__ = ("endpoint_credentials", "provider", "signing_credentials", "was_retried")

    def __init__(self, provider: CachedProvider) -> None:
        self.provider = provider
        self.endpoint_credentials: Credentials | None = None
        """The credentials whose account id is in the host; None if no account id is."""
        self.signing_credentials: Credentials | None = None
        self.was_retried = False
        """Whether the request was sent again because its session had expired."""

    def __deepcopy__(self, memo: object) -> RequestState:
        return self  # botocore copies whole requests to presign a part of them


class AttemptCredentials:
    """The credentials object of a session: each attempt of a request gets the credentials that are valid then.

    ``await session.get_credentials()`` returns it. ``provider`` is cached, for the session's region and profile.
    """

    __slots__ = ("provider",)

    method = "anycreds"  # the source of the credentials in botocore's logs

    def __init__(self, provider: CachedProvider) -> None:
        self.provider = provider

    async def get_frozen_credentials(self) -> FrozenCredentials:
        """Return the credentials to sign with. Raises ``CredentialsError``."""
        context = _request.get()
        _request.set(None)
        credentials = await self.provider()
        if context is not None:
            state = _request_state(context, self.provider)
            resolved = state.endpoint_credentials
            if resolved is not None and resolved.account_id != credentials.account_id:
                credentials = resolved  # the host names that account and rejects keys of another
            state.signing_credentials = credentials
        return FrozenCredentials(credentials)

    async def get_account_id(self) -> str | None:
        """Return the current account id, for account-based endpoints; None if unknown. Raises ``CredentialsError``."""
        credentials = await self.provider()
        context = _request.get()
        if context is not None and credentials.account_id is not None:
            _request_state(context, self.provider).endpoint_credentials = credentials
        return credentials.account_id

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """Return a function that returns the property; only ``account_id`` is known."""
        return self.get_account_id if name == "account_id" else partial(getattr, self, name, None)

    def __repr__(self) -> str:
        return f"<credentials of {self.provider!r}>"


def on_endpoint_resolution(context: dict[str, Any] | None = None, **_: Any) -> None:
    """Handle ``before-endpoint-resolution``: note the request whose endpoint this task resolves."""
    _request.set(context)


def on_before_sign(request: Any = None, **_: Any) -> None:
    """Handle ``before-sign``: note the request that this task signs."""
    _request.set(request.context)


async def retry_if_expired(response: Any = None, request_dict: Any = None, **_: Any) -> int | None:
    """Handle ``needs-retry``: return 0 (seconds) to retry with new credentials after an expired session, else None."""
    state: RequestState | None = request_dict["context"].get(_KEY)
    if state is None or state.signing_credentials is None or not is_expired_response(response):
        return None
    expired, resolved = state.signing_credentials, state.endpoint_credentials
    state.provider.invalidate(expired)
    if state.was_retried or not rewind(request_dict.get("body")):
        return None
    fresh = await state.provider()
    if (fresh.access_key_id, fresh.session_token) == (expired.access_key_id, expired.session_token):
        return None  # the same credentials would get the same response
    if resolved is not None and resolved.account_id != fresh.account_id:
        return None  # the host names an account for which there are no keys any more
    state.was_retried = True
    return 0


def connect_session(session: Any, source: str, load: Callable[[], Any], retry: Callable[..., Any]) -> None:
    """Let the clients that a session creates from now on use our credentials; ``retry`` handles ``needs-retry``.

    The session calls ``load`` once, for its first client. Raises ``InvalidConfigurationError`` if it has credentials.
    """
    if getattr(session, "_credentials", None) is not None:
        raise InvalidConfigurationError(
            "the session has credentials already, which it would continue to use",
            source=source,
            hint="install the provider before the first client is created",
        )
    session.register_component("credential_provider", SimpleNamespace(load_credentials=load))
    emitter = session.get_component("event_emitter")
    # Last, because the handlers of other code may make requests themselves. Each id is registered only once.
    emitter.register_last("before-endpoint-resolution", on_endpoint_resolution, unique_id="anycreds-endpoint")
    emitter.register_last("before-sign", on_before_sign, unique_id="anycreds-signing")
    emitter.register_first("needs-retry", retry, unique_id="anycreds-expired")


def client_context(session: Any) -> ClientContext:
    """Return the region and profile that were set on a session, without those of files and environment variables.

    The session's default client configuration takes precedence over its variables, as in botocore.
    """
    variables = session.instance_variables()
    region = getattr(session.get_default_client_config(), "region_name", None) or variables.get("region")
    return ClientContext(region=region or None, profile=variables.get("profile") or None)


def for_session(provider: CachedProvider, session: Any) -> CachedProvider:
    """Return the provider for a session's region and profile; a provider that has a context already keeps it."""
    return provider if provider._context != NO_CONTEXT else provider.for_client(client_context(session))


def is_expired_response(response: Any) -> bool:
    """Return whether a response of ``needs-retry`` has an error code for an expired session."""
    return response is not None and response[1].get("Error", {}).get("Code") in EXPIRED_CODES


def rewind(body: Any) -> bool:
    """Return whether a request body can be sent again; a stream is then at its start."""
    if body is None or isinstance(body, bytes | bytearray | str | dict):
        return True
    try:
        body.seek(0)
    except Exception:  # noqa: BLE001 - a stream is user code, which may raise anything
        return False
    return True


def _request_state(context: dict[str, Any], provider: CachedProvider) -> RequestState:
    state: RequestState | None = context.get(_KEY)
    if state is None or state.provider is not provider:
        state = context[_KEY] = RequestState(provider)
    return state
