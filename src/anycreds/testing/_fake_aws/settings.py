"""The settings of ``FakeAWS`` as types for type checkers and editors. Their descriptions are in ``FakeAWS``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias, TypedDict

from ..._core.io import Clock

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
