"""Credentials of a role at IAM Identity Center (SSO), with the token that ``aws sso login`` left in its file.

The file is read at every attempt, so that a sign-in heals a running program. A token that is about to end is refreshed
if its file allows that; only where nothing else helps a person has to sign in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..._config.locations import Location
from ..._config.parser.sections import display_name
from ..._config.service_settings import DEFAULT_ATTEMPTS
from ..._config.settings import Setting
from ..._core.credentials import Credentials
from ..._core.durations import to_datetime
from ..._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    strip_frames,
)
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_timeout_and_retries
from ..._wire.service_errors import parse_json_error, service_error, transport_error
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import Budget, call_service, is_transient, start_budget
from ..service.token_cache import LOCK_SECONDS, Held, TokenFiles, token_file
from .portal import bearer_headers, credentials_target, parse_credentials
from .settings import NAME, SsoSettings
from .token import (
    REFRESH_TARGET,
    SsoToken,
    file_name,
    parse_refresh_response,
    parse_token,
    refresh_body,
    refresh_fields,
)

_FOLDER = Setting("~/.aws/sso/cache", "the path of the token file")
# Seconds before its end from which on a token is refreshed, as in JavaScript and Rust.
_EARLY = 5 * 60.0
# A refresh, the portal, and the portal once more with another token.
_EXCHANGES = 3
# OIDC's words for a token or a registration that is of no use any more; without one, it may not have been OIDC.
_FOR_GOOD = frozenset(
    (
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientException",
        "InvalidGrantException",
        "InvalidRequestException",
        "UnauthorizedClientException",
        "access_denied",
        "expired_token",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "unauthorized_client",
    )
)
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


class SsoProvider(Provider):
    """What ``from_sso`` makes, and ``from_ini`` for profiles with ``sso_account_id`` and ``sso_role_name``.

    ``timeout``: seconds for one exchange, with the portal or with OIDC.
    Raises ``InvalidConfigurationError`` for a ``timeout`` that cannot be right.
    Follows the AWS "SDKs and Tools" reference, page "IAM Identity Center credential provider".
    """

    __slots__ = ("_endpoints", "_settings", "_timeout", "_tokens")

    def __init__(
        self, runtime: Runtime, settings: SsoSettings, endpoints: EndpointResolver, timeout: float = 5.0
    ) -> None:
        super().__init__(NAME, runtime)
        check_timeout_and_retries(timeout, 0, NAME)
        self._settings = settings
        self._endpoints = endpoints
        self._timeout = timeout
        self._tokens = TokenFiles(NAME, parse_token)

    def _time(self) -> float:
        return _EXCHANGES * DEFAULT_ATTEMPTS * self._timeout + LOCK_SECONDS

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        settings = self._settings
        file = self._file(io)
        if isinstance(file, InvalidConfigurationError):
            raise file
        portal = await self._endpoints.resolve(io, context, "sso", NAME, required_region=settings.region)
        run = _Run(io, context, file, await start_budget(io, self._time()))
        token = await self._token(run, None)
        answer = await self._asked(run, portal, token)
        if isinstance(answer, Response) and answer.status == 401 and settings.session is not None:
            try:
                token = await self._token(run, token)
            except CredentialsError as error:
                strip_frames(error)
                log("providers.sso", "warning", "the portal rejected the token, and there is no other: %s", error)
            else:
                answer = await self._asked(run, portal, token)
        return self._read(answer, portal, token)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        settings, file = self._settings, self._file(io)
        role = f"sso_role_name ({settings.role_name.origin}), sso_start_url ({settings.start_url.origin})"
        return [f"{self._told()}, {role}", *([f"token file {file.display_path}"] if isinstance(file, Location) else [])]

    def _file(self, io: Io) -> Location | InvalidConfigurationError:
        named = self._settings.session or self._settings.start_url
        return token_file(io, _FOLDER, file_name(named.value), NAME)

    async def _token(self, run: _Run, rejected: SsoToken | None) -> SsoToken:
        """Return a token that has not ended, and is not the one that the portal has rejected."""
        refused_token = None if rejected is None else rejected.access_token

        def is_good_for(seconds: float, token: SsoToken) -> bool:
            return token.access_token != refused_token and token.end - run.io.time() > seconds

        try:
            held = await self._tokens.load(run.io, run.file)
        except InvalidValueError as error:
            raise self._login_required(f"there is no token of {self._told()}: {error}") from None
        if is_good_for(_EARLY, held.token):
            return held.token
        newest: SsoToken | CredentialsError | InvalidValueError
        try:
            newest = await self._renewed(run, held, partial(is_good_for, _EARLY))
        except InvalidValueError as error:
            newest = error
        token = newest if isinstance(newest, SsoToken) else held.token
        if is_good_for(0, token):
            if isinstance(newest, CredentialsError):
                log("providers.sso", "warning", "the token is used until it ends, but: %s", newest)
            return token
        if isinstance(newest, CredentialsError):
            raise newest
        end = "is rejected" if token.end > run.io.time() else f"ended at {to_datetime(token.end):%Y-%m-%dT%H:%M:%SZ}"
        why = f"; {newest}" if isinstance(newest, InvalidValueError) else ""
        raise self._login_required(f"the token of {self._told()} in {run.file.display_path} {end}{why}")

    async def _renewed(
        self, run: _Run, held: Held[SsoToken], is_enough: Callable[[SsoToken], bool]
    ) -> SsoToken | CredentialsError:
        if self._settings.session is None:
            raise InvalidValueError("without sso_session no token is refreshed")
        refresh_fields(held.token, run.io.time())
        return await self._tokens.renew(run.io, run.file, held, is_enough, partial(self._refreshed, run))

    async def _refreshed(self, run: _Run, token: SsoToken) -> dict[str, str] | CredentialsError:
        """Refresh a token: what has to change in its file, or what went wrong."""
        try:
            fields = refresh_fields(token, run.io.time())
        except InvalidValueError as invalid:
            message = f"the token of {self._told()} in {run.file.display_path} is not refreshed: {invalid}"
            return self._login_required(message)
        try:
            endpoint = await self._endpoints.resolve(
                run.io, run.context, "sso-oidc", NAME, required_region=self._settings.region
            )
        except InvalidConfigurationError as invalid:  # a token that is still valid is used in spite of it
            return invalid.with_traceback(None)
        request = endpoint.request("POST", REFRESH_TARGET, _JSON, self._timeout, refresh_body(fields))
        answer = await self._exchanged(run, endpoint, request, token)
        asked = f"the refresh of the token of {self._told()} in {run.file.display_path}, by {endpoint},"
        if isinstance(answer, TransportFailure):
            return transport_error(answer, NAME, asked, f"if that lasts, sign in again: {self._command()}")
        if answer.status == 200:
            try:
                return parse_refresh_response(answer, run.io.time(), NAME)
            except MalformedResponseError as malformed:
                strip_frames(malformed)
                return malformed
        told = parse_json_error(answer, token.secrets())
        error = service_error(answer, told, NAME, asked)
        if is_transient(answer, told) or not (answer.status == 401 or told.code in _FOR_GOOD):
            return error  # a proxy's word, say: signing in would not help
        return self._login_required(error.message, told.status, told.code)

    async def _asked(self, run: _Run, portal: ResolvedEndpoint, token: SsoToken) -> Response | TransportFailure:
        target = credentials_target(self._settings.account_id.value, self._settings.role_name.value)
        request = portal.request("GET", target, bearer_headers(token.access_token), self._timeout)
        return await self._exchanged(run, portal, request, token)

    async def _exchanged(
        self, run: _Run, endpoint: ResolvedEndpoint, request: Request, token: SsoToken
    ) -> Response | TransportFailure:
        # No call may use up what the next one needs: a token that still serves must not be of no use for its refresh.
        budget = Budget(run.io, min(endpoint.attempts * self._timeout, run.budget.left()))
        secrets = token.secrets()
        return await call_service(
            run.io, lambda _: request, lambda one: parse_json_error(one, secrets), endpoint.attempts, budget
        )

    def _read(self, answer: Response | TransportFailure, portal: ResolvedEndpoint, token: SsoToken) -> Credentials:
        account, role = self._settings.account_id, self._settings.role_name
        asked = (
            f"the request for role {display_name(role.value)} ({role.origin}) in account {display_name(account.value)} "
            f"({account.origin}), to {portal},"
        )
        if isinstance(answer, TransportFailure):
            raise transport_error(answer, NAME, asked)
        if answer.status == 200:
            return parse_credentials(answer, account.value, NAME)
        told = parse_json_error(answer, token.secrets())
        hint = f"whoever has signed in needs access to this account with this role; {account.origin} and {role.origin}"
        hints = {told.code or "": f"{hint} say which"} if answer.status in (403, 404) else None
        error = service_error(answer, told, NAME, asked, hints)
        raise self._login_required(error.message, told.status, told.code) if answer.status == 401 else error

    def _login_required(self, message: str, status: int | None = None, code: str | None = None) -> LoginRequiredError:
        command = self._command()
        return LoginRequiredError(
            message, command=command, status=status, code=code, source=NAME, hint=f"sign in: {command}"
        )

    def _command(self) -> str:
        from shlex import quote  # only for who has to sign in

        if self._settings.profile is not None and self._settings.profile.isprintable():
            return f"aws sso login --profile {quote(self._settings.profile)}"
        if self._settings.session is not None and self._settings.session.value.isprintable():
            return f"aws sso login --sso-session {quote(self._settings.session.value)}"
        return "aws sso login"

    def _told(self) -> str:
        """Return who has signed in, and what says so, for people."""
        session = self._settings.session
        if session is None:
            return f"the start URL from {self._settings.start_url.origin}"
        return f"sso-session {display_name(session.value)} ({session.origin})"


class _Run(NamedTuple):
    """What all steps of one attempt need."""

    io: Io
    context: ClientContext
    file: Location
    budget: Budget
