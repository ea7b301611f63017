"""Credentials of a role for a web identity token (OIDC), from an unsigned request to STS, or from the user's function.

The token is read at every attempt, because the program that writes its file replaces it before it expires. If STS says
that the token has expired, it is read once more: a newer one may have been written meanwhile.
"""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from ..._config.locations import Location, resolve_path
from ..._config.settings import Setting
from ..._core.callbacks import TokenFunction, WebIdentityAssumer
from ..._core.credentials import Credentials
from ..._core.disk_cache_key import DiskCacheKey
from ..._core.errors import CredentialsError, InvalidConfigurationError, RetrievalError
from ..._core.io import Io, ReadFailure, Runtime
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_text
from ..._wire.text import decode_utf8
from ..service.callbacks import call_user_function, credentials_from_callback
from ..service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..service.retries import call_service, start_budget
from .cache_key import cache_name
from .parameters import LONGEST_TOKEN, Params
from .requests import FORM_TYPE, web_identity_form
from .responses import credentials_from, parse_error_response
from .settings import WebIdentityRole, web_identity_role

NAME = "web identity"

# Bytes. More than the longest token, so that a longer one is reported as too long, and not as an unreadable file.
_MAX_FILE_SIZE = 64 * 1024
# Seconds until a missing or empty file is read again. Kubernetes replaces a symbolic link in far less.
_REREAD_DELAYS = (0.05, 0.1, 0.2, 0.4)
_EXPIRED_TOKEN_CODES = frozenset(("ExpiredToken", "ExpiredTokenException"))


class WebIdentityOptions(NamedTuple):
    """The options of the user or the settings of a profile. What is None is read from the environment."""

    token: TokenFunction | str | None = None
    """The token, or a function that returns it; None if it is in a file."""
    token_file: Setting | None = None
    role_arn: Setting | None = None
    session_name: Setting | None = None
    params: Params = MappingProxyType({})
    """The other parameters of the call, validated."""
    assumer: WebIdentityAssumer | None = None
    only_options: bool = False
    """Never read the environment: the settings of a profile are not mixed with environment variables."""

    def __repr__(self) -> str:
        return "WebIdentityOptions(...)"  # the token is a secret


class _Role(NamedTuple):
    params: Params
    token_file: Setting | None
    description: str


