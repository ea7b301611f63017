"""Credentials of a role for a web identity token (OIDC), asked from STS without signature, or from the program itself.

The token is read anew at every attempt. Whoever puts it into a file replaces it in time, and the file may be away for
a moment then. If STS says that a token has ended, it is read once more: a newer one may just have come.
"""

from __future__ import annotations

from copy import deepcopy
from types import MappingProxyType
from typing import Any, NamedTuple

from ..._config.locations import Location, resolve_path
from ..._config.settings import Setting
from ..._core.callbacks import TokenFunction, WebIdentityAssumer
from ..._core.credentials import Credentials
from ..._core.errors import CredentialsError, InvalidConfigurationError, RetrievalError, strip_frames
from ..._core.http import Response, TransportFailure
from ..._core.io import Io, ReadFailure, Runtime
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_text, check_timeout_and_retries
from ..._wire.service_errors import service_error, transport_error
from ..service.callbacks import call_user_function, credentials_from_callback
from ..service.calling import call
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import GRACE, start_budget
from .parameters import LONGEST_TOKEN, Params, WebIdentityRole, web_identity_role
from .requests import FORM_TYPE, web_identity_form
from .responses import HINTS, parse_credentials, parse_error_response

NAME = "web identity"

_FILE_LIMIT = 64 * 1024  # bytes: room enough to say that there is too much
# Seconds until a file that is away is looked for again: Kubernetes replaces a link in far less.
_GAPS = (0.05, 0.1, 0.2, 0.4)
_TOKEN_ENDED = frozenset(("ExpiredToken", "ExpiredTokenException"))
# The function of a program that gives a token has no other bound.
_TOKEN_TIME = 30.0
# As long as a flight: the program's own function has no other bound.
_HOOK_TIME = 60.0
# A file server that takes longer than this for three small files is down.
_FILES_TIME = 10.0


class WebIdentityOptions(NamedTuple):
    """What a program or profile says; what is None and not given is read from the environment."""

    token: TokenFunction | str | None = None
    """The token itself or what returns it; None: it is in a file."""
    token_file: Setting | None = None
    role_arn: Setting | None = None
    session_name: Setting | None = None
    params: Params = MappingProxyType({})
    """More parameters of the call, checked."""
    assumer: WebIdentityAssumer | None = None
    only_options: bool = False
    """Never read the environment: a profile's settings are never mixed with it."""

    def __repr__(self) -> str:
        return "WebIdentityOptions(...)"  # the token is a secret


class _Role(NamedTuple):
    params: Params
    token_file: Setting | None
    told: str


