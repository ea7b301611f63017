"""What environment and profile say about calls to a service: region, endpoint, its kind, how often to try.

Follows the AWS "SDKs and Tools" reference, pages "AWS Region", "Service-specific endpoints", "Dual-stack and FIPS
endpoints" and "Retry behavior". Options of the program come before all this, and are not looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .._core.errors import InvalidConfigurationError
from .profiles import Profile
from .settings import Setting, first, shown, switch

IGNORE_VARIABLE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_ATTEMPTS_VARIABLE = "AWS_MAX_ATTEMPTS"
# In this order; the second is what only Python's SDKs read, and what many containers set.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
# JavaScript's and Rust's default, retries included.
DEFAULT_ATTEMPTS = 3


class ProfileView(NamedTuple):
    """What the shared files say about the selected profile, as far as services are concerned."""

    profile: Profile | None = None
    services: Profile | InvalidConfigurationError | None = None
    """The ``services`` section that the profile refers to, or why there is none."""

    def setting(self, key: str) -> Setting | None:
        """Return one setting of the profile."""
        return None if self.profile is None else self.profile.settings.get(key)

    def named(self, key: str) -> Setting | None:
        """Return one setting, with its key in its origin: file and line alone say little in an error."""
        setting = self.setting(key)
        return None if setting is None else Setting(setting.value, f"{key} in {setting.origin}")


class Configured(NamedTuple):
    """Environment and profile, for one provider whose name is ``source``."""

    environ: Mapping[str, str]
    view: ProfileView
    source: str

    def region(self, caller: str | None) -> Setting | None:
        """Return the region: the profile's, the caller's, the environment's."""
        if (setting := self.view.setting("region")) is not None:
            return setting
        if caller is not None and str(caller).strip():
            return Setting(caller, "the region of the client")
        return first(self.environ, *REGION_VARIABLES)

    def endpoint_url(self, service: str) -> Setting | InvalidConfigurationError | None:
        """Return the URL that replaces a service's own host; None: none does.

        ``service`` is the name in a ``services`` section, such as ``sso_oidc``. The environment comes before the
        profile, and in each what is meant for one service before what is meant for all.
        """
        ignored = self.is_on(IGNORE_VARIABLE, "ignore_configured_endpoint_urls")
        if ignored is not False:
            return ignored if isinstance(ignored, InvalidConfigurationError) else None
        url = first(self.environ, f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL")
        if url is not None:
            return url
        section = self.view.services
        problem = section.error(self.source) if isinstance(section, Profile) else section
        if problem is not None:
            return problem
        # The reference writes two words with an underscore; some SDKs write a hyphen.
        for name in (service, service.replace("_", "-")):
            found = section.nested.get(name, {}).get("endpoint_url") if isinstance(section, Profile) else None
            if found is not None and found.value.strip():
                return found
        return self.view.setting("endpoint_url")

    def is_on(self, variable: str, key: str) -> bool | InvalidConfigurationError:
        """Read what is on or off, first in the environment, then in the profile; off by default."""
        setting = first(self.environ, variable) or self.view.named(key)
        return False if setting is None else switch(setting, self.source)

    def attempts(self) -> int | InvalidConfigurationError:
        """Return how often a call is made at most, the first time counted."""
        setting = first(self.environ, _ATTEMPTS_VARIABLE) or self.view.named("max_attempts")
        if setting is None:
            return DEFAULT_ATTEMPTS
        text = str(setting.value).strip()  # a mapping of a user may hold anything
        # 100 is the bound of ClientConfig, too; three digits, because Python refuses to read very many.
        if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100:
            return int(text)
        return InvalidConfigurationError(
            f"{setting.origin} is {shown(setting.value)}, not a whole number from 1 to 100", source=self.source
        )
