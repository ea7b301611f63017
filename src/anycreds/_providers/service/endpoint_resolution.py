"""Where a service is called, and how: decided from options, the profile, the caller and the environment.

The profile may have to be read for that. What decides is looked at in the order of the AWS "SDKs and Tools" reference;
each setting knows where it came from, so that an error can say who sent a call there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ..._config.client_config import ClientConfig, check_client_config
from ..._config.settings import Setting, from_argument
from ..._core.errors import InvalidConfigurationError
from ..._core.http import Request, Transport, Url
from ..._core.io import Io
from ..._core.logs import log
from ..._core.provider import ClientContext
from ..._core.validation import InvalidValueError
from ..._wire.endpoints import Service, endpoint_for, split_fips_pseudo_region
from ..._wire.regions import check_region
from ..._wire.urls import is_link_local_or_loopback, is_loopback, parse_endpoint

if TYPE_CHECKING:
    from ..._config.service_settings import ProfileView, ServiceSettings
    from ..._config.shared_files import SharedFiles

# What people are told is called.
SERVICE_NAMES: Final[Mapping[Service, str]] = {
    "sts": "AWS STS",
    "sso": "the IAM Identity Center portal",
    "sso-oidc": "IAM Identity Center (OIDC)",
    "signin": "AWS Sign-In",
    "cognito-identity": "Amazon Cognito",
}
# In the partition where nearly all accounts are; JavaScript falls back to it, too.
_LAST_REGION = "us-east-1"


class ResolvedEndpoint(NamedTuple):
    """Where one service is called."""

    title: str
    base: Url
    """Its ``target`` is a prefix for paths, without its last slash."""
    region: str
    """The region that signatures are for."""
    attempts: int
    """How often one call is made at most, the first time counted."""
    transport: Transport
    origin: str
    """What decided on the host, for people."""

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        timeout: float,
        body: bytes = b"",
    ) -> Request:
        """Return a request to this service. ``target`` is a path, perhaps with a query, from "/" on."""
        url = self.base._replace(target=self.base.target + target)
        return Request(method, url, headers, timeout, body, direct=self._is_direct(), transport=self.transport)

    def _is_direct(self) -> bool:
        # A program that brings its own client for this machine means that: a test double, most of the time.
        if self.transport.client_factory is not None and is_loopback(self.base):
            return False
        return is_link_local_or_loopback(self.base)

    def __str__(self) -> str:
        return f"{self.title} at {self.base.origin} ({self.origin})"


class _Kind(NamedTuple):
    """Which kind of endpoint."""

    fips: bool
    dualstack: bool

    @property
    def told(self) -> str:
        """What is special about it, for people; empty: nothing."""
        names = [name for name, wanted in (("FIPS", self.fips), ("dual-stack", self.dualstack)) if wanted]
        return f"{' and '.join(names)} endpoints" if names else ""


class EndpointResolver:
    """Finds the places for one provider."""

    __slots__ = ("_config", "_files", "_profile", "_told", "_view")

    def __init__(
        self,
        config: ClientConfig | None = None,
        *,
        files: SharedFiles | None = None,
        profile: str | None = None,
        view: ProfileView | None = None,
    ) -> None:
        """``view`` is what the profile says, if that is known; else ``files`` are read for ``profile``."""
        check_client_config(config)
        self._config = ClientConfig() if config is None else config
        self._files = files
        self._profile = profile
        self._view = view
        self._told: set[str] = set()

    async def resolve(
        self,
        io: Io,
        context: ClientContext,
        service: Service,
        name: str,
        *,
        fixed: Setting | None = None,
        second: Setting | None = None,
    ) -> ResolvedEndpoint | InvalidConfigurationError:
        """Return where a service is called.

        ``fixed`` is the only region that it may be in; ``second`` a region that only an option beats. ``name`` is the
        provider that asks.
        """
        from ..._config.service_settings import read_service_settings

        try:
            view = self._view or await self._shared().view(io, context.profile, self._profile)
            settings = read_service_settings(
                service.replace("-", "_"),
                io.environ(),
                view,
                name,
                config=self._config,
                region=fixed or from_argument("client_config.region", self._config.region) or second,
                client_region=context.region,
            )
        except InvalidConfigurationError as error:
            return error.with_traceback(None)
        return self._place(settings, service, name)

    def _shared(self) -> SharedFiles:
        if self._files is None:
            # Loaded now and not with the provider: the event loop should get a turn in between.
            from ..._config.shared_files import FileOptions, SharedFiles

            self._files = SharedFiles(FileOptions())
        return self._files

    def _place(
        self, settings: ServiceSettings, service: Service, name: str
    ) -> ResolvedEndpoint | InvalidConfigurationError:
        there = settings.region or self._last_region(name)
        try:
            check_region(there.value)
        except InvalidValueError as error:
            return InvalidConfigurationError(f"the region from {there.origin} {error}", source=name)
        kind = _Kind(settings.use_fips or split_fips_pseudo_region(there.value)[1], settings.use_dualstack)
        custom = settings.endpoint_url
        if custom is not None and kind.told:
            message = f"an endpoint is set ({custom.origin}), and {kind.told} are asked for: both cannot be"
            return InvalidConfigurationError(message, source=name)
        computed = endpoint_for(service, there.value, fips=kind.fips, dualstack=kind.dualstack)
        url = custom or Setting(f"https://{computed.host}", f"region {there.value}, {there.origin}")
        try:
            base = parse_endpoint(url.value)
        except InvalidValueError as error:
            return InvalidConfigurationError(f"the endpoint ({url.origin}) {error}", source=name)
        self._warn_of_plain(base, url.origin)
        return ResolvedEndpoint(
            SERVICE_NAMES[service],
            base,
            computed.signing_region,
            settings.max_attempts,
            self._config._transport(),
            url.origin,
        )

    def _last_region(self, name: str) -> Setting:
        if "region" not in self._told:
            self._told.add("region")
            log("endpoints", "warning", "%s: no region is configured, so %s is called", name, _LAST_REGION)
        return Setting(_LAST_REGION, "the default")

    def _warn_of_plain(self, base: Url, origin: str) -> None:
        if base.scheme == "http" and not is_loopback(base) and base.origin not in self._told:
            self._told.add(base.origin)
            log(
                "endpoints",
                "warning",
                "%s (%s) is called without TLS, so that others can read along",
                base.origin,
                origin,
            )
