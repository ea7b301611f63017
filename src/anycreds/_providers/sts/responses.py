"""Strict parsers of the responses of STS, and what to do about its errors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..._core.credentials import Credentials
from ..._core.errors import MalformedResponseError
from ..._core.http import Response, TransportFailure
from ..._core.validation import InvalidValueError, check_text
from ..._wire.service_errors import (
    ErrorResponse,
    error_response,
    malformed_response,
    parse_json_error,
    service_error,
    transport_error,
)
from ..._wire.text import check_not_compressed
from ..._wire.timestamps import parse_time
from ..._wire.xml import XmlElement, parse_xml

_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_PAGE_HINT = "check for a captive portal or a proxy: the response is a web page"

# How STS says that an MFA code is wrong or was used before. The error code is that of every rejection.
_WRONG_CODE = "invalid MFA one time pass code"
CODE_REUSED_HINT = "wait for the next code: a code is valid for 30 s, and AWS accepts it only once"

_CLOCK = "check the clock of this machine, then the secret access key"
_UNKNOWN_KEY = "check that the access key still exists, and that it is of the same partition as the endpoint"
_VALUE = "check the ARN of the role, the session name, the duration and the other options"
# By error codes to which services that imitate STS with JSON append "Exception".
_HINTS = {
    "MalformedPolicyDocument": "check the session policy: it must be one JSON document in the IAM policy language",
    "PackedPolicyTooLarge": "use fewer or shorter session policies and tags",
    "InvalidIdentityToken": "check the issuer, the audience and the signature of the token, and the OIDC provider in "
    "IAM",
    "IDPRejectedClaim": "check that the token is not revoked, and that it has the claims that the identity provider "
    "requires",
    "IDPCommunicationError": "check that AWS can read the OIDC keys of the identity provider over the internet",
    "Throttling": "make fewer requests with this account, for example by sharing one cached provider",
}
# What to do about an error of STS, by its code.
HINTS: Mapping[str, str] = {
    **_HINTS,
    **{f"{code}Exception": hint for code, hint in _HINTS.items()},
    "AccessDenied": "check the trust policy of the role: it must name the caller, and its conditions (external ID, "
    "MFA, claims of the token) must hold; a caller with credentials needs permission for sts:AssumeRole, too",
    "ExpiredToken": "refresh the source credentials, which have expired",
    "ExpiredTokenException": "refresh the web identity token or the source credentials, which have expired",
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _CLOCK,
    "IncompleteSignature": _CLOCK,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "RegionDisabledException": "activate STS for this region in the account settings of IAM, or use another region",
    "ValidationError": _VALUE,
    "ValidationException": _VALUE,
}


def credentials_from(
    result: Response | TransportFailure,
    operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"],
    source: str,
    description: str,
    secrets: tuple[str, ...],
) -> Credentials:
    """Return the credentials in the result of a call, or raise its error, which shows no secret of the request."""
    if isinstance(result, TransportFailure):
        raise transport_error(result, source, description)
    if result.status != 200:
        error = parse_error_response(result, secrets)
        hints = {**HINTS, error.code or "": CODE_REUSED_HINT} if _WRONG_CODE in error.message else HINTS
        raise service_error(result, error, source, description, hints)
    return parse_credentials(result, operation, source, secrets)


def parse_credentials(
    response: Response,
    operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"],
    source: str,
    secrets: tuple[str, ...] = (),
) -> Credentials:
    """Return the credentials in a response with status 200, with the account of the role if the response has it."""
    try:
        root = _document(response)
        if root.name != f"{operation}Response":
            raise InvalidValueError(f"is not an {operation}Response")
        return _credentials(root, f"{operation}Result", source)
    except InvalidValueError as error:
        raise _malformed(error, response, source, secrets) from None


def _credentials(root: XmlElement, result: str, source: str) -> Credentials:
    credentials = root.find(result, "Credentials")
    if credentials is None:
        raise InvalidValueError("is missing", field="Credentials")
    key, secret, token, end = (check_text(credentials.text_at(name), field=name) for name in _KEYS)
    try:
        account_id = _account_id(root.text_at(result, "AssumedRoleUser", "Arn"))
    except InvalidValueError:  # the keys are usable without it
        account_id = None
    expiration = parse_time(end, field="Expiration")
    return Credentials(key, secret, token, expiration=expiration, account_id=account_id, source=source)


def parse_error_response(response: Response, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Return the error response of STS, or of a service that imitates it and may use JSON.

    Code and message are empty if ``response`` is neither.
    """
    try:
        root = _document(response)
    except InvalidValueError:
        return parse_json_error(response, secrets)
    path = ("Error",) if root.name == "ErrorResponse" else ()
    if not path and root.name != "Error":  # the form of S3 and services that imitate it
        return ErrorResponse(response.status, None, "")
    code, message = (_text_or_none(root, *path, name) for name in ("Code", "Message"))
    return error_response(response.status, code, message, secrets)


def _text_or_none(root: XmlElement, *path: str) -> str | None:
    try:
        return root.text_at(*path)
    except InvalidValueError:
        return None


def _document(response: Response) -> XmlElement:
    check_not_compressed(response)
    return parse_xml(response.body)


def _malformed(
    error: InvalidValueError, response: Response, source: str, secrets: tuple[str, ...]
) -> MalformedResponseError:
    """Return the error for a response that is not what the operation returns, such as an error with status 200."""
    found = parse_error_response(response, secrets)
    if details := ": ".join(part for part in (found.code, found.message) if part):
        error = InvalidValueError(f"is an error ({details}), although its status is {response.status}")
    is_page = response.body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))
    return malformed_response(error, response, source, _PAGE_HINT if is_page else HINTS.get(found.code or ""))


def _account_id(arn: str | None) -> str | None:
    """Return the account in an ARN; None if it cannot be an account."""
    parts = (arn or "").split(":")
    return check_text(parts[4]) if len(parts) > 4 else None
