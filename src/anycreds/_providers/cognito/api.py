"""Requests to Cognito Identity for an identity and for its credentials, and strict parsers of the responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ..._core.credentials import Credentials
from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_text
from ..._wire.json import object_in, parse_object
from ..._wire.service_errors import malformed_response
from ..._wire.text import response_text

_KEYS = ("AccessKeyId", "SecretKey", "SessionToken")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first second after the year 9999, the end of datetime. A time in milliseconds is larger.
_END_OF_TIME = 253_402_300_800

_THROTTLED = "send fewer requests, or share one cached provider: this account has exceeded a rate limit of Cognito"
# What the user can do, by error code.
HINTS: Mapping[str, str] = {
    "NotAuthorizedException": "check that the login tokens are valid and belong to this identity, that the pool "
    "accepts their providers, and, without logins, that it allows unauthenticated identities",
    "ResourceNotFoundException": "check the ID and the region: the identity or identity pool does not exist there",
    "InvalidIdentityPoolConfigurationException": "set a role for these identities in the pool, and let its trust "
    "policy allow cognito-identity.amazonaws.com to assume it for this pool",
    "InvalidParameterException": "check the IDs, the names of the logins and the ARN of the custom role",
    "LimitExceededException": "delete what is unused, or request a higher quota of Cognito for this account",
    "ResourceConflictException": "use another login: this one belongs to another identity already",
    "ExternalServiceException": "try again later: the identity provider of a login did not respond to Cognito",
    "InternalErrorException": "try again later: Cognito has an internal error",
    "DeveloperUserAlreadyRegisteredException": "use another user: this one belongs to another identity already",
    "TooManyRequestsException": _THROTTLED,
    "ThrottlingException": _THROTTLED,
}


def request_headers(operation: Literal["GetId", "GetCredentialsForIdentity"]) -> dict[str, str]:
    """Return the headers of a request, which is not signed."""
    target = f"AWSCognitoIdentityService.{operation}"
    return {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}


def get_id_body(pool_id: str, account_id: str | None, logins: Mapping[str, str] | None) -> bytes:
    """Return the body of a request for the identity that a pool has for these logins, or for a new one without logins.

    See: Amazon Cognito Federated Identities API Reference, "GetId",
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
    """
    return _body({"IdentityPoolId": pool_id, "AccountId": account_id, "Logins": logins})


def get_credentials_body(identity_id: str, logins: Mapping[str, str] | None, custom_role_arn: str | None) -> bytes:
    """Return the body of a request for the credentials of an identity.

    See: Amazon Cognito Federated Identities API Reference, "GetCredentialsForIdentity",
    https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html
    """
    return _body({"IdentityId": identity_id, "Logins": logins, "CustomRoleArn": custom_role_arn})


def parse_identity_id(response: Response, source: str) -> str:
    """Return the identity in a response to GetId. Raise ``MalformedResponseError`` if there is none."""
    try:
        return check_text(parse_object(response_text(response)).get("IdentityId"), field="IdentityId")
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None


def parse_credentials(response: Response, source: str, identity_id: str) -> Credentials:
    """Return the credentials in a response to GetCredentialsForIdentity. ``identity_id`` is for one without an ID."""
    try:
        return _credentials(parse_object(response_text(response)), source, identity_id)
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None


def _credentials(document: Mapping[str, Any], source: str, identity_id: str) -> Credentials:
    given = object_in(document, "Credentials")
    returned_id = document.get("IdentityId")
    key, secret, token = (check_text(given.get(name), field=name) for name in _KEYS)
    return Credentials(
        key,
        secret,
        token,
        expiration=_expiration(given.get("Expiration")),
        identity_id=identity_id if returned_id is None else check_text(returned_id, field="IdentityId"),
        source=source,
    )


def _body(fields: Mapping[str, object]) -> bytes:
    given = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(given, separators=(",", ":")).encode("ascii")


def _expiration(value: object) -> datetime:
    """Return seconds since 1970, whole or not, as a datetime."""
    if value is None:
        raise InvalidValueError("is missing", field="Expiration")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(f"is not a number of seconds but {type(value).__name__}", field="Expiration")
    if not 0 < value < _END_OF_TIME:  # also infinity, as which 1e999 is parsed
        raise InvalidValueError("is not an existing time", field="Expiration")
    return _EPOCH + timedelta(seconds=value)
