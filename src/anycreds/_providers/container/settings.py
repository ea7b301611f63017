"""The endpoint of container credentials and its token: from options or from environment variables. Pure.

Options and variables never mix: a token from the environment must not be sent to an endpoint from an option. This
module is separate from the provider because ``from_http`` checks its options with it, and must import nothing else.

See: AWS SDKs and Tools Reference Guide, "Container credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..._config.settings import Setting, first_set, from_argument
from ..._core.errors import ForbiddenEndpointError, InvalidConfigurationError, NotConfiguredError
from ..._core.http import Url
from ..._core.validation import InvalidValueError, check_text
from ..._wire.urls import address_bytes, is_loopback, parse_relative_uri, parse_url

NAME = "container credentials"
VARIABLES = {
    "relative_uri": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "full_uri": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "authorization_token_file": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "authorization_token": "AWS_CONTAINER_AUTHORIZATION_TOKEN",
}
# Of two variables the first takes precedence, as in every SDK. Two such options are an error.
PAIRS = (("relative_uri", "full_uri"), ("authorization_token_file", "authorization_token"))
# The addresses from which ECS and EKS serve credentials: 169.254.170.2, 169.254.170.23 and fd00:ec2::23.
_CONTAINER_HOSTS = (bytes((169, 254, 170, 2)), bytes((169, 254, 170, 23)), bytes.fromhex("fd000ec2" + "00" * 11 + "23"))
_ALLOWED = "https, or http to localhost, 127.0.0.0/8, [::1], 169.254.170.2, 169.254.170.23, [fd00:ec2::23]"


class ContainerEndpoint(NamedTuple):
    """The URL to request credentials from."""

    url: Url
    origin: str
    """The setting that contains it."""

    def __str__(self) -> str:
        return f"GET {self.url.origin} (from {self.origin})"  # without the path: on ECS it is as secret as the keys


def container_options(options: Mapping[str, Any]) -> dict[str, Setting]:
    """Return the options that are set.

    Args:
        options: The options of ``from_http``, by the names in ``VARIABLES``.

    Raises:
        InvalidConfigurationError: The options are invalid or contradict each other.

    """
    settings = {name: from_argument(name, _path_text(options.get(name))) for name in VARIABLES}
    found = {name: setting for name, setting in settings.items() if setting is not None}
    try:
        _check_options(found)
    except InvalidValueError as error:
        raise InvalidConfigurationError(str(error), source=NAME) from None
    return found


def container_variables(environ: Mapping[str, str]) -> dict[str, Setting]:
    """Return the environment variables that are set, by the names in ``VARIABLES``."""
    settings = {name: first_set(environ, variable) for name, variable in VARIABLES.items()}
    return {name: setting for name, setting in settings.items() if setting is not None}


def _path_text(path: Any) -> Any:
    return path.__fspath__() if isinstance(path, os.PathLike) else path


def _check_options(options: Mapping[str, Setting]) -> None:
    for name, setting in options.items():
        check_text(setting.value, field=f"option {name}")
    for first, second in PAIRS:
        if first in options and second in options:
            raise InvalidValueError(f"options {first} and {second} are both set; expected one of them")
    if options and options.keys().isdisjoint(PAIRS[0]):
        raise InvalidValueError(f"option {next(iter(options))} is set without full_uri or relative_uri")


def resolve_endpoint(settings: Mapping[str, Setting]) -> ContainerEndpoint:
    """Return the endpoint.

    Args:
        settings: The result of ``container_options`` or ``container_variables``.

    Raises:
        NotConfiguredError: No endpoint is set.
        InvalidConfigurationError: The URI is invalid.
        ForbiddenEndpointError: Container credentials may not come from its host.

    """
    setting = settings.get("relative_uri") or settings.get("full_uri")
    if setting is None:
        names = " nor ".join(VARIABLES[name] for name in PAIRS[0])
        raise NotConfiguredError(f"neither {names} is set", source=NAME)
    try:
        url = parse_relative_uri(setting.value) if "relative_uri" in settings else parse_url(setting.value)
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{setting.origin} {error}", source=NAME) from None
    if not is_allowed(url):
        message = f"{setting.origin} names {url.origin}, from which container credentials may not come"
        raise ForbiddenEndpointError(message, source=NAME, hint=f"use an allowed endpoint: {_ALLOWED}")
    return ContainerEndpoint(url, setting.origin)


def is_allowed(url: Url) -> bool:
    """Return whether container credentials may come from a URL."""
    return url.scheme == "https" or is_loopback(url) or address_bytes(url.host) in _CONTAINER_HOSTS
