"""The fake of Amazon Cognito identity pools.

See: "GetId" and "GetCredentialsForIdentity" in the Amazon Cognito identity pools API reference
(https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import issued_keys as keys
from .messages import FakeRequest, FakeResponse, FakeServiceError, json_response, read_json
from .state import CognitoIdentity, FakeState, IdentityPool

ROUTES = ("cognito id", "cognito credentials")
_SERVICE = "AWSCognitoIdentityService"
ACTIONS = {f"{_SERVICE}.GetId": ROUTES[0], f"{_SERVICE}.GetCredentialsForIdentity": ROUTES[1]}
JSON_1_1 = "application/x-amz-json-1.1"
_ID = re.compile(r"[\w-]+:[0-9a-f-]+", re.ASCII)
_MAX_ID_LENGTH = 55
_PARAMETERS = {
    ROUTES[0]: {"AccountId", "IdentityPoolId", "Logins"},
    ROUTES[1]: {"IdentityId", "Logins", "CustomRoleArn"},
}


def respond(state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse:
    """Return the response to a request. Raises ``FakeServiceError`` for an error response."""
    route = ACTIONS.get(request.header("x-amz-target"))
    is_json = request.header("content-type").partition(";")[0] == JSON_1_1
    if route is None or request.method != "POST" or not is_json:
        message = "the operation is unknown, or the request is not JSON 1.1"
        raise FakeServiceError(400, "UnknownOperationException", message)
    form = _form(request, route)
    logins = form.pop("Logins", {})
    is_id = route == ROUTES[0]
    result = _get_id(state, form, logins) if is_id else _get_credentials(state, form, logins, expired_ago)
    return json_response(200, result, (("Content-Type", JSON_1_1),))


def encode_error(error: FakeServiceError) -> FakeResponse:
    """Encode an error as JSON 1.1 services do."""
    head = (("Content-Type", JSON_1_1), ("x-amzn-ErrorType", error.code))
    return json_response(error.status, {"__type": error.code, "message": error.message}, head)


def _form(request: FakeRequest, route: str) -> dict[str, Any]:
    """Return the parameters of an operation, without those that are null."""
    document = read_json(request)
    form = {name: value for name, value in (document or {}).items() if value is not None}
    logins = form.get("Logins", {})
    texts = [*(form | {"Logins": ""}).values(), *(logins.values() if isinstance(logins, dict) else [None])]
    if document is None or form.keys() - _PARAMETERS[route] or not all(isinstance(text, str) for text in texts):
        raise FakeServiceError(400, "SerializationException", "the body is not a document of this operation")
    return form


def _get_id(state: FakeState, form: Mapping[str, str], logins: Mapping[str, str]) -> dict[str, Any]:
    account, pool_id = form.get("AccountId", state.account_id), form.get("IdentityPoolId", "")
    if not re.fullmatch(r"[0-9]{1,15}", account):
        raise _invalid("accountId", r"\d+")
    _check_id("identityPoolId", pool_id)
    pool = state.cognito_pools.get(pool_id)
    if pool is None or account != state.account_id:
        raise FakeServiceError(400, "ResourceNotFoundException", f"IdentityPool '{pool_id}' not found.")
    if not logins and not pool.get("unauthenticated", True):
        raise _not_authorized("Unauthenticated access is not supported for this identity pool.")
    _check_logins(pool, logins)
    return {"IdentityId": _identity_id(state, CognitoIdentity(pool_id, frozenset(logins)))}


def _get_credentials(
    state: FakeState, form: Mapping[str, str], logins: Mapping[str, str], expired_ago: float | None
) -> dict[str, Any]:
    identity_id, role = form.get("IdentityId", ""), form.get("CustomRoleArn")
    _check_id("identityId", identity_id)
    identity = state.records.identities.get(identity_id)
    pool = None if identity is None else state.cognito_pools.get(identity.pool_id)
    if identity is None or pool is None:
        raise FakeServiceError(400, "ResourceNotFoundException", f"Identity '{identity_id}' not found.")
    _check_logins(pool, logins)
    if not logins and (identity.logins or not pool.get("unauthenticated", True)):
        raise _not_authorized(f"Access to Identity '{identity_id}' is forbidden.")
    if identity.logins and not logins.keys() <= identity.logins:
        message = "Logins don't match. Please include at least one valid login for this identity or identity pool."
        raise _not_authorized(message)
    if role is not None and (not logins or role not in pool.get("custom_roles", ())):
        raise _not_authorized("Invalid identity pool configuration. Check assigned IAM roles for this pool.")
    if logins and not identity.logins:  # the guest has logged in
        state.records.identities[identity_id] = identity._replace(logins=frozenset(logins))
    name = role.rpartition("/")[2] if role else f"Cognito_fake{'Auth' if logins else 'Unauth'}_Role"
    arn = keys.session_arn(state.account_id, name, "CognitoIdentityCredentials")
    issued = keys.issue(state, arn, state.lifetime, expired_ago)
    credentials = issued.named("AccessKeyId", "SecretKey", "SessionToken", "Expiration")
    return {"IdentityId": identity_id, "Credentials": credentials}


def _identity_id(state: FakeState, identity: CognitoIdentity) -> str:
    """Return the id of an identity: the same one for the same logins, a new one for each guest."""
    identities = state.records.identities
    if identity.logins:
        for identity_id, known in identities.items():
            if known == identity:
                return identity_id
    region = identity.pool_id.partition(":")[0]
    identity_id = f"{region}:{len(identities) + 1:08x}-0000-4000-8000-000000000000"
    identities[identity_id] = identity
    return identity_id


def _check_logins(pool: IdentityPool, logins: Mapping[str, str]) -> None:
    accepted = pool.get("logins", {})
    for name, token in logins.items():
        if name not in accepted:
            raise _not_authorized("Token is not from a supported provider of this identity pool.")
        if accepted[name] != token:
            raise _not_authorized("Invalid login token.")


def _check_id(name: str, value: str) -> None:
    if len(value) > _MAX_ID_LENGTH or not _ID.fullmatch(value):
        raise _invalid(name, _ID.pattern)


def _invalid(name: str, pattern: str) -> FakeServiceError:
    constraint = f"Member must satisfy regular expression pattern: {pattern}"
    message = f"1 validation error detected: Value at '{name}' failed to satisfy constraint: {constraint}"
    return FakeServiceError(400, "ValidationException", message)


def _not_authorized(message: str) -> FakeServiceError:
    return FakeServiceError(400, "NotAuthorizedException", message)
