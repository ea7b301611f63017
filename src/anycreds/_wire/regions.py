"""The names of AWS regions, checked before they become a part of a host name."""

from __future__ import annotations

import re

from .._core.credentials import InvalidReason

# One label of a DNS name. A dot or slash in it would send requests, with what signs them, to another host.
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HINT = "a region is a name such as eu-central-1"


def region_problem(region: object) -> InvalidReason | None:
    """Say why a value cannot be the name of a region; None: it can."""
    if not isinstance(region, str):
        return InvalidReason(f"is not text but {type(region).__name__}")
    return None if _LABEL.fullmatch(region) else InvalidReason(f"cannot be a part of a host name; {_HINT}")
