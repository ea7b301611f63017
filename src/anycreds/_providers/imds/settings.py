"""The settings of the EC2 metadata service from options, environment and profile. Pure.

An endpoint takes precedence over an endpoint mode. For each of them, options take precedence over the environment, and
the environment over the profile, as in the Rust SDK. The other settings are read in the same order.

See: AWS "SDKs and Tools" reference, "IMDS credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..._config.service_settings import ProfileView, parse_attempts
from ..._config.settings import Setting, display_value, first_set, from_argument, parse_bool
from ..._core.errors import InvalidConfigurationError, NotConfiguredError
from ..._core.http import Url
from ..._core.validation import InvalidValueError
from ..._wire.urls import parse_endpoint

NAME = "EC2 instance metadata"
DISABLED = "AWS_EC2_METADATA_DISABLED"
HOP_LIMIT_HINT = (
    "in a container on EC2, a hop limit of 1 drops responses: aws ec2 modify-instance-metadata-options "
    "--instance-id ID --http-put-response-hop-limit 2 (HttpPutResponseHopLimit); "
    f"elsewhere, set {DISABLED}=true to skip EC2 metadata"
)
NOT_EC2_HINT = f"this is probably not an EC2 instance; set {DISABLED}=true to skip it"
NO_ROLE_HINT = "attach one: aws ec2 associate-iam-instance-profile --instance-id ID --iam-instance-profile Name=PROFILE"
_V1_DISABLED = "AWS_EC2_METADATA_V1_DISABLED"
_V1_KEY = "ec2_metadata_v1_disabled"
_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
_TIMEOUT = "AWS_METADATA_SERVICE_TIMEOUT"
_ATTEMPTS = "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
# Seconds, as botocore has it. An attempt outside of EC2, where packets are dropped, takes this long.
_DEFAULT_TIMEOUT = 1.0
# At most five digits, which are a day. A longer timeout is most likely a typo.
_SECONDS = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")
_URL_BY_MODE = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}


class ImdsOptions(NamedTuple):
    """The options of ``from_instance_metadata``; None for the settings of environment and profile."""

    endpoint: str | None = None
    endpoint_mode: str | None = None
    ec2_metadata_v1_disabled: bool | None = None
    timeout: float | None = None
    max_retries: int | None = None


class ImdsSettings(NamedTuple):
    """The settings that apply."""

    url: Url
    """The endpoint."""
    origin: str
    """The setting that determines the endpoint."""
    v1_disabled_by: str | None
    """The origin of the setting that disables IMDSv1; None if no setting does."""
    v1_allowed_by: str | None
    """The origin of the setting that allows IMDSv1 explicitly; None if no setting does."""
    timeout: float
    """Seconds for one HTTP exchange."""
    max_retries: int
    """How often a transient failure is retried."""


def needs_profile(environ: Mapping[str, str], options: ImdsOptions) -> bool:
    """Return whether a setting can depend on the profile."""
    disabled = first_set(environ, DISABLED)
    try:
        if disabled is not None and parse_bool(disabled):
            return False
    except InvalidConfigurationError:
        return False  # ``resolve_imds_settings`` raises it, whatever the profile contains
    given = (options.endpoint, options.ec2_metadata_v1_disabled or None, options.timeout, options.max_retries)
    variables = (_ENDPOINT, _V1_DISABLED, _TIMEOUT, _ATTEMPTS)
    return any(
        option is None and first_set(environ, variable) is None
        for option, variable in zip(given, variables, strict=True)
    )


def resolve_imds_settings(
    environ: Mapping[str, str], options: ImdsOptions, view: ProfileView | None = None
) -> ImdsSettings:
    """Return the settings that apply. Settings that are overridden are not validated.

    Args:
        environ: The environment variables.
        options: The user's options.
        view: The selected profile; None if it was not read.

    Raises:
        NotConfiguredError: The service is disabled.
        InvalidConfigurationError: A setting cannot be used.

    """
    disabled = first_set(environ, DISABLED)
    if disabled is not None and parse_bool(disabled, NAME):
        raise NotConfiguredError(f"EC2 metadata is disabled by {DISABLED}", source=NAME)
    profile = view or ProfileView()
    v1_disabled_by, v1_allowed_by = _v1_origins(environ, options.ec2_metadata_v1_disabled, profile)
    endpoint = _endpoint(environ, options, profile)
    try:
        url = parse_endpoint(endpoint.value)
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{endpoint.origin} {error}", source=NAME) from None
    return ImdsSettings(
        url,
        endpoint.origin,
        v1_disabled_by,
        v1_allowed_by,
        _timeout(environ, profile) if options.timeout is None else options.timeout,
        _attempts(environ, profile) - 1 if options.max_retries is None else options.max_retries,
    )


def _v1_origins(environ: Mapping[str, str], option: bool | None, view: ProfileView) -> tuple[str | None, str | None]:
    """Return the setting that disables IMDSv1, and the one that allows it explicitly; None for the absent ones.

    As in JavaScript, the option False does not override a setting that disables it.
    """
    of_option = f"option {_V1_KEY}"
    if option:
        return of_option, None
    setting = first_set(environ, _V1_DISABLED) or view.with_key(_V1_KEY)
    if setting is not None and parse_bool(setting, NAME):
        return setting.origin, None
    if option is False:
        return None, of_option
    return None, None if setting is None else setting.origin


def _timeout(environ: Mapping[str, str], view: ProfileView) -> float:
    setting = first_set(environ, _TIMEOUT) or view.with_key("metadata_service_timeout")
    if setting is None:
        return _DEFAULT_TIMEOUT
    text = str(setting.value).strip()
    if _SECONDS.fullmatch(text) and float(text) > 0:
        return float(text)
    message = f"{setting.origin} is {display_value(setting.value)}; expected a number of seconds above 0"
    raise InvalidConfigurationError(message, source=NAME)


def _attempts(environ: Mapping[str, str], view: ProfileView) -> int:
    setting = first_set(environ, _ATTEMPTS) or view.with_key("metadata_service_num_attempts")
    return 1 if setting is None else parse_attempts(setting, NAME)


def _endpoint(environ: Mapping[str, str], options: ImdsOptions, view: ProfileView) -> Setting:
    url = from_argument("endpoint", options.endpoint) or first_set(environ, _ENDPOINT)
    url = url or view.with_key("ec2_metadata_service_endpoint")
    if url is not None:
        return url
    mode = from_argument("endpoint_mode", options.endpoint_mode) or first_set(environ, _MODE)
    mode = mode or view.with_key("ec2_metadata_service_endpoint_mode")
    if mode is None:
        return Setting(_URL_BY_MODE["ipv4"], "the default endpoint")
    url_of_mode = _URL_BY_MODE.get(str(mode.value).strip().lower())
    if url_of_mode is None:
        message = f"{mode.origin} is {display_value(mode.value)}; expected IPv4 or IPv6"
        raise InvalidConfigurationError(message, source=NAME)
    return Setting(url_of_mode, mode.origin)
