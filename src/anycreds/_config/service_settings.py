"""The settings of service calls from environment and profile: region, endpoint, endpoint variants, attempts.

See: AWS "SDKs and Tools" reference, "AWS Region", "Service-specific endpoints", "Dual-stack and FIPS endpoints" and
"Retry behavior", https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .._core.errors import InvalidConfigurationError
from .client_config import MAX_ATTEMPTS_LIMIT, ClientConfig
from .settings import Setting, display_value, first_set, from_argument, parse_bool

if TYPE_CHECKING:
    from .._core.io import Io
    from .profiles import Profile

IGNORE_VARIABLE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_ATTEMPTS_VARIABLE = "AWS_MAX_ATTEMPTS"
# In this order. Only Python's SDKs read the second, and many container definitions set it.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
# The default of the JavaScript and Rust SDKs, the first attempt included.
DEFAULT_ATTEMPTS = 3


class MissingSection(NamedTuple):
    """Why the ``services`` section that a profile refers to cannot be used: the error to raise once it is needed."""

    message: str
    hint: str | None
    source: str


class ProfileView(NamedTuple):
    """The selected profile, as far as service calls need it. Views with the same contents are equal."""

    profile: Profile | None = None
    """None if the profile does not exist."""
    services: Profile | MissingSection | None = None
    """The ``services`` section that the profile refers to; None if it refers to none."""

    def setting(self, key: str) -> Setting | None:
        """Return one setting of the profile; None if it is not set."""
        return None if self.profile is None else self.profile.settings.get(key)

    def with_key(self, key: str) -> Setting | None:
        """Return one setting whose origin contains its key: file and line alone say little in an error."""
        setting = self.setting(key)
        return None if setting is None else Setting(setting.value, f"{key} in {setting.origin}")


class ProfileViews(Protocol):
    """The shared files, for a source that needs no more than the settings of the selected profile."""

    async def view(self, io: Io, client_profile: str | None, profile: str | None = None) -> ProfileView:
        """Return the settings of the selected profile; an empty view if there is no such profile."""


class ServiceSettings(NamedTuple):
    """The settings of the calls that one provider makes to one service."""

    region: Setting | None
    """None if it is not configured anywhere."""
    endpoint_url: Setting | None
    """The URL that replaces the service's own host; None if nothing replaces it."""
    use_fips: bool
    use_dualstack: bool
    max_attempts: int
    """How often one call is made at most, the first attempt included."""
    ca_bundle: Setting | None
    """The profile's file of certificates; None if it names none, or if ``AWS_CA_BUNDLE`` is set."""
    app_id: Setting | None
    """The name of the user's application; None if it is not set. It is not validated."""


def read_service_settings(
    service: str,
    environ: Mapping[str, str],
    view: ProfileView,
    source: str,
    *,
    config: ClientConfig | None = None,
    region: Setting | None = None,
    client_region: str | None = None,
    profile_first: bool = False,
) -> ServiceSettings:
    """Read all settings of the calls to one service, called as in a ``services`` section, such as ``sso_oidc``.

    Options take precedence over the environment, and the environment over the profile. ``region`` is set by an option
    or the provider. Otherwise the client's region precedes those of the environment, and the profile's precedes both if
    ``profile_first``. Settings that are overridden are not validated. A setting that cannot be used, or a missing
    ``services`` section, raises ``InvalidConfigurationError``.
    """
    config = config or ClientConfig()

    def is_on(option: bool | None, variable: str, key: str) -> bool:
        if option is not None:
            return option
        setting = first_set(environ, variable) or view.with_key(key)
        return setting is not None and parse_bool(setting, source)

    endpoint_url = from_argument("client_config.endpoint_url", config.endpoint_url)
    if endpoint_url is None and not is_on(None, IGNORE_VARIABLE, "ignore_configured_endpoint_urls"):
        endpoint_url = _endpoint_url(service, environ, view, source)
    return ServiceSettings(
        region or _region(environ, view, client_region, profile_first=profile_first),
        endpoint_url,
        is_on(config.use_fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
        is_on(config.use_dualstack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        config.max_attempts or _max_attempts(environ, view, source),
        None if first_set(environ, "AWS_CA_BUNDLE") else view.with_key("ca_bundle"),
        from_argument("client_config.app_id", config.app_id)
        or first_set(environ, "AWS_SDK_UA_APP_ID")
        or view.with_key("sdk_ua_app_id"),
    )


def _region(
    environ: Mapping[str, str], view: ProfileView, client_region: str | None, *, profile_first: bool
) -> Setting | None:
    of_profile = view.setting("region")
    if profile_first and of_profile is not None:
        return of_profile
    if client_region is not None and str(client_region).strip():
        return Setting(client_region, "the region of the client")
    return first_set(environ, *REGION_VARIABLES) or of_profile


def _endpoint_url(service: str, environ: Mapping[str, str], view: ProfileView, source: str) -> Setting | None:
    """Return the configured URL. In environment and profile, a URL for this service precedes one for all services."""
    url = first_set(environ, f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
    if url is not None:
        return url
    section = view.services
    if isinstance(section, MissingSection):
        raise InvalidConfigurationError(section.message, source=section.source, hint=section.hint)
    if section is not None:
        section.check(source)
        # The reference writes two words with an underscore; some SDKs write a hyphen.
        for name in (service, service.replace("_", "-")):
            found = section.nested.get(name, {}).get("endpoint_url")
            if found is not None and found.value.strip():
                return found
    return view.setting("endpoint_url")


def _max_attempts(environ: Mapping[str, str], view: ProfileView, source: str) -> int:
    setting = first_set(environ, _ATTEMPTS_VARIABLE) or view.with_key("max_attempts")
    return DEFAULT_ATTEMPTS if setting is None else parse_attempts(setting, source)


def parse_attempts(setting: Setting, source: str) -> int:
    """Return a number of attempts; raise ``InvalidConfigurationError`` if it is none."""
    text = str(setting.value).strip()  # a mapping given by the user may contain any object
    # At most three digits, because Python refuses to convert very long numbers.
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_ATTEMPTS_LIMIT:
        return int(text)
    raise InvalidConfigurationError(
        f"{setting.origin} is {display_value(setting.value)}; expected a whole number from 1 to {MAX_ATTEMPTS_LIMIT}",
        source=source,
    )