class WebIdentityProvider(Provider):
    """What ``from_web_token`` and ``from_token_file`` make, and ``from_ini`` for ``web_identity_token_file``.

    ``timeout``: seconds for one exchange with STS.
    Follows the AWS STS API reference, "AssumeRoleWithWebIdentity", and the AWS "SDKs and Tools" reference, page
    "Assume role with web identity".
    """

    __slots__ = ("_endpoints", "_options", "_timeout")

    def __init__(
        self, runtime: Runtime, options: WebIdentityOptions, endpoints: EndpointResolver, *, timeout: float = 5.0
    ) -> None:
        super().__init__(NAME, runtime)
        check_timeout_and_retries(timeout, 0, NAME)
        self._options = options
        self._endpoints = endpoints
        self._timeout = timeout

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        role = self._role(io)
        endpoint = await self._place(io, context)
        if isinstance(endpoint, InvalidConfigurationError):
            raise endpoint
        token = await self._token(io, role)
        try:
            return await self._exchanged(io, endpoint, role, token)
        except RetrievalError as error:
            if error.code not in _TOKEN_ENDED or isinstance(self._options.token, str):
                raise
            try:
                newer = await self._token(io, role)
            except CredentialsError as newer_error:
                strip_frames(newer_error)
                newer = token
            if newer == token:
                raise
        return await self._exchanged(io, endpoint, role, newer, token)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        try:
            role = self._role(io)
        except CredentialsError:
            return []  # the error of the attempt says what is wrong
        if role.token_file is None:
            return [role.told]
        try:
            file = resolve_path(role.token_file, io.environ(), io.home_directory, NAME)
        except InvalidConfigurationError:
            return [role.told]
        return [role.told, f"token file {file.display_path} ({file.origin})"]

    async def _place(self, io: Io, context: ClientContext) -> ResolvedEndpoint | InvalidConfigurationError | None:
        """Return where STS is called; None: it is not, as the program does that itself."""
        if self._options.assumer is not None:
            return None
        with io.deadline(_FILES_TIME, self.name):
            return await self._endpoints.resolve(io, context, "sts", NAME)

    def _role(self, io: Io) -> _Role:
        options = self._options
        params = {"RoleSessionName": f"anycreds-{io.time():.0f}", **options.params}
        if options.token is not None:
            return _Role(params, None, f"role {params['RoleArn']!r}")
        environ = {} if options.only_options else io.environ()
        found = web_identity_role(environ, options.token_file, options.role_arn, options.session_name, NAME)
        return _with_file(found, params)

    async def _token(self, io: Io, role: _Role) -> str:
        if role.token_file is not None:
            with io.deadline(_FILES_TIME, self.name):
                return await _token_in_file(io, role.token_file)
        token: Any = self._options.token
        if not isinstance(token, str):
            with io.deadline(_TOKEN_TIME, "web_identity_token"):
                token = await call_user_function(token, (), "web_identity_token", NAME)
        if isinstance(token, CredentialsError):
            raise token
        try:
            return check_text(str.strip(token) if isinstance(token, str) else token, LONGEST_TOKEN)
        except InvalidValueError as error:
            raise RetrievalError(f"the token that web_identity_token gave {error}", source=NAME) from None

    async def _exchanged(
        self, io: Io, endpoint: ResolvedEndpoint | None, role: _Role, token: str, before: str = ""
    ) -> Credentials:
        params = {**role.params, "WebIdentityToken": token}
        if endpoint is None:
            told = "role_assumer_with_web_identity"
            assert self._options.assumer is not None  # else there is a place
            params = deepcopy(params)  # the program may change what it is given
            with io.deadline(_HOOK_TIME, told):
                assumed = await credentials_from_callback(self._options.assumer, (params,), told, NAME)
            if isinstance(assumed, CredentialsError):
                raise assumed
            return assumed
        body = web_identity_form(params)

        request = endpoint.request("POST", "/", {"Content-Type": FORM_TYPE}, self._timeout, body)
        seconds = endpoint.attempts * self._timeout
        with io.deadline(seconds + GRACE, self.name):
            answer = await call(
                io, lambda _now: request, parse_error_response, endpoint.attempts, await start_budget(io, seconds)
            )
        return _read(answer, f"AssumeRoleWithWebIdentity for {role.told} of {endpoint}", (token, before))


def _with_file(found: WebIdentityRole, params: Params) -> _Role:
    named = {"RoleArn": found.role_arn, "RoleSessionName": found.session_name}
    given = {name: setting for name, setting in named.items() if setting is not None}
    for name, setting in given.items():
        try:
            check_text(setting.value, field=f"{name} from {setting.origin}")
        except InvalidValueError as error:
            raise InvalidConfigurationError(str(error), source=NAME) from None
    values = {name: setting.value for name, setting in given.items()}
    told = f"role {found.role_arn.value!r} ({found.role_arn.origin})"
    return _Role({**params, **values}, found.token_file, told)


async def _token_in_file(io: Io, setting: Setting) -> str:
    endpoint = resolve_path(setting, io.environ(), io.home_directory, NAME)
    content = await _content(io, endpoint)
    told = f"the web identity token file {endpoint.display_path} ({endpoint.origin})"
    if isinstance(content, ReadFailure):
        # Also where it is not there: it is named, and whoever waits for it can ask again.
        raise RetrievalError(f"{told} {content.detail}", source=NAME)
    try:
        token = content.decode("utf-8").strip()  # files end with a newline, which no token has
    except UnicodeDecodeError:
        raise RetrievalError(f"{told} is not UTF-8 text", source=NAME) from None
    try:
        return check_text(token, LONGEST_TOKEN)
    except InvalidValueError as error:
        raise RetrievalError(f"the content of {told} {error}", source=NAME) from None


async def _content(io: Io, endpoint: Location) -> bytes | ReadFailure:
    """Read the file; while it is away or empty, as it may be in the middle of a rotation, look again for a moment."""
    content = await io.read_file(endpoint.path, _FILE_LIMIT)
    for pause in _GAPS:
        is_away = content.is_missing if isinstance(content, ReadFailure) else not content.strip()
        if not is_away:
            break
        await io.sleep(pause)
        content = await io.read_file(endpoint.path, _FILE_LIMIT)
    return content


def _read(answer: Response | TransportFailure, asked: str, secrets: tuple[str, ...]) -> Credentials:
    if isinstance(answer, TransportFailure):
        raise transport_error(answer, NAME, asked)
    if answer.status != 200:
        raise service_error(answer, parse_error_response(answer, secrets), NAME, asked, HINTS)
    return parse_credentials(answer, "AssumeRoleWithWebIdentity", NAME, secrets)
