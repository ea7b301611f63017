"""Cognito Identity: what is asked for an identity and for its credentials, and the answers, read without trust.

Nothing here raises, and no error repeats what was sent or came.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ..._core.credentials import Credentials, InvalidReason, invalid_reason
from ..._core.errors import MalformedResponseError
from ..._core.http import Response
from ..._wire.credential_documents import read_text
from ..._wire.json import object_in

_FIELDS = ("IdentityId", "Credentials")
_KEYS = ("AccessKeyId", "SecretKey", "SessionToken", "Expiration")
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


def identity_id_in(response: Response, source: str) -> str | MalformedResponseError:
    """Return the identity in an answer to GetId."""
    document = _document(response, source)
    if isinstance(document, MalformedResponseError):
        return document
    identity_id = document.get("IdentityId")
    if problem := invalid_reason(identity_id):
        return _wrong_field(response, source, "IdentityId", problem)
    return str(identity_id)


def credentials_in(response: Response, source: str, identity_id: str) -> Credentials | MalformedResponseError:
    """Return the set in an answer to GetCredentialsForIdentity. ``identity_id`` is the one that was asked for."""
    document = _document(response, source)
    if isinstance(document, MalformedResponseError):
        return document
    given = document.get("Credentials")
    if not isinstance(given, dict):
        kind = "is missing" if given is None else f"is not an object but {type(given).__name__}"
        return _wrong_field(response, source, "Credentials", kind)
    expiration = _moment(given.get("Expiration"))
    answered = document.get("IdentityId")  # null says nothing about the keys, so that it may stand for absent
    found = {**given, "IdentityId": identity_id if answered is None else answered}
    for name in (*_KEYS[:3], "IdentityId"):
        if problem := invalid_reason(found.get(name)):
            return _wrong_field(response, source, name, problem)
    if isinstance(expiration, InvalidReason):
        return _wrong_field(response, source, "Expiration", expiration)
    return Credentials(
        found["AccessKeyId"],
        found["SecretKey"],
        found["SessionToken"],
        expiration=expiration,
        identity_id=found["IdentityId"],
        source=source,
    )


def _body(fields: Mapping[str, object]) -> bytes:
    import json  # only here: programs with plain environment keys never load it through us

    given = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(given, separators=(",", ":")).encode()  # all of it is ASCII, so that nothing can go wrong


def _document(response: Response, source: str) -> dict[str, Any] | MalformedResponseError:
    text = read_text(response, source)
    if isinstance(text, MalformedResponseError):
        return text
    document = object_in(text, (*_FIELDS, *_KEYS))
    if not isinstance(document, dict):
        problem, field = document
        return MalformedResponseError(f"the answer {problem}", field=field, status=response.status, source=source)
    return document


def _moment(value: object) -> datetime | InvalidReason:
    """Read seconds since 1970, whole or not."""
    if value is None:
        return InvalidReason("is missing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return InvalidReason(f"is not a number of seconds but {type(value).__name__}")
    if not 0 < value < _END_OF_TIME:  # a number of JSON can be infinite: 1e999 is
        return InvalidReason("is no possible time")
    return _EPOCH + timedelta(seconds=value)


def _wrong_field(response: Response, source: str, name: str, problem: str) -> MalformedResponseError:
    message = f"{name} in the answer {problem}"
    return MalformedResponseError(message, field=name, status=response.status, source=source)
