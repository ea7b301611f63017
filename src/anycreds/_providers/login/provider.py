"""Credentials of ``aws login``, from its cache file, and renewed in there: the AWS CLI and other SDKs share it.

What is still valid is never withheld because a refresh has gone wrong. The file is read anew at every attempt, so that
a new sign-in, or another process's refresh, counts at once.
"""

from __future__ import annotations

from ..._config.locations import Location
from ..._config.settings import Setting, first_set
from ..._core.credentials import Credentials, InvalidReason, invalid_reason
from ..._core.durations import timeout_and_retries_reason
from ..._core.errors import CredentialsError, InvalidConfigurationError, LoginRequiredError, RetrievalError
from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._wire.credential_documents import transport_error
from ..._wire.service_errors import service_error
from ..service.calling import call
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import start_budget
from ..service.token_cache import Document, Held, TokenFiles, token_file
from .api import (
    HINTS,
    TARGET,
    LoginToken,
    changes_in,
    file_name,
    is_for_good,
    parse_error_response,
    refresh_body,
    token_in,
    word_in,
)
from .dpop import proof
from .dpop_keys import NotInstalled, load_key

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
        if problem := timeout_and_retries_reason(timeout, 0):
            raise InvalidConfigurationError(problem, source=NAME)
        self._session = session
        self._endpoints = endpoints
        self._profile = profile
        self._timeout = timeout
        self._files: TokenFiles[LoginToken] = TokenFiles(NAME, _token_in)

    async def _load(self, io: Io, context: ClientContext) -> Credentials | CredentialsError:
        file = self._file(io)
        if isinstance(file, CredentialsError):
            return file
        held = await self._files.load(io, file)
        if isinstance(held, InvalidReason):
            return self._sign_in(str(held))
        if held.token.ends - io.time() > _ENOUGH:
            return held.token.credentials
        found = await self._renewed(io, context, file, held)
        if isinstance(found, Credentials):
            return found
        return await self._still_valid(io, file, held.token, found) or found

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        file = self._file(io)
        shown = [f"token file {file.display_path} ({file.origin})"] if isinstance(file, Location) else []
        return [f"login_session ({self._session.origin})", *shown]

    def _file(self, io: Io) -> Location | InvalidConfigurationError:
        if problem := invalid_reason(self._session.value):
            return InvalidConfigurationError(f"login_session from {self._session.origin} {problem}", source=NAME)
        directory = first_set(io.environ(), _DIRECTORY_VARIABLE) or _DIRECTORY
        return token_file(io, directory, file_name(self._session.value), NAME)

    async def _renewed(
        self, io: Io, context: ClientContext, file: Location, held: Held[LoginToken]
    ) -> Credentials | CredentialsError:
        async def refresh(token: LoginToken) -> Document | CredentialsError:
            return await self._refresh(io, context, file, token)

        found = await self._files.renew(io, file, held, lambda token: token.ends - io.time() > _ENOUGH, refresh)
        if isinstance(found, InvalidReason):
            return self._sign_in(str(found))
        if isinstance(found, CredentialsError):
            return found
        if found.ends > io.time():
            return found.credentials
        hint = "try again in half a minute; if they always end at once, this machine's clock is wrong"
        return RetrievalError("the credentials have ended, right after they were renewed", source=NAME, hint=hint)

    async def _still_valid(
        self, io: Io, file: Location, token: LoginToken, error: CredentialsError
    ) -> Credentials | None:
        """Return the set that lasts longest in spite of an error, if one still does."""
        newest = await self._files.load(io, file)  # another process may have been luckier
        if not isinstance(newest, InvalidReason) and newest.token.ends > token.ends:
            token = newest.token
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
        endpoint = await self._endpoints.resolve(io, context, "signin", NAME, fixed=fixed)
        if isinstance(endpoint, CredentialsError):
            return endpoint
        key = await io.run_in_thread(load_key, token.key)
        if isinstance(key, InvalidReason):
            return self._wrong_key(key, file)
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
        answer = await call(
            io, request, lambda response: parse_error_response(response, secrets), endpoint.attempts, budget
        )
        if isinstance(answer, TransportFailure):
            return transport_error(
                answer, NAME, f"CreateOAuth2Token of {endpoint}", "check that this program can reach it"
            )
        if answer.status != 200:
            return self._refusal(answer, endpoint, secrets)
        return changes_in(answer, token, asked_at, NAME)

    def _refusal(self, answer: Response, endpoint: ResolvedEndpoint, secrets: tuple[str, ...]) -> RetrievalError:
        told = parse_error_response(answer, secrets)
        error = service_error(answer, told, NAME, f"CreateOAuth2Token of {endpoint}", HINTS)
        if not is_for_good(answer, told):
            return error
        return self._sign_in(error.message, HINTS.get(word_in(answer) or ""), told.status, told.code)

    def _wrong_key(self, problem: InvalidReason, file: Location) -> CredentialsError:
        if isinstance(problem, NotInstalled):
            return InvalidConfigurationError(
                f"renewing these credentials needs cryptography, which {problem}",
                source=NAME,
                hint="install anycreds[login]",
            )
        return self._sign_in(f"dpopKey in {file.display_path} {problem}")

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


def _token_in(document: Document) -> LoginToken | InvalidReason:
    return token_in(document, NAME)
