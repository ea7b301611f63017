"""The options of the factories that call STS: checks, and the parameters of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.durations import as_seconds

if TYPE_CHECKING:
    from datetime import timedelta

    from .._providers.sts.parameters import Params


def checked_parameters(*, duration: timedelta | float | None, **parameters: object) -> Params:
    """Return the parameters of a call to STS, by their names in its API, without those that are None.

    Raises:
        InvalidConfigurationError: An option is invalid.

    """
    from .._providers.sts.parameters import sts_parameters

    seconds = None if duration is None else as_seconds("duration", duration)
    return sts_parameters({**parameters, "DurationSeconds": seconds}, "role")


def required(role_arn: str | None) -> str:
    """Return the ARN of a role, or a blank text, which is an error: a parameter that is None would be left out."""
    return role_arn or ""
