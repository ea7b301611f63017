"""The state of the fake services: their settings, which a test may change at any time, and what they have issued.

``FakeAWS`` describes the settings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, Unpack

from ..._core.io import Clock
from ..._system.runtime import SystemClock
from .messages import CANARY

ROLE_NAME = "anycreds-fake-role"
POOL_ID = "us-east-1:00000000-0000-4000-8000-00000000c0de"
LONG_TERM_ID = "AKIDEXAMPLE"  # the access key id in AWS's examples of signatures
LONG_TERM_SECRET = f"{CANARY}-secret-long-term-{'x' * 20}"

RefreshMode: TypeAlias = Literal["rotate", "keep", "omit"]
"""The refresh token in a response of OIDC: a new one, the same one, or none (the client keeps its own)."""

LoginError: TypeAlias = Literal["TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "INSUFFICIENT_PERMISSIONS"]
"""The ``error`` in a response of sign-in that denies access."""


class RoleTrust(TypedDict, total=False):
    """The conditions for assuming a role. A missing key means that there is no such condition."""

    external_id: str
    mfa_serial: str
    mfa_codes: Collection[str]
    """The codes of the MFA device. Each code is accepted once."""
    max_session: int
    """The maximum session duration, in seconds (default: 43,200)."""


class IdentityPool(TypedDict, total=False):
    """A Cognito identity pool."""

    unauthenticated: bool
    """Whether the pool gives identities to guests (default: True)."""
    logins: Mapping[str, str]
    """The accepted token of each login provider (default: no login providers)."""
    custom_roles: Collection[str]
    """The ARNs that are accepted as ``CustomRoleArn`` (default: none)."""


class FakeServiceSettings(TypedDict, total=False):
    """The settings of the services."""

    role_name: str | None
    lifetime: float
    token_ttl: int | None
    sticky: bool
    clock: Clock | None
    account_id: str
    imds_v1: bool
    token_status: int | None
    region: str | None
    keys: Mapping[str, str] | None
    roles: Mapping[str, RoleTrust] | None
    web_identity_tokens: Mapping[str, float] | None
    sso_roles: Mapping[str, Collection[str]] | None
    sso_token_lifetime: float
    sso_refresh: RefreshMode
    login_lifetime: int
    login_error: LoginError | None
    cognito_pools: Mapping[str, IdentityPool] | None


class FakeSettings(FakeServiceSettings, total=False):
    """The settings of the services and of the server."""

    host: str
    latency: float


class AccessKey(NamedTuple):
    """A long-term key (no session token, never expires), or credentials that a service has issued."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    expiration: float
    """In seconds since 1970."""
    arn: str
    """The owner."""

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key_id}, {self.arn})"

    @property
    def account_id(self) -> str:
        """The account of the owner."""
        return self.arn.split(":")[4]

    def named(self, *names: str) -> dict[str, Any]:
        """Return the first of the fields as a document with these names."""
        return dict(zip(names, self, strict=False))


class RegisteredClient(NamedTuple):
    """A client that is registered with OIDC. ``expiration`` is that of the registration, in seconds since 1970."""

    secret: str
    expiration: float

    def __repr__(self) -> str:
        return f"RegisteredClient(expiration={self.expiration})"


class RefreshToken(NamedTuple):
    """A refresh token of OIDC or sign-in."""

    client_id: str
    arn: str = ""
    """The user who signed in."""
    thumbprint: str | None = None
    """The DPoP key that the token is bound to; None before its first use."""
    was_used: bool = False


class CognitoIdentity(NamedTuple):
    """A Cognito identity."""

    pool_id: str
    logins: frozenset[str]
    """The login providers of the identity; empty for a guest."""


class FakeRecords:
    """Everything that the services have issued or seen. Tests may read it; none of it is a setting."""

    def __init__(self) -> None:
        self.issues: dict[str, AccessKey] = {}  # by access key id
        self.sticky: dict[str, tuple[float, dict[str, str]]] = {}  # by route: expiration and latest credentials
        self.metadata_tokens: dict[bytes, float] = {}  # expiration of each token, on the monotonic clock
        self.used_codes: set[tuple[str, str]] = set()  # MFA device and code
        self.sso_tokens: dict[str, float] = {}  # expiration of each access token
        self.clients: dict[str, RegisteredClient] = {}  # by client id
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.proofs: set[str] = set()  # ids of DPoP proofs
        self.identities: dict[str, CognitoIdentity] = {}  # by identity id
        self.responses = 0  # of services that stamp their responses with a number
        self._secrets = 0

    def new_secret(self, kind: str) -> str:
        """Return a new secret that contains ``CANARY``."""
        self._secrets += 1
        return f"{CANARY}-{kind}-{self._secrets:04d}"


class FakeState:
    """The settings and records of all services, without a network."""

    role_name: str | None = ROLE_NAME
    lifetime: float = 6 * 3600
    token_ttl: int | None = None
    sticky: bool = False
    account_id: str = "123456789012"
    imds_v1: bool = False
    token_status: int | None = None
    container_token: str = f"{CANARY}-authorization-token"
    region: str | None = None
    sso_token_lifetime: float = 3600.0
    sso_refresh: RefreshMode = "rotate"
    login_lifetime: int = 900
    login_error: LoginError | None = None
    issued: int = 0
    reused_refresh_tokens: int = 0

    def __init__(self, **settings: Unpack[FakeServiceSettings]) -> None:
        if unknown := settings.keys() - FakeServiceSettings.__annotations__.keys():
            raise TypeError(f"FakeAWS has no setting {', '.join(sorted(unknown))}")
        vars(self).update(settings)
        keys, pools = settings.get("keys"), settings.get("cognito_pools")
        roles, sso_roles = settings.get("roles"), settings.get("sso_roles")
        self.clock: Clock = settings.get("clock") or SystemClock()
        self.keys: dict[str, str] = {LONG_TERM_ID: LONG_TERM_SECRET} if keys is None else dict(keys)
        self.roles: dict[str, RoleTrust] | None = None if roles is None else dict(roles)
        self.web_identity_tokens: dict[str, float] = dict(settings.get("web_identity_tokens") or {})
        self.sso_roles: dict[str, Collection[str]] | None = None if sso_roles is None else dict(sso_roles)
        self.cognito_pools: dict[str, IdentityPool] = {POOL_ID: {}} if pools is None else dict(pools)
        self.records: FakeRecords = FakeRecords()


def find_refresh_token(state: FakeState, client_id: str, refresh_token: str) -> RefreshToken | None:
    """Return a client's valid refresh token; None if it is invalid. A used token is invalid, and counted."""
    known = state.records.refresh_tokens.get(refresh_token)
    if known is None or known.client_id != client_id:
        return None
    state.reused_refresh_tokens += known.was_used
    return None if known.was_used else known


def rotate_refresh_token(state: FakeState, used: str, replacement: RefreshToken, kind: str) -> str:
    """Mark a refresh token as used, so that it is invalid, and return a new one."""
    tokens, new = state.records.refresh_tokens, state.records.new_secret(kind)
    tokens[used], tokens[new] = tokens[used]._replace(was_used=True), replacement
    return new
