"""The state of the fake services: their settings, which a test may change at any time, and what they have issued."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..._core.io import Clock
from ..._system.clock import SystemClock
from .messages import CANARY
from .settings import IdentityPool, LoginError, RefreshMode, RoleTrust

ROLE_NAME = "anycreds-fake-role"
CONTAINER_TOKEN = f"{CANARY}-authorization-token"
POOL_ID = "us-east-1:00000000-0000-4000-8000-00000000c0de"

LONG_TERM_ID = "AKIDEXAMPLE"  # the access key id in AWS's examples of signatures
LONG_TERM_SECRET = f"{CANARY}-secret-long-term-{'x' * 20}"


class IssueRecord(NamedTuple):
    """The record of issued credentials. Secret and session token are derived from the number."""

    number: int
    expiration: float
    arn: str


class RegisteredClient(NamedTuple):
    """A client that is registered with OIDC."""

    secret: str
    expiration: float
    """When the registration expires, in seconds since 1970."""

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
        self.issues: dict[str, IssueRecord] = {}  # by access key id
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
    """The settings and records of all services, without a network. ``FakeAWS`` describes the settings."""

    def __init__(
        self,
        *,
        role_name: str | None = ROLE_NAME,
        lifetime: float = 6 * 3600,
        token_ttl: int | None = None,
        sticky: bool = False,
        clock: Clock | None = None,
        account_id: str = "123456789012",
        imds_v1: bool = False,
        token_status: int | None = None,
        region: str | None = None,
        keys: Mapping[str, str] | None = None,
        roles: Mapping[str, RoleTrust] | None = None,
        web_identity_tokens: Mapping[str, float] | None = None,
        sso_roles: Mapping[str, Collection[str]] | None = None,
        sso_token_lifetime: float = 3600.0,
        sso_refresh: RefreshMode = "rotate",
        login_lifetime: int = 900,
        login_error: LoginError | None = None,
        cognito_pools: Mapping[str, IdentityPool] | None = None,
    ) -> None:
        self.role_name = role_name
        self.lifetime = lifetime
        self.token_ttl = token_ttl
        self.sticky = sticky
        self.clock: Clock = clock or SystemClock()
        self.account_id = account_id
        self.imds_v1 = imds_v1
        self.token_status = token_status
        self.container_token = CONTAINER_TOKEN
        self.region = region
        self.keys: dict[str, str] = {LONG_TERM_ID: LONG_TERM_SECRET} if keys is None else dict(keys)
        self.roles: dict[str, RoleTrust] | None = None if roles is None else dict(roles)
        self.web_identity_tokens: dict[str, float] = dict(web_identity_tokens or {})
        self.sso_roles: dict[str, Collection[str]] | None = None if sso_roles is None else dict(sso_roles)
        self.sso_token_lifetime = sso_token_lifetime
        self.sso_refresh: RefreshMode = sso_refresh
        self.login_lifetime = login_lifetime
        self.login_error: LoginError | None = login_error
        self.cognito_pools: dict[str, IdentityPool] = {POOL_ID: {}} if cognito_pools is None else dict(cognito_pools)
        self.issued = 0
        self.reused_refresh_tokens = 0
        self.records: FakeRecords = FakeRecords()
