"""Names the credentials of a role in the cache of the AWS CLI, from the parameters of the call. Pure.

The rule is that of botocore: the SHA-1 of the parameters as sorted JSON. So the credentials that sign the call, the web
identity token and the endpoint do not count: two callers of one role have the same name.

See: ``BaseAssumeRoleCredentialFetcher`` in botocore,
https://github.com/boto/botocore/blob/develop/botocore/credentials.py
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

from .parameters import Params


def cache_name(params: Params) -> str:
    """Return the name for a role. Only a ``RoleSessionName`` that is configured, not a default one, is a parameter."""
    arguments: dict[str, Any] = dict(params)
    if "Policy" in arguments:
        with suppress(ValueError, RecursionError):  # STS will say that it is not JSON
            arguments["Policy"] = json.loads(arguments["Policy"])
    return hashlib.sha1(json.dumps(arguments, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
