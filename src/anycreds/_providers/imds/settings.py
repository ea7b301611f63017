"""Where the EC2 metadata service is, and whether it may be asked, from options, environment and profile.

An endpoint beats a mode; of each, options beat the environment, and that the profile, as in Rust. What switches the
protocol's version 1 off is read in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..._config.service_settings import ProfileView
from ..._config.settings import Setting, first, option, shown, switch
from ..._core.errors import InvalidConfigurationError, NotConfiguredError

DISABLED = "AWS_EC2_METADATA_DISABLED"
_V1_DISABLED = "AWS_EC2_METADATA_V1_DISABLED"
_V1_KEY = "ec2_metadata_v1_disabled"
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
    """What rules out version 1 of the protocol; None: nothing that was looked at."""
    asks_profile: bool = False
    """The profile was not looked at, and only it can still rule out version 1."""


def needs_profile(environ: Mapping[str, str], options: MetadataOptions) -> bool:
    """Tell whether it cannot be decided without the profile where the service is, and that matters."""
    off = first(environ, DISABLED)
    if off is not None and switch(off) is not False:
        return False  # it is not asked at all
    return options.endpoint is None and first(environ, _ENDPOINT) is None


def find_metadata(
    environ: Mapping[str, str], options: MetadataOptions, source: str, view: ProfileView | None = None
) -> MetadataSettings | NotConfiguredError | InvalidConfigurationError:
    """Decide. ``source`` is the provider's name, ``view`` what the profile says; None: it was not looked at."""
    disabled = _origin_if_on(first(environ, DISABLED), source)
    if isinstance(disabled, InvalidConfigurationError):
        return disabled
    if disabled is not None:
        return NotConfiguredError(f"{DISABLED} switches it off", source=source)
    says = view or ProfileView()
    v1 = option(_V1_KEY, "true" if options.v1_disabled else None) or first(environ, _V1_DISABLED)
    v1_disabled_by = _origin_if_on(v1 or says.named(_V1_KEY), source)
    if isinstance(v1_disabled_by, InvalidConfigurationError):
        return v1_disabled_by
    endpoint = _endpoint(environ, options, says, source)
    if isinstance(endpoint, InvalidConfigurationError):
        return endpoint
    return MetadataSettings(endpoint, v1_disabled_by, asks_profile=v1 is None and view is None)


def v1_disabled_in(view: ProfileView, source: str) -> str | InvalidConfigurationError | None:
    """Return what rules out version 1, if the profile does."""
    return _origin_if_on(view.named(_V1_KEY), source)


def _origin_if_on(setting: Setting | None, source: str) -> str | InvalidConfigurationError | None:
    """Return where a switch was set that is on; None: it is off, as it is by default."""
    if setting is None:
        return None
    is_on = switch(setting, source)
    if isinstance(is_on, InvalidConfigurationError):
        return is_on
    return setting.origin if is_on else None


def _endpoint(
    environ: Mapping[str, str], options: MetadataOptions, view: ProfileView, source: str
) -> Setting | InvalidConfigurationError:
    url = option("endpoint", options.endpoint) or first(environ, _ENDPOINT)
    url = url or view.named("ec2_metadata_service_endpoint")
    if url is not None:
        return url
    mode = option("endpoint_mode", options.endpoint_mode) or first(environ, _MODE)
    mode = mode or view.named("ec2_metadata_service_endpoint_mode")
    if mode is None:
        return Setting(_BY_MODE["ipv4"], "the default endpoint")
    address = _BY_MODE.get(str(mode.value).strip().lower())
    if address is None:
        problem = f"{mode.origin} is {shown(mode.value)}, but only IPv4 and IPv6 exist"
        return InvalidConfigurationError(problem, source=source)
    return Setting(address, mode.origin)
