"""Credentials from an HTTP endpoint near the program: ECS tasks, EKS pod identity, or whatever the options name.

Explicit options and the environment never mix, so that a token from one cannot travel to the address of the other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from .._config.settings import Setting
from .._core.credentials import Credentials
from .._core.errors import (
    CredentialsError,
    ForbiddenEndpointError,
    InvalidConfigurationError,
    NotConfiguredError,
    strip_frames,
)
from .._core.http import Request, Response, TransportFailure, Url
from .._core.io import Io, ReadFailure, Runtime
from .._core.logs import log
from .._core.provider import ClientContext, Provider
from .._core.validation import InvalidValueError, check_header_safe, check_timeout_and_retries
from .._wire.credential_documents import parse_credentials
from .._wire.service_errors import http_error, transport_error
from .._wire.text import decode_utf8
from .._wire.urls import address_bytes, is_link_local_or_loopback, is_loopback, parse_relative_uri, parse_url
from .container_settings import PAIRS, VARIABLES, container_options, container_variables
from .service.retries import send_with_retries, start_budget

NAME = "container credentials"
# A token is one HTTP header, of some KiB at most.
_TOKEN_FILE_LIMIT = 64 * 1024
# The addresses from which ECS and EKS serve credentials, as 169.254.170.2, 169.254.170.23 and fd00:ec2::23.
_CONTAINER_HOSTS = (bytes((169, 254, 170, 2)), bytes((169, 254, 170, 23)), bytes.fromhex("fd000ec2" + "00" * 11 + "23"))
_ALLOWED = "https, or http to localhost, 127.0.0.0/8, [::1], 169.254.170.2, 169.254.170.23, [fd00:ec2::23]"


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
        check_timeout_and_retries(timeout, max_retries, NAME)
        self._options = container_options(
            {
                "relative_uri": relative_uri,
                "full_uri": full_uri,
                "authorization_token": authorization_token,
                "authorization_token_file": authorization_token_file,
            },
            NAME,
        )
        self._timeout = timeout
        self._retries = max_retries
        self._warned = False

    def _time(self) -> float:
        return (1 + self._retries) * self._timeout  # there is one exchange

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        budget = await start_budget(io, self._time())
        settings = self._options or container_variables(io.environ())
        place = _place(settings)
        headers = await _headers(io, settings)
        request = Request("GET", place.url, headers, self._timeout, direct=is_link_local_or_loopback(place.url))
        answer = await send_with_retries(io, request, self._retries, budget)
        token = headers.get("Authorization", "")
        self._warn_of_unused(settings, token)
        return _read(answer, place, (token, token.rpartition(" ")[2]))  # a server may repeat it without its scheme

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        settings = self._options or container_variables(io.environ())
        named = settings.get("relative_uri") or settings.get("full_uri")
        if named is None:
            return []
        token = settings.get("authorization_token_file") or settings.get("authorization_token")
        try:
            place = _place(settings)
            where = f"{place.url.origin} (from {place.origin})"
        except CredentialsError as error:
            strip_frames(error)  # a rejected URL may contain a secret anywhere
            where = named.origin
        return [where, *([] if token is None else [f"with the token from {token.origin}"])]

    def _warn_of_unused(self, settings: Mapping[str, Setting], token: str) -> None:
        """Log once which variables are not used, unless they have the same token, as those of ``anycreds serve``."""
        both = [] if self._warned else [pair for pair in PAIRS if settings.keys() >= set(pair)]
        self._warned = True
        for used, unused in both:
            if settings[unused].value == token:
                continue
            used_name, unused_name = VARIABLES[used], VARIABLES[unused]
            message = "%s and %s are both set; %s is used"
            log("providers.container", "warning", message, used_name, unused_name, used_name)


class _Place(NamedTuple):
    url: Url
    origin: str

    def __str__(self) -> str:
        return f"GET {self.url.origin} (from {self.origin})"  # without the path: on ECS it is as good as the keys


def _place(settings: Mapping[str, Setting]) -> _Place:
    """Return the endpoint. Raise ``ForbiddenEndpointError`` if container credentials may not come from it."""
    setting = settings.get("relative_uri") or settings.get("full_uri")
    if setting is None:
        names = " nor ".join(VARIABLES[name] for name in PAIRS[0])
        raise NotConfiguredError(f"neither {names} is set", source=NAME)
    try:
        url = parse_relative_uri(setting.value) if "relative_uri" in settings else parse_url(setting.value)
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{setting.origin} {error}", source=NAME) from None
    if not is_allowed(url):
        raise ForbiddenEndpointError(
            f"{setting.origin} leads to {url.origin}, from which container credentials may not come",
            source=NAME,
            hint=f"allowed are {_ALLOWED}",
        )
    return _Place(url, setting.origin)


def is_allowed(url: Url) -> bool:
    """Return whether container credentials may come from a URL.

    See: AWS SDKs and Tools Reference Guide, "Container credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    return url.scheme == "https" or is_loopback(url) or address_bytes(url.host) in _CONTAINER_HOSTS


async def _headers(io: Io, settings: Mapping[str, Setting]) -> dict[str, str]:
    """Return the headers to send. The token file is read at every attempt: whoever writes it replaces it in time."""
    headers = {"Accept": "application/json"}
    setting = settings.get("authorization_token_file") or settings.get("authorization_token")
    if setting is None:
        return headers
    told = setting.origin
    if "authorization_token_file" in settings:
        # A path has a separator. What has none may be the token itself, in the wrong variable.
        is_path = "/" in setting.value or "\\" in setting.value
        told = f"{setting.origin} names {repr(setting.value) if is_path else 'a file without its directory'}, which"
    try:
        token = setting.value
        if "authorization_token_file" in settings:
            token = _text_of(await io.read_file(setting.value, _TOKEN_FILE_LIMIT))
        headers["Authorization"] = check_header_safe(token)
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{told} {error}", source=NAME) from None
    return headers


def _text_of(content: bytes | ReadFailure) -> str:
    if isinstance(content, ReadFailure):
        raise InvalidValueError(f"cannot be read: {content.detail}")
    text = decode_utf8(content)
    # Editors and echo end a file with one newline, which is not a part of the token.
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _read(answer: Response | TransportFailure, place: _Place, secrets: tuple[str, ...]) -> Credentials:
    if isinstance(answer, TransportFailure):
        hint = "check that the endpoint is running and that this program can connect to it"
        raise transport_error(answer, NAME, str(place), hint)
    if answer.status != 200:
        raise http_error(answer, NAME, str(place), secrets)
    return parse_credentials(answer, NAME, secrets, may_be_permanent=True)
