"""Strict parsers of STS's responses, and what to do about its errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..._core.credentials import Credentials
from ..._core.errors import MalformedResponseError
from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_text
from ..._wire.service_errors import ErrorResponse, error_response, malformed_response, parse_json_error
from ..._wire.text import check_not_compressed
from ..._wire.timestamps import parse_time
from ..._wire.xml import XmlElement, parse_xml

_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_PAGE_HINT = "it looks like a web page; is a captive portal or a proxy in between?"

_SOURCE_ENDED = "the credentials that the role was asked with have ended; renew them at their source"
_WRONG_KEY = "the key that signed is unknown; was it deleted, or is it of another partition?"
_CLOCK = "check that this machine's clock is right, then that the secret access key is"
_IDENTITY_TOKEN = "check the token's issuer, audience and signature, and that IAM has an OIDC provider for its issuer"
_CLAIM = "the identity provider rejects the token: it may have been revoked, or lacks a claim that is needed"
_PROVIDER_AWAY = "AWS could not reach the identity provider; check that its OIDC keys can be read from the internet"
_POLICY = "check the session policy: it must be one JSON document in the language of IAM policies"
_PACKED = "session policies and tags are too large together; use fewer or shorter ones"
_VALUE = "check the role's ARN, session name, duration and the other options"
_BUSY = "too many requests came from this account; ask less often, or share one cached provider"
# What to do about an error of STS, by its code. JSON look-alikes write "Exception" behind the name.
HINTS: Mapping[str, str] = {
    "AccessDenied": "the role's trust policy must name who asks, and its conditions must be met (external id, MFA, "
    "claims of the token); who asks with credentials needs permission for sts:AssumeRole, too",
    "ExpiredToken": _SOURCE_ENDED,
    "ExpiredTokenException": "the web identity token, or the credentials that the role was asked with, have ended; "
    "renew them at their source",
    "InvalidClientTokenId": _WRONG_KEY,
    "UnrecognizedClientException": _WRONG_KEY,
    "SignatureDoesNotMatch": _CLOCK,
    "IncompleteSignature": _CLOCK,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "RegionDisabledException": "the account has switched STS off for this region; switch it on in IAM's account "
    "settings, or ask another region",
    "MalformedPolicyDocument": _POLICY,
    "MalformedPolicyDocumentException": _POLICY,
    "PackedPolicyTooLarge": _PACKED,
    "PackedPolicyTooLargeException": _PACKED,
    "ValidationError": _VALUE,
    "ValidationException": _VALUE,
    "InvalidIdentityToken": _IDENTITY_TOKEN,
    "InvalidIdentityTokenException": _IDENTITY_TOKEN,
    "IDPRejectedClaim": _CLAIM,
    "IDPRejectedClaimException": _CLAIM,
    "IDPCommunicationError": _PROVIDER_AWAY,
    "IDPCommunicationErrorException": _PROVIDER_AWAY,
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
}


def parse_credentials(
    response: Response,
    operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"],
    source: str,
    secrets: tuple[str, ...] = (),
) -> Credentials:
    """Return the credentials in a response of STS, with the account of the role if the response has it.

    Args:
        response: A response with status 200.
        operation: The operation of the request.
        source: The name of the provider.
        secrets: The secrets in the request, which must not appear in an error.

    Raises:
        MalformedResponseError: The response does not contain valid credentials.

    """
    try:
        root = _document(response)
        if root.name != f"{operation}Response":
            raise InvalidValueError(f"is not an {operation}Response")
        return _credentials(root, f"{operation}Result", source)
    except InvalidValueError as error:
        raise _malformed(error, response, source, secrets) from None


def _credentials(root: XmlElement, result: str, source: str) -> Credentials:
    given = root.find(result, "Credentials")
    if given is None:
        raise InvalidValueError("is missing", field="Credentials")
    key, secret, token, end = (check_text(given.text_at(name), field=name) for name in _KEYS)
    try:
        account_id = _account_id(root.text_at(result, "AssumedRoleUser", "Arn"))
    except InvalidValueError:  # it says nothing about the keys
        account_id = None
    expiration = parse_time(end, field="Expiration")
    return Credentials(key, secret, token, expiration=expiration, account_id=account_id, source=source)


def parse_error_response(response: Response, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Return the error response of STS, or of a service in its place that may use JSON.

    Code and message are empty if the response is neither. ``secrets`` are the secrets in the request, which must not
    appear in an error.
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
    told = parse_error_response(response, secrets)
    if details := ": ".join(part for part in (told.code, told.message) if part):
        error = InvalidValueError(f"has status {response.status}, but is an error ({details})")
    is_page = response.body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))
    return malformed_response(error, response, source, _PAGE_HINT if is_page else HINTS.get(told.code or ""))


def _account_id(arn: str | None) -> str | None:
    """Return the account in an ARN; None if it cannot be an account."""
    parts = (arn or "").split(":")
    return check_text(parts[4]) if len(parts) > 4 else None
