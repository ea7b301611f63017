"""The options of a cache on disk. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from ..._config.settings import Setting

# Names that begin with it are of this library: those of the AWS CLI are SHA-1 in hexadecimal, so none is the same.
_OWN_PREFIX = "anycreds-"


class DiskCacheSettings(NamedTuple):
    """The options of ``disk_cached``."""

    directory: Setting
    key: str | None = None
    """What the program names the credentials; None for the rule of the AWS CLI."""


def own_name(key: str, *selected_by: str | None) -> str:
    """Return the name of the file for a key of the program, and for what else selects the credentials."""
    return _OWN_PREFIX + hashlib.sha256(json.dumps([key, *selected_by]).encode()).hexdigest()
