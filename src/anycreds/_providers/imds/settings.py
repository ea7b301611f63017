"""The settings of the EC2 metadata service from options, environment and profile. Pure.

An endpoint takes precedence over an endpoint mode. For each of them, options take precedence over the environment, and
the environment over the profile, as in the Rust SDK. The switch for IMDSv1 is read in the same order.

See: AWS "SDKs and Tools" reference, "IMDS credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..._config.service_settings import ProfileView
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
_URL_BY_MODE = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}


class ImdsOptions(NamedTuple):
    """The options of ``from_instance_metadata``."""

    endpoint: str | None = None
    endpoint_mode: str | None = None
    ec2_metadata_v1_disabled: bool | None = None


class ImdsSettings(NamedTuple):
    """The settings that apply."""

    url: Url
    """The endpoint."""
    origin: str
    """The setting that determines the endpoint."""
    v1_disabled_by: str | None
    """The origin of the setting that disables IMDSv1; None if no setting that was read does."""
    v1_depends_on_profile: bool = False
    """Whether the profile was not read, and it alone can still disable IMDSv1."""


def needs_profile(environ: Mapping[str, str], options: ImdsOptions) -> bool:
    """Return whether the profile has to be read to know the endpoint."""
    disabled = first_set(environ, DISABLED)
    try:
        if disabled is not None and parse_bool(disabled):
            return False
    except InvalidConfigurationError:
        return False  # ``resolve_imds_settings`` raises it, whatever the profile contains
    return options.endpoint is None and first_set(environ, _ENDPOINT) is None


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
    if _origin_if_on(first_set(environ, DISABLED)) is not None:
        raise NotConfiguredError(f"EC2 metadata is disabled by {DISABLED}", source=NAME)
    profile = view or ProfileView()
    v1 = from_argument(_V1_KEY, "true" if options.ec2_metadata_v1_disabled else None) or first_set(
        environ, _V1_DISABLED
    )
    v1_disabled_by = _origin_if_on(v1 or profile.with_key(_V1_KEY))
    endpoint = _endpoint(environ, options, profile)
    try:
        url = parse_endpoint(endpoint.value)
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{endpoint.origin} {error}", source=NAME) from None
    return ImdsSettings(url, endpoint.origin, v1_disabled_by, v1_depends_on_profile=v1 is None and view is None)


def v1_disabled_by_profile(view: ProfileView) -> str | None:
    """Return the origin of the profile's setting that disables IMDSv1; None if the profile does not disable it."""
    return _origin_if_on(view.with_key(_V1_KEY))


def _origin_if_on(setting: Setting | None) -> str | None:
    return setting.origin if setting is not None and parse_bool(setting, NAME) else None


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
