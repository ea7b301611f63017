"""Credentials of a role in IAM Identity Center (SSO), for the token in the file that ``aws sso login`` writes.

The file is read at every attempt, so that a running program notices a new sign-in. A token that expires soon is
refreshed if possible. ``LoginRequiredError`` is raised only if there is no other way to a valid token.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from shlex import quote
from typing import NamedTuple

from ..._config.locations import Location
from ..._config.parser.sections import display_name
from ..._config.service_settings import DEFAULT_ATTEMPTS
from ..._config.settings import Setting
from ..._core.credentials import Credentials
from ..._core.disk_cache_key import DiskCacheKey
from ..._core.errors import CredentialsError, LoginRequiredError, strip_frames
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError
from ..._wire.service_errors import parse_json_error, service_error, transport_error
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import Budget, Result, call_service, is_transient, start_budget
from ..service.token_cache import LOCK_SECONDS, REFRESH_BUFFER, CachedToken, TokenCache
from ..service.token_file import token_location
from .api import (
    REFRESH_HEADERS,
    REFRESH_TARGET,
    bearer_headers,
    credentials_target,
    is_terminal,
    parse_credentials,
    parse_refresh_response,
    refresh_body,
)
from .settings import NAME, SsoSettings
from .token import SsoToken, cache_name, file_name, format_timestamp, parse_token

_DIRECTORY = Setting("~/.aws/sso/cache", "the path of the token file")
# The most service calls of one attempt: the portal, a refresh, and the portal with the new token.
_MAX_CALLS = 3


class SsoProvider(Provider):
    """The provider of a role in IAM Identity Center.

    See: AWS SDKs and Tools Reference Guide, "IAM Identity Center credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
    """

    __slots__ = ("_endpoints", "_settings", "_timeout", "_tokens")

    def __init__(
        self, runtime: Runtime, settings: SsoSettings, endpoints: EndpointResolver, timeout: float = 5.0
    ) -> None:
        super().__init__(NAME, runtime)
        self._settings = settings
        self._endpoints = endpoints
        self._timeout = timeout
        self._tokens = TokenCache(NAME, parse_token)

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        settings = self._settings
        file = self._file(io)
        portal = await self._endpoints.resolve(io, context, "sso", NAME, required_region=settings.region)
        budget = await start_budget(io, _MAX_CALLS * DEFAULT_ATTEMPTS * self._timeout + LOCK_SECONDS)
        attempt = _SsoAttempt(io, context, file, budget)
        token = await self._token(attempt)
        result = await self._request_credentials(attempt, portal, token)
        if isinstance(result, Response) and result.status == 401 and settings.session is not None:
            try:
                token = await self._token(attempt, rejected=token)
            except CredentialsError as error:
                strip_frames(error)
                log("providers.sso", "warning", "the portal rejected the token, and there is no other: %s", error)
            else:
                result = await self._request_credentials(attempt, portal, token)
        return self._parse(result, portal, token)

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey:
        settings = self._settings
        session = None if settings.session is None else settings.session.value
        name = cache_name(settings.account_id.value, settings.role_name.value, session, settings.start_url.value)
        return DiskCacheKey(name, NAME, provider_type="sso")

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        settings = self._settings
        role = f"sso_role_name ({settings.role_name.origin}), sso_start_url ({settings.start_url.origin})"
        sources = [f"{self._owner()}, {role}"]
        with suppress(CredentialsError):
            sources.append(f"token file {self._file(io).display_path}")
        return sources

    def _file(self, io: Io) -> Location:
        key = self._settings.session or self._settings.start_url
        return token_location(io, _DIRECTORY, file_name(key.value), NAME)

    async def _token(self, attempt: _SsoAttempt, rejected: SsoToken | None = None) -> SsoToken:
        """Return a token that has not expired, and is not the one that the portal has rejected."""

        def is_valid_for(seconds: float, token: SsoToken) -> bool:
            is_rejected = rejected is not None and token.access_token == rejected.access_token
            return not is_rejected and token.expires_at - attempt.io.time() > seconds

        try:
            cached = await self._tokens.load(attempt.io, attempt.file)
        except InvalidValueError as error:
            raise self._login_required(f"no SSO token found for {self._owner()}: {error}") from None
        if is_valid_for(REFRESH_BUFFER, cached.token):
            return cached.token
        token, reason = cached.token, ""
        try:
            token = await self._refreshed(attempt, cached, partial(is_valid_for, REFRESH_BUFFER))
        except InvalidValueError as error:
            reason = f"; it cannot be refreshed, because {error}"
        except CredentialsError as error:
            if not is_valid_for(0, token):
                raise
            strip_frames(error)
            left = token.expires_at - attempt.io.time()
            log("providers.sso", "warning", "%s; using the token, which is valid for %.0f s more", error, left)
        if is_valid_for(0, token):
            return token
        is_expired = token.expires_at <= attempt.io.time()
        state = f"has expired (at {format_timestamp(token.expires_at)})" if is_expired else "was rejected by the portal"
        raise self._login_required(f"{self._token_name(attempt.file)} {state}{reason}")

    async def _refreshed(
        self, attempt: _SsoAttempt, cached: CachedToken[SsoToken], is_usable: Callable[[SsoToken], bool]
    ) -> SsoToken:
        """Return a new token. Raise ``InvalidValueError`` if the token cannot be refreshed."""
        if self._settings.session is None:
            raise InvalidValueError("sso_session is not set")
        cached.token.check_refreshable(attempt.io.time())
        return await self._tokens.refresh(attempt.io, cached, is_usable, partial(self._request_token, attempt))

    async def _request_token(self, attempt: _SsoAttempt, io: Io, token: SsoToken) -> dict[str, str]:
        """Refresh a token. Return the changes to the document in its file."""
        attempt = attempt._replace(io=io)
        token.check_refreshable(io.time())
        region = self._settings.region
        oidc = await self._endpoints.resolve(io, attempt.context, "sso-oidc", NAME, required_region=region)
        request = oidc.request("POST", REFRESH_TARGET, REFRESH_HEADERS, self._timeout, refresh_body(token))
        result = await self._send(attempt, oidc, request, token)
        description = f"the refresh of {self._token_name(attempt.file)}, by {oidc},"
        if isinstance(result, TransportFailure):
            hint = f"if this continues, run: {self._command()}"
            raise transport_error(result, NAME, description, hint)
        if result.status == 200:
            return parse_refresh_response(result, io.time(), NAME)
        response = parse_json_error(result, token.secrets)
        error = service_error(result, response, NAME, description)
        if is_transient(result, response) or not is_terminal(result, response):
            raise error
        raise self._login_required(error.message, response.status, response.code)

    async def _request_credentials(self, attempt: _SsoAttempt, portal: ResolvedEndpoint, token: SsoToken) -> Result:
        target = credentials_target(self._settings.account_id.value, self._settings.role_name.value)
        request = portal.request("GET", target, bearer_headers(token.access_token), self._timeout)
        return await self._send(attempt, portal, request, token)

    async def _send(
        self, attempt: _SsoAttempt, endpoint: ResolvedEndpoint, request: Request, token: SsoToken
    ) -> Result:
        # Each call has its own part of the budget: a refresh that fails slowly must leave time for the portal.
        budget = Budget(attempt.io, min(endpoint.attempts * self._timeout, attempt.budget.left()))
        parse_error = partial(parse_json_error, secrets=token.secrets)
        return await call_service(attempt.io, lambda _: request, parse_error, endpoint.attempts, budget)

    def _parse(self, result: Result, portal: ResolvedEndpoint, token: SsoToken) -> Credentials:
        account, role = self._settings.account_id, self._settings.role_name
        description = (
            f"the request for role {display_name(role.value)} ({role.origin}) in account {display_name(account.value)} "
            f"({account.origin}), to {portal},"
        )
        if isinstance(result, TransportFailure):
            raise transport_error(result, NAME, description)
        if result.status == 200:
            return parse_credentials(result, account.value, NAME)
        response = parse_json_error(result, token.secrets)
        hint = f"assign the signed-in user to this role in this account, or correct {account.origin} and {role.origin}"
        hints = {response.code or "": hint} if result.status in (403, 404) else None
        error = service_error(result, response, NAME, description, hints)
        if result.status == 401:
            raise self._login_required(error.message, response.status, response.code)
        raise error

    def _login_required(self, message: str, status: int | None = None, code: str | None = None) -> LoginRequiredError:
        command = self._command()
        return LoginRequiredError(
            message, command=command, status=status, code=code, source=NAME, hint=f"run: {command}"
        )

    def _command(self) -> str:
        """Return the shell command that signs the user in."""
        settings = self._settings
        if settings.profile is not None and settings.profile.isprintable():
            return f"aws sso login --profile {quote(settings.profile)}"
        if settings.session is not None and settings.session.value.isprintable():
            return f"aws sso login --sso-session {quote(settings.session.value)}"
        return "aws sso login"

    def _token_name(self, file: Location) -> str:
        return f"the SSO token for {self._owner()} in {file.display_path}"

    def _owner(self) -> str:
        """Return what the token belongs to, for display."""
        session = self._settings.session
        if session is None:
            return f"the start URL from {self._settings.start_url.origin}"
        return f"sso-session {display_name(session.value)} ({session.origin})"


class _SsoAttempt(NamedTuple):
    """What all steps of one attempt need."""

    io: Io
    context: ClientContext
    file: Location
    budget: Budget
