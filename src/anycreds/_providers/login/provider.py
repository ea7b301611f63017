"""Credentials of the session that ``aws login`` created, from its file, which the AWS CLI and other SDKs share.

The file is read at every attempt, so that a running program notices a new sign-in and another process's refresh.
Credentials that are still valid are returned even if their refresh fails.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING

from ..._config.locations import Location
from ..._config.settings import Setting, first_set
from ..._core.credentials import Credentials
from ..._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    RetrievalError,
    strip_frames,
)
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_text
from ..._wire.service_errors import service_error, transport_error
from ..service.endpoint_resolution import EndpointResolver
from ..service.retries import call_service, start_budget
from ..service.token_cache import REFRESH_BUFFER, CachedToken, TokenCache
from ..service.token_file import Document, token_location
from .api import (
    HINTS,
    REFRESH_HEADERS,
    REFRESH_TARGET,
    is_terminal,
    oauth_error,
    parse_error_response,
    parse_refresh_response,
    refresh_body,
)
from .dpop import dpop_proof
from .dpop_keys import CryptographyMissingError, load_key
from .token import LoginToken, file_name, parse_token

if TYPE_CHECKING:
    from .signing_key import SigningKey

NAME = "login"
_DIRECTORY_VARIABLE = "AWS_LOGIN_CACHE_DIRECTORY"
_DIRECTORY = Setting("~/.aws/login/cache", "the default location")
# The time for a refresh with all its retries, in exchanges: as many as AWS's default number of attempts.
_MAX_EXCHANGES = 3


class LoginProvider(Provider):
    """The provider of a profile with ``login_session``.

    A refresh token can be used once. Even so, the request is retried after a server error or a broken connection. If
    the service has used the token up, then its successor was lost with the response, and a retry changes nothing. If
    it has not, the retry saves the session.

    See: AWS SDKs and Tools Reference Guide, "Login credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-login-credentials.html
    """

    __slots__ = ("_endpoints", "_profile", "_session", "_timeout", "_tokens")

    def __init__(
        self,
        runtime: Runtime,
        session: Setting,
        endpoints: EndpointResolver,
        profile: str | None = None,
        *,
        timeout: float = 5.0,
    ) -> None:
        super().__init__(NAME, runtime)
        self._session = session
        self._endpoints = endpoints
        self._profile = profile
        self._timeout = timeout
        self._tokens: TokenCache[LoginToken] = TokenCache(NAME, partial(parse_token, source=NAME))

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        file = self._file(io)
        try:
            cached = await self._tokens.load(io, file)
        except InvalidValueError as error:
            raise self._no_token(error) from None
        if _is_usable(cached.token, io):
            return cached.token.credentials
        try:
            return await self._refreshed(io, context, file, cached)
        except CredentialsError as error:
            strip_frames(error)
            newest = cached.token
            with suppress(InvalidValueError):  # another process may have refreshed it
                newest = max(newest, (await self._tokens.load(io, file)).token, key=lambda token: token.expires_at)
            left = newest.expires_at - io.time()
            if left <= 0:
                raise
            message = "%s; using the credentials, which are valid for %.0f s more"
            log("providers.login", "warning", message, error, left)
            return newest.credentials

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        sources = [f"login_session ({self._session.origin})"]
        with suppress(CredentialsError):
            file = self._file(io)
            sources.append(f"token file {file.display_path} ({file.origin})")
        return sources

    def _file(self, io: Io) -> Location:
        try:
            check_text(self._session.value)
        except InvalidValueError as error:
            message = f"login_session from {self._session.origin} {error}"
            raise InvalidConfigurationError(message, source=NAME) from None
        directory = first_set(io.environ(), _DIRECTORY_VARIABLE) or _DIRECTORY
        return token_location(io, directory, file_name(self._session.value), NAME)

    async def _refreshed(
        self, io: Io, context: ClientContext, file: Location, cached: CachedToken[LoginToken]
    ) -> Credentials:
        request = partial(self._request_token, context, file)
        try:
            token = await self._tokens.refresh(io, cached, lambda token: _is_usable(token, io), request)
        except InvalidValueError as error:
            raise self._no_token(error) from None
        if token.expires_at > io.time():
            return token.credentials
        raise RetrievalError(
            "the refreshed credentials have already expired",
            source=NAME,
            hint="try again in 30 s; if this repeats, set the clock of this machine",
        )

    async def _request_token(self, context: ClientContext, file: Location, io: Io, token: LoginToken) -> Document:
        """Refresh a token. Return the changes to the document in its file."""
        region = Setting(token.region, f"signInRegion in {file.display_path}") if token.region else None
        endpoint = await self._endpoints.resolve(io, context, "signin", NAME, required_region=region)
        key = await self._load_key(io, file, token)
        sent_at = io.time()

        def make_request(now: float) -> Request:
            nonlocal sent_at
            sent_at = io.time()  # the lifetime of the new credentials begins later, so this is never too late
            request = endpoint.request("POST", REFRESH_TARGET, REFRESH_HEADERS, self._timeout, refresh_body(token))
            proof = dpop_proof(key, request.method, request.url, now, io.new_uuid())
            return request._replace(headers={**REFRESH_HEADERS, "DPoP": proof})

        parse_error = partial(parse_error_response, secrets=token.secrets)
        budget = await start_budget(io, _MAX_EXCHANGES * self._timeout)
        result = await call_service(io, make_request, parse_error, endpoint.attempts, budget)
        description = f"CreateOAuth2Token of {endpoint}"
        if isinstance(result, TransportFailure):
            raise transport_error(result, NAME, description, "check that this program can reach the endpoint")
        if result.status != 200:
            raise self._service_error(result, description, token)
        return parse_refresh_response(result, token, sent_at, NAME)

    async def _load_key(self, io: Io, file: Location, token: LoginToken) -> SigningKey:
        try:
            return await io.run_in_thread(load_key, token.dpop_key)
        except CryptographyMissingError as error:
            message = f"refreshing the credentials requires cryptography, which {error}"
            raise InvalidConfigurationError(message, source=NAME, hint="install anycreds[login]") from None
        except InvalidValueError as error:
            raise self._login_required(f"dpopKey in {file.display_path} {error}") from None

    def _service_error(self, response: Response, description: str, token: LoginToken) -> RetrievalError:
        parsed = parse_error_response(response, token.secrets)
        error = service_error(response, parsed, NAME, description, HINTS)
        if not is_terminal(response, parsed):
            return error
        return self._login_required(error.message, HINTS.get(oauth_error(response) or ""), parsed.status, parsed.code)

    def _no_token(self, error: InvalidValueError) -> LoginRequiredError:
        return self._login_required(f"no login token found for login_session ({self._session.origin}): {error}")

    def _login_required(
        self, message: str, hint: str | None = None, status: int | None = None, code: str | None = None
    ) -> LoginRequiredError:
        command = login_command(self._profile)
        hint = f"run: {command}" if hint is None else f"{hint}; run: {command}"
        return LoginRequiredError(message, command=command, status=status, code=code, source=NAME, hint=hint)


def _is_usable(token: LoginToken, io: Io) -> bool:
    return token.expires_at - io.time() > REFRESH_BUFFER


def login_command(profile: str | None) -> str:
    """Return the shell command that signs the user in."""
    if profile is None or profile == "default" or not profile.isprintable():
        return "aws login"
    return f"aws login --profile {quote(profile)}"
