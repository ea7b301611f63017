"""Credentials from an HTTP endpoint near the program: ECS tasks, EKS pod identity, or whatever the options name.

Explicit options and the environment never mix, so that a token from one cannot travel to the address of the other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from .._config.settings import Setting
from .._core.credentials import Credentials, InvalidReason
from .._core.durations import timeout_and_retries_reason
from .._core.errors import CredentialsError, ForbiddenEndpointError, InvalidConfigurationError, NotConfiguredError
from .._core.header_values import header_problem
from .._core.http import Request, Response, TransportFailure
from .._core.io import Io, ReadFailure, Runtime
from .._core.logs import log
from .._core.provider import ClientContext, Provider
from .._wire.credential_documents import credentials_from, http_error, read_object, transport_error
from .._wire.urls import ALLOWED_FOR_CONTAINERS, Url, container_problem, is_direct, parse, relative
from .container_settings import PAIRS, VARIABLES, container_options, container_variables
from .service.retries import send_with_retries, start_budget

NAME = "container credentials"
# A token is one HTTP header, of some KiB at most.
_TOKEN_FILE_LIMIT = 64 * 1024


class ContainerProvider(Provider):
    """What ``from_http`` and ``from_container_metadata`` make; the latter has no options, only the environment.

    ``timeout``: seconds for one exchange. ``max_retries``: how often a transient failure is tried again.
    Raises ``InvalidConfigurationError`` for options that contradict each other.
    Follows the AWS "SDKs and Tools" reference, page "Container credential provider".
    """

    __slots__ = ("_options", "_retries", "_timeout", "_warned")

    def __init__(
        self,
        runtime: Runtime,
        *,
        full_uri: str | None = None,
        relative_uri: str | None = None,
        authorization_token: str | None = None,
        authorization_token_file: str | os.PathLike[str] | None = None,
        timeout: float = 1.0,
        max_retries: int = 0,
    ) -> None:
        super().__init__(NAME, runtime)
        options = container_options(
            {
                "relative_uri": relative_uri,
                "full_uri": full_uri,
                "authorization_token": authorization_token,
                "authorization_token_file": authorization_token_file,
            }
        )
        problem = timeout_and_retries_reason(timeout, max_retries) or (
            options if isinstance(options, InvalidReason) else None
        )
        if problem is not None:
            del full_uri, relative_uri, authorization_token, options  # a traceback keeps this frame
            raise InvalidConfigurationError(problem, source=NAME)
        assert not isinstance(options, InvalidReason)
        self._options = options
        self._timeout = timeout
        self._retries = max_retries
        self._warned = False

    def _time(self) -> float:
        return (1 + self._retries) * self._timeout  # there is one exchange

    async def _load(self, io: Io, context: ClientContext) -> Credentials | CredentialsError:
        budget = await start_budget(io, self._time())
        settings = self._options or container_variables(io.environ())
        place = _place(settings)
        if isinstance(place, CredentialsError):
            return place
        self._warn_of_unused(settings)
        headers = await _headers(io, settings)
        if isinstance(headers, CredentialsError):
            return headers
        request = Request("GET", place.url, headers, self._timeout, direct=is_direct(place.url))
        answer = await send_with_retries(io, request, self._retries, budget)
        token = headers.get("Authorization", "")
        return _read(answer, place, (token, token.rpartition(" ")[2]))  # a server may repeat it without its scheme

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        settings = self._options or container_variables(io.environ())
        place, named = _place(settings), settings.get("relative_uri") or settings.get("full_uri")
        if named is None:
            return []
        token = settings.get("authorization_token_file") or settings.get("authorization_token")
        # Of what may not be asked, nothing is known to be fit for showing.
        where = named.origin if isinstance(place, CredentialsError) else f"{place.url.origin} (from {place.origin})"
        return [where, *([] if token is None else [f"with the token from {token.origin}"])]

    def _warn_of_unused(self, settings: Mapping[str, Setting]) -> None:
        """Log which variables are set in vain, once."""
        both = [] if self._warned else [pair for pair in PAIRS if settings.keys() >= set(pair)]
        self._warned = True
        for used, unused in both:
            used_name, unused_name = VARIABLES[used], VARIABLES[unused]
            message = "%s and %s are both set; %s is used"
            log("providers.container", "warning", message, used_name, unused_name, used_name)


class _Place(NamedTuple):
    url: Url
    origin: str

    def __str__(self) -> str:
        return f"GET {self.url.origin} (from {self.origin})"  # without the path: on ECS it is as good as the keys


def _place(settings: Mapping[str, Setting]) -> _Place | CredentialsError:
    """Decide what to ask, and whether it may be asked."""
    setting = settings.get("relative_uri") or settings.get("full_uri")
    if setting is None:
        names = " nor ".join(VARIABLES[name] for name in PAIRS[0])
        return NotConfiguredError(f"neither {names} is set", source=NAME)
    url = relative(setting.value) if "relative_uri" in settings else parse(setting.value)
    if isinstance(url, InvalidReason):
        return InvalidConfigurationError(f"{setting.origin} {url}", source=NAME)
    if problem := container_problem(url):
        return ForbiddenEndpointError(
            f"{setting.origin} {problem}", source=NAME, hint=f"allowed are {ALLOWED_FOR_CONTAINERS}"
        )
    return _Place(url, setting.origin)


async def _headers(io: Io, settings: Mapping[str, Setting]) -> dict[str, str] | InvalidConfigurationError:
    """Return the headers to send. The token file is read at every attempt: whoever writes it replaces it in time."""
    headers = {"Accept": "application/json"}
    setting = settings.get("authorization_token_file") or settings.get("authorization_token")
    if setting is None:
        return headers
    token: str | InvalidReason = setting.value
    told = setting.origin
    if "authorization_token_file" in settings:
        # A path has a separator. What has none may be the token itself, in the wrong variable.
        is_path = "/" in setting.value or "\\" in setting.value
        told = f"{setting.origin} names {repr(setting.value) if is_path else 'a file without its directory'}, which"
        token = _text_of(await io.read_file(setting.value, _TOKEN_FILE_LIMIT))
    if problem := token if isinstance(token, InvalidReason) else header_problem(token):
        return InvalidConfigurationError(f"{told} {problem}", source=NAME)
    headers["Authorization"] = token
    return headers


def _text_of(content: bytes | ReadFailure) -> str | InvalidReason:
    if isinstance(content, ReadFailure):
        return InvalidReason(f"cannot be read: {content.detail}")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return InvalidReason("is not UTF-8 text")
    # Editors and echo end a file with one newline, which is not a part of the token.
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _read(
    answer: Response | TransportFailure, place: _Place, secrets: tuple[str, ...]
) -> Credentials | CredentialsError:
    if isinstance(answer, TransportFailure):
        return transport_error(
            answer, NAME, str(place), "check that the endpoint runs and that this program can reach it"
        )
    if answer.status != 200:
        return http_error(answer, NAME, str(place), secrets)
    document = read_object(answer, NAME)
    if isinstance(document, CredentialsError):
        return document
    return credentials_from(document, NAME, secrets, may_be_lasting=True)
