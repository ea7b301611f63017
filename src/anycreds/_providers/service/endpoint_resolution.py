"""Endpoint resolution: where a service is called, from options, the profile, the client and the environment.

The shared files may have to be read for that. The order of the settings is that of the AWS "SDKs and Tools" reference.
Each setting knows where it was set, so that an error can name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..._config.client_config import MAX_APP_ID_LENGTH, ClientConfig, sanitize_app_id
from ..._config.locations import resolve_path
from ..._config.service_settings import ProfileView, ServiceSettings, read_service_settings
from ..._config.settings import Setting, from_argument
from ..._config.shared_files import FileOptions, SharedFiles
from ..._core.errors import InvalidConfigurationError
from ..._core.http import CaBundle, Request, Transport, Url
from ..._core.io import Io
from ..._core.logs import log
from ..._core.provider import ClientContext
from ..._core.validation import InvalidValueError
from ..._wire.endpoints import Service, check_region, endpoint_for, split_fips_pseudo_region
from ..._wire.urls import is_link_local_or_loopback, is_loopback, parse_endpoint

# How services are named in messages.
SERVICE_NAMES: Final[Mapping[Service, str]] = {
    "sts": "AWS STS",
    "sso": "the IAM Identity Center portal",
    "sso-oidc": "IAM Identity Center (OIDC)",
    "signin": "AWS Sign-In",
    "cognito-identity": "Amazon Cognito",
}
# In the partition that nearly all accounts are in. JavaScript falls back to it, too.
FALLBACK_REGION = "us-east-1"


class ResolvedEndpoint(NamedTuple):
    """The endpoint of one service, and how it is called."""

    service_name: str
    base: Url
    """Its ``target`` is a prefix of all paths, without a slash at its end."""
    region: str
    """The region that signatures are for."""
    attempts: int
    """The maximum number of attempts of one call, the first one included."""
    transport: Transport
    origin: str
    """The setting that decided on the host, for messages."""
    app_id: str
    """The name of the user's application for the ``User-Agent`` header; empty if there is none."""

    def request(
        self, method: str, target: str, headers: Mapping[str, str], timeout: float, body: bytes = b""
    ) -> Request:
        """Return a request to this service. ``target`` begins with "/" and may have a query."""
        url = self.base._replace(target=self.base.target + target)
        return Request(
            *(method, url, headers, timeout, body),
            direct=self._is_direct(),
            transport=self.transport,
            app_id=self.app_id,
        )

    def _is_direct(self) -> bool:
        # An HTTP client of the user is used for loopback, too: it is mostly a test double.
        if self.transport.client_factory is not None and is_loopback(self.base):
            return False
        return is_link_local_or_loopback(self.base)

    def __str__(self) -> str:
        return f"{self.service_name} at {self.base.origin} ({self.origin})"


class EndpointResolver:
    """Resolves the endpoints of services for one provider, with the settings of a profile.

    Its settings are ``view``, or those of the profile ``profile`` in ``files``; None is the selected one. With
    ``profile_first``, the profile describes the credentials, and its region precedes those of the client and of the
    environment.
    """

    __slots__ = ("__weakref__", "_config", "_files", "_profile", "_profile_first", "_view", "_warned")

    def __init__(
        self,
        config: ClientConfig | None = None,
        *,
        files: SharedFiles | None = None,
        profile: str | None = None,
        view: ProfileView | None = None,
        profile_first: bool = False,
    ) -> None:
        self._config = ClientConfig() if config is None else config
        self._files = SharedFiles(FileOptions()) if files is None else files
        self._profile = profile
        self._view = view
        self._profile_first = profile_first
        self._warned: set[str] = set()

    async def resolve(
        self,
        io: Io,
        context: ClientContext,
        service: Service,
        name: str,
        *,
        required_region: Setting | None = None,
        fallback_region: Setting | None = None,
    ) -> ResolvedEndpoint:
        """Return the endpoint of a service, for the provider ``name``. Raise ``InvalidConfigurationError``.

        The service can be called in no region but ``required_region``, if there is one. Of the other settings, only
        ``client_config.region`` precedes ``fallback_region``.
        """
        view = self._view or await self._files.view(io, context.profile, self._profile)
        settings = read_service_settings(
            service.replace("-", "_"),
            io.environ(),
            view,
            name,
            config=self._config,
            region=required_region or from_argument("client_config.region", self._config.region) or fallback_region,
            client_region=context.region,
            profile_first=self._profile_first,
        )
        return self._resolve(io, settings, service, name)

    def _transport(self, io: Io, settings: ServiceSettings, name: str) -> Transport:
        factory, context, bundle = self._config.http_client_factory, self._config.ssl_context, settings.ca_bundle
        if factory is not None or context is not None or bundle is None:
            return Transport(factory, context)
        path = resolve_path(bundle, io.environ(), io.home_directory, name).path
        return Transport(ca_bundle=CaBundle(path, bundle.origin))

    def _resolve(self, io: Io, settings: ServiceSettings, service: Service, name: str) -> ResolvedEndpoint:
        region = settings.region or self._fallback_region(name)
        try:
            check_region(region.value)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"the region from {region.origin} {error}", source=name) from None
        fips = settings.use_fips or split_fips_pseudo_region(region.value)[1]
        dualstack, custom = settings.use_dualstack, settings.endpoint_url
        if custom is not None and (fips or dualstack):
            variants = " and ".join(["FIPS"] * fips + ["dual-stack"] * dualstack)
            message = f"both an endpoint ({custom.origin}) and {variants} endpoints are configured"
            raise InvalidConfigurationError(message, source=name, hint="remove one of the two settings")
        computed = endpoint_for(service, region.value, fips=fips, dualstack=dualstack)
        url = custom or Setting(f"https://{computed.host}", f"region {region.value}, {region.origin}")
        try:
            base = parse_endpoint(url.value)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"the endpoint ({url.origin}) {error}", source=name) from None
        self._warn_plaintext(base, url.origin)
        transport, app_id = self._transport(io, settings, name), self._app_id(settings.app_id, name)
        region_name, attempts = computed.signing_region, settings.max_attempts
        return ResolvedEndpoint(SERVICE_NAMES[service], base, region_name, attempts, transport, url.origin, app_id)

    def _fallback_region(self, name: str) -> Setting:
        if "region" not in self._warned:
            self._warned.add("region")
            log("endpoints", "warning", "%s: no region is configured; using %s", name, FALLBACK_REGION)
        return Setting(FALLBACK_REGION, "the default")

    def _app_id(self, setting: Setting | None, name: str) -> str:
        """Return the name of the user's application as it is sent; empty, with a warning, if it is too long."""
        if setting is None:
            return ""
        text = str(setting.value).strip()
        if len(text) <= MAX_APP_ID_LENGTH:
            return sanitize_app_id(text)
        if "app_id" not in self._warned:
            self._warned.add("app_id")
            message = "%s: %s has %d characters and is not sent; at most %d are allowed"
            log("endpoints", "warning", message, name, setting.origin, len(text), MAX_APP_ID_LENGTH)
        return ""

    def _warn_plaintext(self, base: Url, origin: str) -> None:
        if base.scheme == "http" and not is_loopback(base) and base.origin not in self._warned:
            self._warned.add(base.origin)
            message = "%s (%s) is called without TLS, so the credentials can be intercepted"
            log("endpoints", "warning", message, base.origin, origin)
