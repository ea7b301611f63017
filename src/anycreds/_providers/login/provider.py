"""Credentials of ``aws login``, from its cache file, and renewed in there: the AWS CLI and other SDKs share it.

What is still valid is never withheld because a refresh has gone wrong. The file is read anew at every attempt, so that
a new sign-in, or another process's refresh, counts at once.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from ..._config.locations import Location
from ..._config.settings import Setting, first_set
from ..._core.credentials import Credentials
from ..._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    LoginRequiredError,
    MalformedResponseError,
    RetrievalError,
    strip_frames,
)
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_text, check_timeout_and_retries
from ..._wire.service_errors import service_error, transport_error
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import call_service, start_budget
from ..service.token_cache import Document, Held, TokenFiles, token_file
from .api import (
    HINTS,
    TARGET,
    LoginToken,
    file_name,
    is_for_good,
    parse_error_response,
    parse_refresh_response,
    parse_token,
    refresh_body,
    word_in,
)
from .dpop import proof
from .dpop_keys import CryptographyMissingError, load_key

NAME = "login"
_DIRECTORY_VARIABLE = "AWS_LOGIN_CACHE_DIRECTORY"
_DIRECTORY = Setting("~/.aws/login/cache", "the default location")
# All SDKs renew these credentials when they have five of their fifteen minutes left.
_ENOUGH = 5 * 60.0
# One refresh may take as long as so many exchanges, whatever the number of attempts that is configured.
_EXCHANGES = 3
# For what reads, writes and waits beside that: files on a slow disk, and the importing of cryptography.
_FILES = 5.0
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class LoginProvider(Provider):
    """What a profile with ``login_session`` means.

    ``profile`` is its name, for the command that a person is told to run; None: the default one. ``timeout``: seconds
    for one exchange.

    A refresh token is good for one refresh, and yet a refresh is repeated after a server error or a broken connection,
    as all calls are. If such an attempt has used the token up, then its successor went down with the answer, and
    nothing is lost by asking again; if it has not, asking again is what saves the session.

    Raises ``InvalidConfigurationError`` for a ``timeout`` that cannot be right.
    Follows the AWS "SDKs and Tools" reference, page "Login credentials provider".
    """

    __slots__ = ("_endpoints", "_files", "_profile", "_session", "_timeout")

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
        check_timeout_and_retries(timeout, 0, NAME)
        self._session = session
        self._endpoints = endpoints
        self._profile = profile
        self._timeout = timeout
        self._files: TokenFiles[LoginToken] = TokenFiles(NAME, partial(parse_token, source=NAME))

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        file = self._file(io)
        try:
            held = await self._files.load(io, file)
        except InvalidValueError as error:
            raise self._sign_in(str(error)) from None
        if held.token.ends - io.time() > _ENOUGH:
            return held.token.credentials
        try:
            return await self._renewed(io, context, file, held)
        except CredentialsError as error:
            strip_frames(error)
            if valid := await self._still_valid(io, file, held.token, error):
                return valid
            raise

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        shown = [f"login_session ({self._session.origin})"]
        with suppress(CredentialsError):
            file = self._file(io)
            shown.append(f"token file {file.display_path} ({file.origin})")
        return shown

    def _file(self, io: Io) -> Location:
        try:
            check_text(self._session.value)
        except InvalidValueError as error:
            message = f"login_session from {self._session.origin} {error}"
            raise InvalidConfigurationError(message, source=NAME) from None
        directory = first_set(io.environ(), _DIRECTORY_VARIABLE) or _DIRECTORY
        file = token_file(io, directory, file_name(self._session.value), NAME)
        if isinstance(file, InvalidConfigurationError):
            raise file
        return file

    async def _renewed(self, io: Io, context: ClientContext, file: Location, held: Held[LoginToken]) -> Credentials:
        async def refresh(token: LoginToken) -> Document | CredentialsError:
            return await self._refresh(io, context, file, token)

        try:
            found = await self._files.renew(io, file, held, lambda token: token.ends - io.time() > _ENOUGH, refresh)
        except InvalidValueError as error:
            raise self._sign_in(str(error)) from None
        if isinstance(found, CredentialsError):
            raise found
        if found.ends > io.time():
            return found.credentials
        hint = "try again in half a minute; if they always end at once, this machine's clock is wrong"
        raise RetrievalError("the credentials have ended, right after they were renewed", source=NAME, hint=hint)

    async def _still_valid(
        self, io: Io, file: Location, token: LoginToken, error: CredentialsError
    ) -> Credentials | None:
        """Return the set that lasts longest in spite of an error, if one still does."""
        with suppress(InvalidValueError):
            newest = await self._files.load(io, file)  # another process may have refreshed the token meanwhile
            token = max(token, newest.token, key=lambda one: one.ends)
        left = token.ends - io.time()
        if left <= 0:
            return None
        log("providers.login", "warning", "%s; the old credentials are used, which last for %.0f s more", error, left)
        return token.credentials

    async def _refresh(
        self, io: Io, context: ClientContext, file: Location, token: LoginToken
    ) -> Document | CredentialsError:
        """Ask the service once, and return what changes in the file."""
        fixed = Setting(token.region, f"signInRegion in {file.display_path}") if token.region else None
        try:
            endpoint = await self._endpoints.resolve(io, context, "signin", NAME, required_region=fixed)
        except CredentialsError as error:  # credentials that are still valid are used in spite of it
            return error.with_traceback(None)
        try:
            key = await io.run_in_thread(load_key, token.key)
        except InvalidValueError as error:
            return self._wrong_key(error, file)
        body = refresh_body(token)
        asked_at = io.time()

        def request(now: float) -> Request:
            nonlocal asked_at
            asked_at = io.time()  # the new credentials last from some later moment on
            bare = endpoint.request("POST", TARGET, _HEADERS, self._timeout, body)
            proven = proof(key, bare.method, bare.url, now, io.new_uuid())
            return bare._replace(headers={**_HEADERS, "DPoP": proven})

        secrets = token.secrets
        budget = await start_budget(io, _EXCHANGES * self._timeout)
        answer = await call_service(
            io, request, lambda response: parse_error_response(response, secrets), endpoint.attempts, budget
        )
        if isinstance(answer, TransportFailure):
            return transport_error(
                answer, NAME, f"CreateOAuth2Token of {endpoint}", "check that this program can reach it"
            )
        if answer.status != 200:
            return self._refusal(answer, endpoint, secrets)
        try:
            return parse_refresh_response(answer, token, asked_at, NAME)
        except MalformedResponseError as error:
            strip_frames(error)
            return error

    def _refusal(self, answer: Response, endpoint: ResolvedEndpoint, secrets: tuple[str, ...]) -> RetrievalError:
        told = parse_error_response(answer, secrets)
        error = service_error(answer, told, NAME, f"CreateOAuth2Token of {endpoint}", HINTS)
        if not is_for_good(answer, told):
            return error
        return self._sign_in(error.message, HINTS.get(word_in(answer) or ""), told.status, told.code)

    def _wrong_key(self, error: InvalidValueError, file: Location) -> CredentialsError:
        if isinstance(error, CryptographyMissingError):
            return InvalidConfigurationError(
                f"renewing these credentials needs cryptography, which {error}",
                source=NAME,
                hint="install anycreds[login]",
            )
        return self._sign_in(f"dpopKey in {file.display_path} {error}")

    def _sign_in(
        self, message: str, reason: str | None = None, status: int | None = None, code: str | None = None
    ) -> LoginRequiredError:
        command = login_command(self._profile)
        hint = f"run: {command}" if reason is None else f"{reason}; run: {command}"
        return LoginRequiredError(message, command=command, status=status, code=code, source=NAME, hint=hint)


def login_command(profile: str | None) -> str:
    """Return what a person has to run in a shell to sign in."""
    if profile is None or profile == "default" or not profile.isprintable():
        return "aws login"
    import shlex  # only here: most programs never load it through us

    return f"aws login --profile {shlex.quote(profile)}"
