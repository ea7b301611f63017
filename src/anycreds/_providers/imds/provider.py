"""The provider of EC2 instance metadata: three requests, for a token, the name of the role, and its credentials.

IMDSv1, without a token, is used only if the service responds to the token request that it has none (403, 404, 405). It
is used after a timeout only where a setting allows it explicitly, and never after another failure: an attacker who can
delay packets could otherwise force the weaker protocol.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._config.service_settings import ProfileViews
from ..._core.credentials import Credentials
from ..._core.errors import CredentialsError, MetadataUnreachableError, NotConfiguredError, RetrievalError
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.static_stability import extended
from ..._wire.credential_documents import parse_credentials
from ..._wire.service_errors import http_error, transport_error
from ..._wire.urls import is_link_local_or_loopback
from ..service.retries import Budget, send_with_retries, start_budget
from .api import ImdsToken, imdsv1_token, parse_role_name, parse_token, token_request
from .settings import (
    HOP_LIMIT_HINT,
    NAME,
    NO_ROLE_HINT,
    NOT_EC2_HINT,
    ImdsOptions,
    ImdsSettings,
    needs_profile,
    resolve_imds_settings,
)

_EXCHANGES = 3
# A cached token saves one exchange. If the service rejects it, at the second exchange at worst, three more are needed.
_EXTRA_EXCHANGES = 2


class _Attempt(NamedTuple):
    io: Io
    budget: Budget
    settings: ImdsSettings


class InstanceMetadataProvider(Provider):
    """The provider of ``from_instance_metadata``.

    Args:
        runtime: What it runs on.
        options: The options of ``from_instance_metadata``.
        files: The shared files.
        profile: The profile whose settings count; None for the profile of the client, ``AWS_PROFILE``, or ``default``.

    See: AWS SDKs and Tools Reference Guide, "IMDS credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
    """

    __slots__ = (
        "_files",
        "_has_succeeded",
        "_has_warned",
        "_options",
        "_profile",
        "_token",
    )

    def __init__(
        self,
        runtime: Runtime,
        options: ImdsOptions,
        *,
        files: ProfileViews,
        profile: str | None = None,
    ) -> None:
        super().__init__(NAME, runtime)
        self._options = options
        self._files = files
        self._profile = profile
        self._token: ImdsToken | None = None
        self._has_succeeded = False
        self._has_warned = False

    def _allows_stale(self, credentials: Credentials) -> bool:
        return credentials.source == NAME

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        settings = await self._resolve_settings(io, context)
        if not self._has_warned and not is_link_local_or_loopback(settings.url):
            self._has_warned = True
            message = "the EC2 metadata endpoint %s (from %s) is neither link-local nor on this machine"
            log("providers.imds", "warning", message, settings.url.origin, settings.origin)
        exchange_timeout = (1 + settings.max_retries) * settings.timeout
        is_plain = token_request(settings.url, settings.timeout).is_plain  # and so are the other two
        budget = await start_budget(io, _EXCHANGES * exchange_timeout, plain=is_plain)
        attempt = _Attempt(io, budget, settings)
        cached = self._cached_token(io, settings)
        credentials = None if cached is None else await self._request_with_cached_token(attempt, cached)
        if credentials is None:
            if cached is not None:
                budget.extend(_EXTRA_EXCHANGES * exchange_timeout)
            credentials = await self._request_credentials(attempt, await self._request_token(attempt))
        self._has_succeeded = True
        return _extend_if_expired(credentials, io.time(), io.jitter())

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        try:
            settings = await self._resolve_settings(io, context)
        except CredentialsError:
            return []  # the attempt raises the same error
        return [f"{settings.url.origin} (from {settings.origin})"]

    async def _resolve_settings(self, io: Io, context: ClientContext) -> ImdsSettings:
        view = None
        if needs_profile(io.environ(), self._options):
            view = await self._files.view(io, context.profile, self._profile)
        return resolve_imds_settings(io.environ(), self._options, view)

    def _cached_token(self, io: Io, settings: ImdsSettings) -> ImdsToken | None:
        token = self._token
        if token is None or token.base != settings.url or (token.token is None and settings.v1_disabled_by):
            return None
        is_valid = io.time() < token.wall_expiration and io.monotonic() < token.monotonic_expiration
        return token if is_valid else None

    async def _request_with_cached_token(self, attempt: _Attempt, token: ImdsToken) -> Credentials | None:
        """Return the credentials; None if the service rejects the token."""
        try:
            return await self._request_credentials(attempt, token)
        except RetrievalError as error:
            if error.status != 401:
                raise
        return None

    async def _request_credentials(self, attempt: _Attempt, token: ImdsToken) -> Credentials:
        request = token.role_request(attempt.settings.timeout)
        response = await self._send(attempt, request, _describe(request), expected=(200, 404))
        self._token = token  # also that of IMDSv1 after a timeout, now that the service has responded
        role = "" if response.status == 404 else parse_role_name(response, NAME)
        if not role:
            error = NotConfiguredError("no role attached to this EC2 instance", source=NAME, hint=NO_ROLE_HINT)
            error._source_was_called = True
            raise error
        # Without the name of the role: a text from a response must not be in a message.
        description = f"{_describe(request)}<role>"
        response = await self._send(attempt, token.role_request(attempt.settings.timeout, role), description)
        return parse_credentials(response, NAME, () if token.token is None else (token.token,))

    async def _request_token(self, attempt: _Attempt) -> ImdsToken:
        io, budget, settings = attempt
        wall, monotonic = io.time(), io.monotonic()  # before the request, so that no token is used for too long
        request = token_request(settings.url, settings.timeout)
        response = await send_with_retries(io, request, settings.max_retries, budget)
        if isinstance(response, TransportFailure):
            if response.kind == "timeout" and settings.v1_allowed_by is not None:
                message = "the token request of EC2 metadata timed out; IMDSv1 is used, which %s allows"
                log("providers.imds", "warning", message, settings.v1_allowed_by)
                return imdsv1_token(settings.url)
            raise self._unreachable_error(response, f"{_describe(request)} (from {settings.origin})")
        if response.status in (403, 404, 405):
            _check_v1_allowed(settings, response.status)
            self._token = imdsv1_token(settings.url)
        elif response.status == 200:
            self._token = parse_token(response, settings.url, wall, monotonic, NAME)
        else:
            raise http_error(response, NAME, _describe(request))
        return self._token

    async def _send(
        self, attempt: _Attempt, request: Request, description: str, expected: tuple[int, ...] = (200,)
    ) -> Response:
        response = await send_with_retries(attempt.io, request, attempt.settings.max_retries, attempt.budget)
        if isinstance(response, TransportFailure):
            if self._token is None:  # the token request timed out, too
                raise self._unreachable_error(response, description)
            raise transport_error(response, NAME, description)
        if response.status == 401:
            self._token = None  # the service has rejected it, even if it is new
        if response.status not in expected:
            raise http_error(response, NAME, description, tuple(request.headers.values()))
        return response

    def _unreachable_error(self, failure: TransportFailure, description: str) -> CredentialsError:
        """Return the error for a first request without a response: there is no service, unless it has ever worked."""
        error = transport_error(failure, NAME, description)
        if self._has_succeeded or failure.kind == "too large":
            return error
        # The response to a token request does not pass the hop limit, or a proxy resets the connection.
        hint = NOT_EC2_HINT if failure.kind == "unreachable" else HOP_LIMIT_HINT
        return MetadataUnreachableError(error.message, source=NAME, hint=hint)


def _check_v1_allowed(settings: ImdsSettings, status: int) -> None:
    if (disabled_by := settings.v1_disabled_by) is not None:
        message = f"the service has no session tokens (status {status}), and IMDSv1 is disabled by {disabled_by}"
        raise RetrievalError(message, status=status, source=NAME)


def _describe(request: Request) -> str:
    return f"{request.method} {request.url}"  # the paths are the same everywhere, and contain no secret


def _extend_if_expired(credentials: Credentials, now: float, jitter: float) -> Credentials:
    """Return credentials that have not expired. The service returns expired ones if its own source is down."""
    expiration = credentials.expiration
    if expiration is None or expiration.timestamp() > now:
        return credentials
    message = "EC2 metadata returned credentials that expired at %s; they are used for some more minutes"
    log("providers.imds", "warning", message, expiration.isoformat())
    return extended(credentials, now, jitter)
