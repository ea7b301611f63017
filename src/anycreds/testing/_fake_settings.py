"""The settings of the fake as types, so that type checkers and editors know its keywords. ``FakeAWS`` explains them."""

from __future__ import annotations

from typing import TypedDict

from .._io import Clock


class MetadataSettings(TypedDict, total=False):
    """What the services answer."""

    role_name: str | None
    lifetime: float
    token_ttl: int | None
    sticky: bool
    clock: Clock | None
    account_id: str
    imds_v1: bool
    token_status: int | None


class FakeSettings(MetadataSettings, total=False):
    """The same, with how they answer."""

    host: str
    latency: float
