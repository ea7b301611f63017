"""Where the EC2 metadata service is, and whether it may be asked. An endpoint beats a mode, options the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .._errors import InvalidConfigurationError, NotConfiguredError
from .settings import Setting, first, option, shown, switch

DISABLED = "AWS_EC2_METADATA_DISABLED"
_V1_DISABLED = "AWS_EC2_METADATA_V1_DISABLED"
V1_DISABLED_KEY = "ec2_metadata_v1_disabled"
_ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
_BY_MODE = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}


class MetadataOptions(NamedTuple):
    """What a program itself says."""

    endpoint: str | None = None
    endpoint_mode: str | None = None
    v1_disabled: bool = False


class MetadataSettings(NamedTuple):
    """What counts."""

    endpoint: Setting
    v1_disabled_by: str | None
    """What rules out version 1 of the protocol; None: neither options nor environment do."""
    v1_allowed: bool = False
    """The environment says that it may be used, and so the profile is not asked."""


def find_metadata(
    environ: Mapping[str, str], options: MetadataOptions, source: str
) -> MetadataSettings | NotConfiguredError | InvalidConfigurationError:
    """Decide from options and environment. ``source`` is the provider's name."""
    disabled, v1_disabled = _is_on(environ, DISABLED, source), _is_on(environ, _V1_DISABLED, source)
    if isinstance(disabled, InvalidConfigurationError):
        return disabled
    if isinstance(v1_disabled, InvalidConfigurationError):
        return v1_disabled
    if disabled:
        return NotConfiguredError(f"{DISABLED} switches it off", source=source)
    mode = option("endpoint_mode", options.endpoint_mode) or first(environ, _MODE)
    endpoint = option("endpoint", options.endpoint) or first(environ, _ENDPOINT) or _by_mode(mode, source)
    if isinstance(endpoint, InvalidConfigurationError):
        return endpoint
    by_option = "option ec2_metadata_v1_disabled" if options.v1_disabled else None
    allowed = by_option is None and not v1_disabled and first(environ, _V1_DISABLED) is not None
    return MetadataSettings(endpoint, by_option or (_V1_DISABLED if v1_disabled else None), allowed)


def v1_disabled_in(setting: Setting | None, source: str) -> str | InvalidConfigurationError | None:
    """Return what rules out version 1, if this setting of the profile, ``ec2_metadata_v1_disabled``, does."""
    if setting is None:
        return None
    is_on = switch(setting, source)
    if isinstance(is_on, InvalidConfigurationError):
        return is_on
    return f"{V1_DISABLED_KEY} ({setting.origin})" if is_on else None


def _is_on(environ: Mapping[str, str], variable: str, source: str) -> bool | InvalidConfigurationError:
    setting = first(environ, variable)
    return False if setting is None else switch(setting, source)


def _by_mode(mode: Setting | None, source: str) -> Setting | InvalidConfigurationError:
    if mode is None:
        return Setting(_BY_MODE["ipv4"], "the default endpoint")
    url = _BY_MODE.get(str(mode.value).strip().lower())
    if url is None:
        problem = f"{mode.origin} is {shown(mode.value)}, but only IPv4 and IPv6 exist"
        return InvalidConfigurationError(problem, source=source)
    return Setting(url, mode.origin)