class WebIdentityProvider(Provider):
    """The provider of ``from_web_token`` and ``from_token_file``, and of ``web_identity_token_file`` in a profile.

    See: AWS Security Token Service API Reference, "AssumeRoleWithWebIdentity",
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
    """

    __slots__ = ("_endpoints", "_options", "_timeout")

    def __init__(
        self, runtime: Runtime, options: WebIdentityOptions, endpoints: EndpointResolver, *, timeout: float = 5.0
    ) -> None:
        super().__init__(NAME, runtime)
        self._options = options
        self._endpoints = endpoints
        self._timeout = timeout

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        role = self._role(io)
        assumer = self._options.assumer
        if assumer is None:
            endpoint = await self._endpoints.resolve(io, context, "sts", NAME)
            assume = partial(self._call_sts, io, endpoint, role)
        else:
            assume = partial(_call_role_assumer, io, assumer, role)
        token = await self._token(io, role)
        try:
            return await assume((token,))
        except RetrievalError as error:
            newer = await self._newer_token(io, role, token) if error.code in _EXPIRED_TOKEN_CODES else None
            if newer is None:
                raise
        return await assume((newer, token))

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        options = self._options
        if options.token is not None or options.assumer is not None:  # a program may have a token for each of its users
            return None
        return DiskCacheKey(cache_name({**options.params, **_validated(self._role_in_file(io))}), NAME)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        sources: list[str] = []
        with suppress(CredentialsError):  # the error of the attempt describes it
            role = self._role(io)
            sources.append(role.description)
            if role.token_file is not None:
                file = resolve_path(role.token_file, io.environ(), io.home_directory, NAME)
                sources.append(f"token file {file.display_path} ({file.origin})")
        return sources

    def _role(self, io: Io) -> _Role:
        options = self._options
        params = {"RoleSessionName": f"anycreds-{io.time():.0f}", **options.params}
        if options.token is not None:
            return _Role(params, None, f"role {params['RoleArn']!r}")
        role = self._role_in_file(io)
        description = f"role {role.role_arn.value!r} ({role.role_arn.origin})"
        return _Role({**params, **_validated(role)}, role.token_file, description)

    def _role_in_file(self, io: Io) -> WebIdentityRole:
        options = self._options
        environ = {} if options.only_options else io.environ()
        return web_identity_role(environ, options.token_file, options.role_arn, options.session_name, NAME)

    async def _token(self, io: Io, role: _Role) -> str:
        if role.token_file is not None:
            return await _token_in_file(io, role.token_file)
        token: object = self._options.token
        if callable(token):
            token = await call_user_function(io, token, (), "web_identity_token", NAME)
        try:
            return check_text(str.strip(token) if isinstance(token, str) else token, LONGEST_TOKEN)
        except InvalidValueError as error:
            raise RetrievalError(f"the token that web_identity_token returned {error}", source=NAME) from None

    async def _newer_token(self, io: Io, role: _Role, expired: str) -> str | None:
        """Return another token than the expired one; None if there is none."""
        try:
            token = await self._token(io, role)
        except CredentialsError:
            return None  # the error of STS is the one to raise
        return None if token == expired else token

    async def _call_sts(self, io: Io, endpoint: ResolvedEndpoint, role: _Role, tokens: tuple[str, ...]) -> Credentials:
        """Call STS with the first token. None of the tokens may appear in an error."""
        body = web_identity_form({**role.params, "WebIdentityToken": tokens[0]})
        request = endpoint.request("POST", "/", {"Content-Type": FORM_TYPE}, self._timeout, body)
        budget = await start_budget(io, endpoint.attempts * self._timeout)
        result = await call_service(io, lambda _: request, parse_error_response, endpoint.attempts, budget)
        description = f"unable to assume {role.description}: AssumeRoleWithWebIdentity of {endpoint}"
        return credentials_from(result, "AssumeRoleWithWebIdentity", NAME, description, tokens)


async def _call_role_assumer(io: Io, assumer: WebIdentityAssumer, role: _Role, tokens: tuple[str, ...]) -> Credentials:
    params = deepcopy({**role.params, "WebIdentityToken": tokens[0]})  # the user's function may change it
    return await credentials_from_callback(io, assumer, (params,), "role_assumer_with_web_identity", NAME)


def _validated(role: WebIdentityRole) -> Params:
    """Return the parameters that are settings of the environment or of a profile."""
    settings = {"RoleArn": role.role_arn, "RoleSessionName": role.session_name}
    try:
        return {
            name: check_text(setting.value, field=f"{name} from {setting.origin}")
            for name, setting in settings.items()
            if setting is not None
        }
    except InvalidValueError as error:
        raise InvalidConfigurationError(str(error), source=NAME) from None


async def _token_in_file(io: Io, setting: Setting) -> str:
    file = resolve_path(setting, io.environ(), io.home_directory, NAME)
    description = f"the web identity token file {file.display_path} ({file.origin})"
    content = await _content(io, file)
    if isinstance(content, ReadFailure):
        # A missing file is no "not configured" either: a setting names it, and it may be written later.
        raise RetrievalError(f"{description} {content.detail}", source=NAME)
    try:
        return check_text(decode_utf8(content).strip(), LONGEST_TOKEN)  # a file ends with a newline, a token does not
    except InvalidValueError as error:
        raise RetrievalError(f"the content of {description} {error}", source=NAME) from None


async def _content(io: Io, file: Location) -> bytes | ReadFailure:
    """Read the file, and read it again while it is missing or empty, as it may be while it is replaced."""
    content = await io.read_file(file.path, _MAX_FILE_SIZE)
    for delay in _REREAD_DELAYS:
        is_absent = content.is_missing if isinstance(content, ReadFailure) else not content.strip()
        if not is_absent:
            break
        await io.sleep(delay)
        content = await io.read_file(file.path, _MAX_FILE_SIZE)
    return content
