"""What Amazon Cognito identity pools answer: a plain function from request to answer, over settings.

Follows the Amazon Cognito identity pools API reference, "GetId" and "GetCredentialsForIdentity".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import issued_keys as keys
from .messages import Answer, Asked, Refusal, json_answer, read_json
from .settings import IdentityPool
from .state import Identity, World

ROUTES = ("cognito id", "cognito credentials")
_SERVICE = "AWSCognitoIdentityService"
ACTIONS = {f"{_SERVICE}.GetId": ROUTES[0], f"{_SERVICE}.GetCredentialsForIdentity": ROUTES[1]}
JSON_1_1 = "application/x-amz-json-1.1"
_ID = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)
_LONGEST_ID = 55
_PARAMETERS = {
    ROUTES[0]: {"AccountId", "IdentityPoolId", "Logins"},
    ROUTES[1]: {"IdentityId", "Logins", "CustomRoleArn"},
}


def answer(world: World, asked: Asked, ended: float | None = None) -> Answer:
    """Answer one request. ``ended``: if there is a set in the answer, let it have ended that many seconds ago."""
    outcome = _outcome(world, asked, ended)
    return refuse(outcome) if isinstance(outcome, Refusal) else json_answer(200, outcome, (("Content-Type", JSON_1_1),))


def refuse(told: Refusal) -> Answer:
    """Write a refusal as services do that speak JSON 1.1."""
    head = (("Content-Type", JSON_1_1), ("x-amzn-ErrorType", told.code))
    return json_answer(told.status, {"__type": told.code, "message": told.message}, head)


def _outcome(world: World, asked: Asked, ended: float | None) -> dict[str, Any] | Refusal:
    route = ACTIONS.get(asked.header("x-amz-target"))
    if route is None or asked.method != "POST" or asked.header("content-type").partition(";")[0] != JSON_1_1:
        return Refusal(400, "UnknownOperationException", "no such operation, or not asked for in JSON 1.1")
    form = _form(asked, route)
    if form is None:
        return Refusal(400, "SerializationException", "this is no document of that operation")
    logins = form.pop("Logins", {})
    return _id(world, form, logins) if route == ROUTES[0] else _credentials(world, form, logins, ended)


def _form(asked: Asked, route: str) -> dict[str, Any] | None:
    """Read the document of an operation, without what is null; None: it is not one."""
    if (document := read_json(asked)) is None:
        return None
    form = {name: value for name, value in document.items() if value is not None}
    logins = form.get("Logins", {})
    if form.keys() - _PARAMETERS[route] or not isinstance(logins, dict):
        return None
    texts = [*logins.values(), *(value for name, value in form.items() if name != "Logins")]
    return form if all(isinstance(text, str) for text in texts) else None


def _id(world: World, form: Mapping[str, str], logins: Mapping[str, str]) -> dict[str, Any] | Refusal:
    account, pool_id = form.get("AccountId", world.account_id), form.get("IdentityPoolId", "")
    if not re.fullmatch(r"[0-9]{1,15}", account):
        return _invalid("accountId", r"\d+")
    if not _is_id(pool_id):
        return _invalid("identityPoolId", _ID.pattern)
    pool = world.cognito_pools.get(pool_id)
    if pool is None or account != world.account_id:
        return Refusal(400, "ResourceNotFoundException", f"IdentityPool '{pool_id}' not found.")
    if not logins and not pool.get("unauthenticated", True):
        return _not("Unauthenticated access is not supported for this identity pool.")
    if (refusal := _login_refusal(pool, logins)) is not None:
        return refusal
    return {"IdentityId": _identity_id(world, Identity(pool_id, frozenset(logins)))}


def _credentials(
    world: World, form: Mapping[str, str], logins: Mapping[str, str], ended: float | None
) -> dict[str, Any] | Refusal:
    identity_id, role = form.get("IdentityId", ""), form.get("CustomRoleArn")
    if not _is_id(identity_id):
        return _invalid("identityId", _ID.pattern)
    identity = world.memory.identities.get(identity_id)
    pool = None if identity is None else world.cognito_pools.get(identity.pool_id)
    if identity is None or pool is None:
        return Refusal(400, "ResourceNotFoundException", f"Identity '{identity_id}' not found.")
    if (refusal := _access_refusal(identity_id, identity, pool, logins)) is not None:
        return refusal
    if role is not None and (not logins or role not in pool.get("custom_roles", ())):
        return _not("Invalid identity pool configuration. Check assigned IAM roles for this pool.")
    if logins and not identity.logins:  # the guest has logged in
        world.memory.identities[identity_id] = identity._replace(logins=frozenset(logins))
    name = role.rpartition("/")[2] if role else f"Cognito_fake{'Auth' if logins else 'Unauth'}_Role"
    arn = keys.session_arn(world.account_id, name, "CognitoIdentityCredentials")
    made = keys.issue(world, arn, world.lifetime, ended)
    issued = {
        "AccessKeyId": made.access_key_id,
        "SecretKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.end,
    }
    return {"IdentityId": identity_id, "Credentials": issued}


def _identity_id(world: World, identity: Identity) -> str:
    """Return an identity's id: always the same for somebody who logs in, a new one for each guest."""
    known = world.memory.identities
    if identity.logins:
        for identity_id, one in known.items():
            if one == identity:
                return identity_id
    region = identity.pool_id.partition(":")[0]
    made = f"{region}:{len(known) + 1:08x}-0000-4000-8000-000000000000"
    known[made] = identity
    return made


def _access_refusal(
    identity_id: str, identity: Identity, pool: IdentityPool, logins: Mapping[str, str]
) -> Refusal | None:
    if (refusal := _login_refusal(pool, logins)) is not None:
        return refusal
    if not logins and (identity.logins or not pool.get("unauthenticated", True)):
        return _not(f"Access to Identity '{identity_id}' is forbidden.")
    if identity.logins and not logins.keys() <= identity.logins:
        return _not("Logins don't match. Please include at least one valid login for this identity or identity pool.")
    return None


def _login_refusal(pool: IdentityPool, logins: Mapping[str, str]) -> Refusal | None:
    accepted = pool.get("logins", {})
    for name, token in logins.items():
        if name not in accepted:
            return _not("Token is not from a supported provider of this identity pool.")
        if accepted[name] != token:
            return _not("Invalid login token.")
    return None


def _is_id(value: str) -> bool:
    return len(value) <= _LONGEST_ID and _ID.fullmatch(value) is not None


def _invalid(name: str, pattern: str) -> Refusal:
    said = f"1 validation error detected: Value at '{name}' failed to satisfy constraint: "
    return Refusal(400, "ValidationException", f"{said}Member must satisfy regular expression pattern: {pattern}")


def _not(message: str) -> Refusal:
    return Refusal(400, "NotAuthorizedException", message)
