"""Everything that the fake services know: their settings, which may be changed at any time, and what they remember."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..._core.io import Clock
from .messages import CANARY, RealClock
from .settings import IdentityPool, LoginRefusal, RefreshMode, RoleTrust

ROLE_NAME = "anycreds-fake-role"
CONTAINER_TOKEN = f"{CANARY}-authorization-token"
POOL_ID = "us-east-1:00000000-0000-4000-8000-00000000c0de"

LONG_TERM_ID = "AKIDEXAMPLE"  # the one in AWS's examples of signatures
LONG_TERM_SECRET = f"{CANARY}-secret-long-term-{'x' * 20}"


class Issue(NamedTuple):
    """What is kept of a set: all else about it follows from its number."""

    number: int
    end: float
    arn: str


class Client(NamedTuple):
    """A client that is registered with OIDC."""

    secret: str
    end: float
    """When the registration ends, in seconds since 1970."""

    def __repr__(self) -> str:
        return f"Client(end={self.end})"


class Refresh(NamedTuple):
    """A refresh token of OIDC or sign-in."""

    client_id: str
    arn: str = ""
    """Who signed in."""
    thumbprint: str | None = None
    """The key that it is bound to; None: to none yet."""
    was_used: bool = False


class Identity(NamedTuple):
    """A Cognito identity."""

    pool_id: str
    logins: frozenset[str]
    """The login providers where somebody logged in; none: it is a guest's."""


class Memory:
    """What the services remember, other than counts: all of it can be looked at, and none of it is a setting."""

    def __init__(self) -> None:
        self.issues: dict[str, Issue] = {}  # by access key id
        self.kept: dict[str, tuple[float, dict[str, str]]] = {}  # by route: the last set and its end
        self.metadata_tokens: dict[bytes, float] = {}  # each with its end, on the monotonic clock
        self.used_codes: set[tuple[str, str]] = set()  # MFA device and code
        self.sso_tokens: dict[str, float] = {}  # each access token with its end
        self.clients: dict[str, Client] = {}  # by client id
        self.refreshes: dict[str, Refresh] = {}  # by refresh token
        self.proofs: set[str] = set()  # the ids of DPoP proofs
        self.identities: dict[str, Identity] = {}  # by identity id
        self.answered = 0  # requests to services
        self._planted = 0

    def plant(self, what: str) -> str:
        """Make a secret that was never there before."""
        self._planted += 1
        return f"{CANARY}-{what}-{self._planted:04d}"


class World:
    """Settings and memory of all services, without a network. ``FakeAWS`` explains the settings."""

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
        login_refusal: LoginRefusal | None = None,
        cognito_pools: Mapping[str, IdentityPool] | None = None,
    ) -> None:
        self.role_name = role_name
        self.lifetime = lifetime
        self.token_ttl = token_ttl
        self.sticky = sticky
        self.clock = clock or RealClock()
        self.account_id = account_id
        self.imds_v1 = imds_v1
        self.token_status = token_status
        self.container_token = CONTAINER_TOKEN
        self.region = region
        self.keys = {LONG_TERM_ID: LONG_TERM_SECRET} if keys is None else dict(keys)
        self.roles = None if roles is None else dict(roles)
        self.web_identity_tokens = dict(web_identity_tokens or {})
        self.sso_roles = None if sso_roles is None else dict(sso_roles)
        self.sso_token_lifetime = sso_token_lifetime
        self.sso_refresh: RefreshMode = sso_refresh
        self.login_lifetime = login_lifetime
        self.login_refusal: LoginRefusal | None = login_refusal
        self.cognito_pools: dict[str, IdentityPool] = {POOL_ID: {}} if cognito_pools is None else dict(cognito_pools)
        self.issued = 0
        self.reused_refresh_tokens = 0
        self.memory = Memory()
