"""Credentials of the role of an EC2 instance, from its metadata service: version 2, with a token that is kept.

Version 1 is only for services that say they have no tokens (403, 404, 405), never for those that are slow or broken:
whoever can delay a packet could otherwise have the weaker protocol. What is kept lives in one tuple.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._config.shared_files import FileOptions, SharedFiles
from ..._core.credentials import Credentials
from ..._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    MetadataUnreachableError,
    NotConfiguredError,
    RetrievalError,
)
from ..._core.http import Request, Response, TransportFailure, Url
from ..._core.io import Io, Runtime
from ..._core.logs import log
from ..._core.provider import ClientContext, Provider
from ..._core.static_stability import extended
from ..._core.validation import InvalidValueError, check_timeout_and_retries
from ..._wire.credential_documents import parse_credentials
from ..._wire.service_errors import http_error, transport_error
from ..._wire.urls import is_link_local_or_loopback, parse_endpoint
from ..service.retries import Budget, send_with_retries, start_budget
from .api import Key, parse_role_name, parse_token, token_request, version_1
from .settings import DISABLED, ImdsOptions, needs_profile, resolve_imds_settings, v1_disabled_by_profile

NAME = "EC2 instance metadata"
_EXCHANGES = 3  # token, role, credentials
_MORE_EXCHANGES = 2  # a kept token saves one, is refused at the second at worst, and then all three are needed
HOP_HINT = (
    "in a container on EC2, a hop limit of 1 keeps answers away: aws ec2 modify-instance-metadata-options "
    "--instance-id ID --http-put-response-hop-limit 2 (HttpPutResponseHopLimit); "
    f"elsewhere, {DISABLED}=true saves the wait"
)
_ABSENT_HINT = f"this is probably not an EC2 instance; {DISABLED}=true says so"


class _Place(NamedTuple):
    """Where the service is, and what is known so far of whether its version 1 may be used."""

    base: Url
    origin: str
    v1_disabled_by: str | None
    v1_depends_on_profile: bool
    """Only the profile can still rule out version 1."""
    context: ClientContext


class InstanceMetadataProvider(Provider):
    """What ``from_instance_metadata`` makes.

    ``endpoint``: URL of the service. ``endpoint_mode``: ``"IPv4"`` or ``"IPv6"``. ``ec2_metadata_v1_disabled``: True
    rules out version 1. ``files``, ``profile``: where the same three are looked for, last; by default the usual files
    and the context's profile, that of ``AWS_PROFILE``, or ``default``. ``timeout``: seconds for one exchange.
    ``max_retries``: how often a transient failure is tried again.
    Follows the AWS "SDKs and Tools" reference, page "IMDS credential provider".
    """

    __slots__ = ("_files", "_has_given", "_kept", "_options", "_profile", "_retries", "_timeout", "_warned")

    def __init__(
        self,
        runtime: Runtime,
        *,
        files: SharedFiles | None = None,
        profile: str | None = None,
        endpoint: str | None = None,
        endpoint_mode: str | None = None,
        ec2_metadata_v1_disabled: bool | None = None,
        timeout: float = 1.0,
        max_retries: int = 0,
    ) -> None:
        super().__init__(NAME, runtime)
        check_timeout_and_retries(timeout, max_retries, NAME)
        self._options = ImdsOptions(endpoint, endpoint_mode, bool(ec2_metadata_v1_disabled))
        self._files = SharedFiles(FileOptions()) if files is None else files
        self._profile = profile
        self._timeout = timeout
        self._retries = max_retries
        self._kept: Key | None = None
        self._has_given = False
        self._warned = False

    def _time(self, exchanges: int) -> float:
        return exchanges * (1 + self._retries) * self._timeout

    def _allows_stale(self, credentials: Credentials) -> bool:
        return credentials.source == NAME

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        place = await self._find_place(io, context)
        budget = await start_budget(io, self._time(_EXCHANGES))
        kept = self._usable_key(io, place)
        try:
            credentials = await self._ask(io, place, budget, kept)
        except RetrievalError as error:
            if not self._forget_if_rejected(error) or kept is None:
                raise
            budget.extend(self._time(_MORE_EXCHANGES))
            credentials = await self._ask_again(io, place, budget)
        self._has_given = True
        return _extended(credentials, io.time(), io.jitter())

    async def _ask_again(self, io: Io, place: _Place, budget: Budget) -> Credentials:
        try:
            return await self._ask(io, place, budget, None)
        except RetrievalError as error:
            self._forget_if_rejected(error)
            raise

    def _forget_if_rejected(self, error: RetrievalError) -> bool:
        """Return whether the service has rejected the token, which is then deleted, even if it is new."""
        if error.status == 401:
            self._kept = None
        return error.status == 401

    async def _find_place(self, io: Io, context: ClientContext) -> _Place:
        environ = io.environ()
        view = None
        if needs_profile(environ, self._options):
            view = await self._files.view(io, context.profile, self._profile)
        settings = resolve_imds_settings(environ, self._options, NAME, view)
        origin = settings.endpoint.origin
        try:
            base = parse_endpoint(settings.endpoint.value)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"{origin} {error}", source=NAME) from None
        if not self._warned and not is_link_local_or_loopback(base):
            self._warned = True
            message = "the EC2 metadata endpoint %s (%s) is neither on this machine nor on its link"
            log("providers.imds", "warning", message, base.origin, origin)
        return _Place(base, origin, settings.v1_disabled_by, settings.v1_depends_on_profile, context)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        try:
            place = await self._find_place(io, context)
        except CredentialsError:
            return []  # the error of the attempt says what is wrong
        return [f"{place.base.origin} (from {place.origin})"]

    def _usable_key(self, io: Io, place: _Place) -> Key | None:
        key = self._kept
        if key is None or key.base != place.base or (key.token is None and place.v1_disabled_by):
            return None
        return key if io.time() < key.wall_end and io.monotonic() < key.monotonic_end else None

    async def _ask(self, io: Io, place: _Place, budget: Budget, kept: Key | None) -> Credentials:
        key = kept or await self._new_key(io, place, budget)
        request = key.role_request(self._timeout)
        try:
            roles = await self._get(io, budget, request, _told(request))
        except RetrievalError as error:
            if error.status == 404:
                raise _no_role() from None
            raise
        role = parse_role_name(roles, NAME)
        if not role:
            raise _no_role()
        role_url = f"{_told(request)}<role>"  # without its name: what came from there is not for messages
        answer = await self._get(io, budget, key.role_request(self._timeout, role), role_url)
        return parse_credentials(answer, NAME, () if key.token is None else (key.token,))

    async def _new_key(self, io: Io, place: _Place, budget: Budget) -> Key:
        wall, monotonic = io.time(), io.monotonic()  # before asking: no token ends earlier than we believe
        request = token_request(place.base, self._timeout)
        answer = await send_with_retries(io, request, self._retries, budget)
        if isinstance(answer, TransportFailure):
            raise self._silent(answer, f"{_told(request)} (from {place.origin})")
        if answer.status in (403, 404, 405):
            disabled_by = await self._v1_disabled_by(io, place)
            if disabled_by is not None:
                raise _v1_needed(answer.status, disabled_by)
            self._kept = version_1(place.base)
            return self._kept
        if answer.status != 200:
            raise http_error(answer, NAME, _told(request))
        self._kept = parse_token(answer, place.base, wall, monotonic, NAME)
        return self._kept

    async def _v1_disabled_by(self, io: Io, place: _Place) -> str | None:
        """Ask the profile, if it was not needed before, only now that it matters: instances with tokens need none."""
        if not place.v1_depends_on_profile:
            return place.v1_disabled_by
        view = await self._files.view(io, place.context.profile, self._profile)
        return v1_disabled_by_profile(view, NAME)

    async def _get(self, io: Io, budget: Budget, request: Request, asked: str) -> Response:
        answer = await send_with_retries(io, request, self._retries, budget)
        if isinstance(answer, TransportFailure):
            raise transport_error(answer, NAME, asked)
        if answer.status != 200:
            raise http_error(answer, NAME, asked, tuple(request.headers.values()))
        return answer

    def _silent(self, answer: TransportFailure, asked: str) -> CredentialsError:
        """Return the error for a token call without an answer: no service at all, unless it was there before."""
        # A token that is dropped on its way is waited for in vain, or some proxy in between resets the connection.
        hint = _ABSENT_HINT if answer.kind == "unreachable" else HOP_HINT
        if self._has_given or answer.kind == "too large":
            return transport_error(answer, NAME, asked)
        return MetadataUnreachableError(f"{asked} was not answered: {answer.detail}", source=NAME, hint=hint)


def _told(request: Request) -> str:
    return f"{request.method} {request.url}"  # these paths are the same everywhere and hold no secret


def _no_role() -> NotConfiguredError:
    hint = "attach one: aws ec2 associate-iam-instance-profile --instance-id ID --iam-instance-profile Name=PROFILE"
    return NotConfiguredError("no role attached to this EC2 instance", source=NAME, hint=hint)


def _v1_needed(status: int, disabled_by: str) -> RetrievalError:
    return RetrievalError(
        f"the service gives no tokens (status {status}), and {disabled_by} rules out its version 1",
        status=status,
        source=NAME,
    )


def _extended(credentials: Credentials, now: float, jitter: float) -> Credentials:
    """Return a set that ended already with an end ahead: the service has such sets when its own source is down."""
    end = credentials.expiration
    if end is None or end.timestamp() > now:
        return credentials
    message = "EC2 metadata gave credentials that ended at %s; they are used for some minutes more"
    log("providers.imds", "warning", message, end.isoformat())
    return extended(credentials, now, jitter)
