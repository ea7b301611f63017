"""The provider of container credentials: one GET request, with a token in its ``Authorization`` header."""

from __future__ import annotations

from collections.abc import Mapping

from ..._config.settings import Setting
from ..._core.credentials import Credentials
from ..._core.errors import CredentialsError, InvalidConfigurationError, strip_frames
from ..._core.http import Request, TransportFailure
from ..._core.io import Io, ReadFailure, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_header_safe
from ..._wire.credential_documents import parse_credentials
from ..._wire.service_errors import http_error, transport_error
from ..._wire.text import decode_utf8
from ..._wire.urls import is_link_local_or_loopback
from ..service.retries import send_with_retries, start_budget
from .settings import NAME, PAIRS, VARIABLES, container_variables, resolve_endpoint

# Bytes. The token is one HTTP header of a few KiB.
_MAX_TOKEN_FILE_SIZE = 64 * 1024
_UNREACHABLE_HINT = "check that the endpoint is running and that this program can connect to it"


class ContainerProvider(Provider):
    """The provider of ``from_container_metadata`` and ``from_http``.

    Args:
        runtime: What it runs on.
        options: The result of ``container_options``; if it is empty, the environment variables count.
        timeout: Seconds for one HTTP exchange.
        max_retries: How often a transient failure is retried.

    See: AWS SDKs and Tools Reference Guide, "Container credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """

    __slots__ = ("_has_warned", "_max_retries", "_options", "_timeout")

    def __init__(
        self,
        runtime: Runtime,
        options: Mapping[str, Setting] | None = None,
        *,
        timeout: float = 1.0,
        max_retries: int = 0,
    ) -> None:
        super().__init__(NAME, runtime)
        self._options = options
        self._timeout = timeout
        self._max_retries = max_retries
        self._has_warned = False

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        settings = self._settings(io)
        endpoint = resolve_endpoint(settings)
        token = await _read_token(io, settings)
        self._warn_about_unused(settings, token)
        headers = {"Accept": "application/json"} | ({} if token is None else {"Authorization": token})
        direct = is_link_local_or_loopback(endpoint.url)
        request = Request("GET", endpoint.url, headers, self._timeout, direct=direct)
        budget = await start_budget(io, (1 + self._max_retries) * self._timeout, plain=request.is_plain)
        response = await send_with_retries(io, request, self._max_retries, budget)
        if isinstance(response, TransportFailure):
            raise transport_error(response, NAME, str(endpoint), _UNREACHABLE_HINT)
        # An endpoint may repeat the token in an error, with or without its scheme.
        secrets = () if token is None else (token, token.rpartition(" ")[2])
        if response.status != 200:
            raise http_error(response, NAME, str(endpoint), secrets)
        return parse_credentials(response, NAME, secrets, may_be_permanent=True)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        settings = self._settings(io)
        uri = settings.get("relative_uri") or settings.get("full_uri")
        if uri is None:
            return []
        try:
            endpoint = resolve_endpoint(settings)
            sources = [f"{endpoint.url.origin} (from {endpoint.origin})"]
        except CredentialsError as error:
            strip_frames(error)  # a rejected URL may contain a secret
            sources = [uri.origin]
        token = settings.get("authorization_token_file") or settings.get("authorization_token")
        return sources if token is None else [*sources, f"with the token from {token.origin}"]

    def _settings(self, io: Io) -> Mapping[str, Setting]:
        return self._options or container_variables(io.environ())

    def _warn_about_unused(self, settings: Mapping[str, Setting], token: str | None) -> None:
        """Log once which variables are ignored, unless both contain the same token, as ``anycreds serve`` sets them."""
        if self._has_warned:
            return
        self._has_warned = True
        for used, ignored in PAIRS:
            if used in settings and ignored in settings and settings[ignored].value != token:
                names = VARIABLES[used], VARIABLES[ignored], VARIABLES[ignored]
                log("providers.container", "warning", "%s and %s are both set; %s is ignored", *names)


async def _read_token(io: Io, settings: Mapping[str, Setting]) -> str | None:
    """Return the token; None if none is set. Its file is read at every attempt, since ECS and EKS replace it."""
    content: str | bytes | ReadFailure
    if (file := settings.get("authorization_token_file")) is not None:
        # A path has a separator. A value without one may be the token itself, in the wrong variable.
        is_path = "/" in file.value or "\\" in file.value
        subject = f"{file.origin} names {repr(file.value) if is_path else 'a file without its directory'}, which"
        content = await io.read_file(file.value, _MAX_TOKEN_FILE_SIZE)
    elif (variable := settings.get("authorization_token")) is not None:
        subject, content = variable.origin, variable.value
    else:
        return None
    try:
        return check_header_safe(_decode_token(content))
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{subject} {error}", source=NAME) from None


def _decode_token(content: str | bytes | ReadFailure) -> str:
    if isinstance(content, ReadFailure):
        raise InvalidValueError(f"cannot be read: {content.detail}")
    if isinstance(content, str):
        return content
    text = decode_utf8(content)
    # Editors and ``echo`` add one line break at the end of a file. It is not a part of the token.
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
