"""The settings of the fake as types, so that type checkers and editors know its keywords. ``FakeAWS`` explains them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias, TypedDict

from ..._core.io import Clock

RefreshMode: TypeAlias = Literal["rotate", "keep", "omit"]
"""What OIDC answers for a refresh token: a new one; the same again; none, so that the old one stays."""

LoginRefusal: TypeAlias = Literal["TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED", "INSUFFICIENT_PERMISSIONS"]
"""Why sign-in denies access, in the words of its error documents."""


class RoleTrust(TypedDict, total=False):
    """On what conditions a role can be assumed. Those that are left out do not exist."""

    external_id: str
    mfa_serial: str
    mfa_codes: Collection[str]
    """The codes that the MFA device shows; each is good once."""
    max_session: int
    """The longest session, in seconds (12 hours)."""


class IdentityPool(TypedDict, total=False):
    """A Cognito identity pool."""

    unauthenticated: bool
    """Whether it gives identities to those who do not log in (yes)."""
    logins: Mapping[str, str]
    """The login providers, each with the token that it accepts (none)."""
    custom_roles: Collection[str]
    """The ARNs that may be asked for as ``CustomRoleArn`` (none)."""


class MetadataSettings(TypedDict, total=False):
    """What the metadata services answer."""

    role_name: str | None
    lifetime: float
    token_ttl: int | None
    sticky: bool
    clock: Clock | None
    account_id: str
    imds_v1: bool
    token_status: int | None


class WorldSettings(MetadataSettings, total=False):
    """The same, with what the other services answer."""

    region: str | None
    keys: Mapping[str, str] | None
    roles: Mapping[str, RoleTrust] | None
    web_identity_tokens: Mapping[str, float] | None
    sso_roles: Mapping[str, Collection[str]] | None
    sso_token_lifetime: float
    sso_refresh: RefreshMode
    login_lifetime: int
    login_refusal: LoginRefusal | None
    cognito_pools: Mapping[str, IdentityPool] | None


class FakeSettings(WorldSettings, total=False):
    """The same, with how they answer."""

    host: str
    latency: float
