"""Requests to Cognito Identity for an identity and for its credentials, and strict parsers of the responses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ..._core.credentials import Credentials
from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_text
from ..._wire.json import parse_object
from ..._wire.service_errors import malformed_response
from ..._wire.text import response_text

_KEYS = ("AccessKeyId", "SecretKey", "SessionToken")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first second after the year 9999, where datetime ends. Milliseconds since 1970 lie beyond it since 1978.
_END_OF_TIME = 253_402_300_800

_BUSY = "too many requests came from this account; ask less often, or share one cached provider"
# What to do about an error of Cognito, by its code.
HINTS: Mapping[str, str] = {
    "NotAuthorizedException": "check that the login tokens are still valid and belong to this identity, that the pool "
    "knows their providers, and, without logins, that it allows unauthenticated identities",
    "ResourceNotFoundException": "there is no such identity or identity pool in this region; check the id and the "
    "region",
    "InvalidIdentityPoolConfigurationException": "the pool has no role for such identities, or the role's trust policy "
    "does not let cognito-identity.amazonaws.com assume it for this pool",
    "InvalidParameterException": "check the ids, the names of the logins and the custom role's ARN",
    "LimitExceededException": "the account has reached a quota of Cognito; remove what is unused, or have it raised",
    "ResourceConflictException": "a login belongs to another identity already",
    "ExternalServiceException": "the provider of a login did not answer Cognito; try again later",
    "InternalErrorException": "Cognito has trouble of its own; try again later",
    "DeveloperUserAlreadyRegisteredException": "the developer's user belongs to another identity already",
    "TooManyRequestsException": _BUSY,
    "ThrottlingException": _BUSY,
}


def request_headers(operation: Literal["GetId", "GetCredentialsForIdentity"]) -> dict[str, str]:
    """Return the headers that say what is asked. Nothing is signed."""
    target = f"AWSCognitoIdentityService.{operation}"
    return {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}


def get_id_body(pool_id: str, account_id: str | None, logins: Mapping[str, str] | None) -> bytes:
    """Return the body that asks a pool for the identity of who has these logins, or for a new one without.

    Follows the Amazon Cognito Identity API reference, page "GetId".
    """
    return _body({"IdentityPoolId": pool_id, "AccountId": account_id, "Logins": logins})


def get_credentials_body(identity_id: str, logins: Mapping[str, str] | None, custom_role_arn: str | None) -> bytes:
    """Return the body that asks for the credentials of an identity.

    Follows the Amazon Cognito Identity API reference, page "GetCredentialsForIdentity".
    """
    return _body({"IdentityId": identity_id, "Logins": logins, "CustomRoleArn": custom_role_arn})


def parse_identity_id(response: Response, source: str) -> str:
    """Return the identity in a response to GetId. Raise ``MalformedResponseError`` if there is none."""
    try:
        return check_text(parse_object(response_text(response)).get("IdentityId"), field="IdentityId")
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None


def parse_credentials(response: Response, source: str, identity_id: str) -> Credentials:
    """Return the credentials in a response to GetCredentialsForIdentity.

    Args:
        response: A response with status 200.
        source: The name of the provider.
        identity_id: The identity in the request, for responses without one.

    Raises:
        MalformedResponseError: The response does not contain valid credentials.

    """
    try:
        document = parse_object(response_text(response))
        return _credentials(document, source, identity_id)
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None


def _credentials(document: Mapping[str, Any], source: str, identity_id: str) -> Credentials:
    given = document.get("Credentials")
    if not isinstance(given, dict):
        reason = "is missing" if given is None else f"is not an object but {type(given).__name__}"
        raise InvalidValueError(reason, field="Credentials")
    answered = document.get("IdentityId")  # null here does not make the keys doubtful
    key, secret, token = (check_text(given.get(name), field=name) for name in _KEYS)
    return Credentials(
        key,
        secret,
        token,
        expiration=_expiration(given.get("Expiration")),
        identity_id=identity_id if answered is None else check_text(answered, field="IdentityId"),
        source=source,
    )


def _body(fields: Mapping[str, object]) -> bytes:
    import json  # only here: programs with plain environment keys never load it through us

    given = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(given, separators=(",", ":")).encode()  # all of it is ASCII, so that nothing can go wrong


def _expiration(value: object) -> datetime:
    """Return seconds since 1970, whole or not, as a datetime."""
    if value is None:
        raise InvalidValueError("is missing", field="Expiration")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(f"is not a number of seconds but {type(value).__name__}", field="Expiration")
    if not 0 < value < _END_OF_TIME:  # a number in JSON can be infinite: 1e999 is
        raise InvalidValueError("is not an existing time", field="Expiration")
    return _EPOCH + timedelta(seconds=value)
