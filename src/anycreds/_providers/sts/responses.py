"""STS: what it answers when it is asked for the credentials of a role, read without trust.

Nothing here raises, and no error repeats what was sent or came, but for the code and message of an error answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..._core.credentials import Credentials, InvalidReason, invalid_reason
from ..._core.errors import MalformedResponseError
from ..._core.http import Response
from ..._wire.credential_documents import parse_time
from ..._wire.service_errors import ErrorResponse, error_response, parse_json_error
from ..._wire.xml import Element, find, read_xml, text_at

_KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
_TOLD = ("Code", "Message")
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


def credentials_in(
    response: Response,
    operation: Literal["AssumeRole", "AssumeRoleWithWebIdentity"],
    source: str,
    secrets: tuple[str, ...] = (),
) -> Credentials | MalformedResponseError:
    """Return the set in an answer of STS, with the account of the role if the answer tells it.

    ``secrets`` is what was sent and must not come back in an error.
    """
    root = _document(response)
    if isinstance(root, InvalidReason) or root.name != f"{operation}Response":
        return _not_the_answer(response, root, operation, source, secrets)
    given = find(root, f"{operation}Result", "Credentials")
    if given is None or isinstance(given, InvalidReason):
        return _wrong_field(response, source, "Credentials", given or "is missing")
    found = {}
    for name in _KEYS:
        text = text_at(given, name)
        if problem := text if isinstance(text, InvalidReason) else invalid_reason(text):
            return _wrong_field(response, source, name, problem)
        found[name] = str(text)
    expiration = parse_time(found["Expiration"])
    if isinstance(expiration, InvalidReason):
        return _wrong_field(response, source, "Expiration", expiration)
    return Credentials(
        found["AccessKeyId"],
        found["SecretAccessKey"],
        found["SessionToken"],
        expiration=expiration,
        account_id=_account_id(text_at(root, f"{operation}Result", "AssumedRoleUser", "Arn")),
        source=source,
    )


def parse_error_response(response: Response, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Read an error of STS, or of one that stands in for it and may speak JSON. What is neither says nothing.

    ``secrets`` is what was sent and must not come back in it.
    """
    root = _document(response)
    if isinstance(root, InvalidReason):
        return parse_json_error(response, secrets)
    path = ("Error",) if root.name == "ErrorResponse" else ()
    if not path and root.name != "Error":  # the latter is how S3 and what resembles it say it
        return ErrorResponse(response.status, None, "")
    code, said = (None if isinstance(text := text_at(root, *path, name), InvalidReason) else text for name in _TOLD)
    return error_response(response.status, code, said, secrets)


def _document(response: Response) -> Element | InvalidReason:
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        return InvalidReason("is compressed, although that was not asked for")
    return read_xml(response.body)


def _not_the_answer(
    response: Response, root: Element | InvalidReason, operation: str, source: str, secrets: tuple[str, ...]
) -> MalformedResponseError:
    told = parse_error_response(response, secrets)
    details = ": ".join(part for part in (told.code, told.message) if part)
    if isinstance(root, InvalidReason):
        message = f"the answer {root}"
    elif details:
        message = f"the answer has status {response.status}, but is an error ({details})"
    else:
        message = f"the answer is no {operation}Response"
    is_page = response.body.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html"))
    hint = _PAGE_HINT if is_page else HINTS.get(told.code or "")
    return MalformedResponseError(message, status=response.status, source=source, hint=hint)


def _wrong_field(response: Response, source: str, name: str, problem: str) -> MalformedResponseError:
    message = f"{name} in the answer {problem}"
    return MalformedResponseError(message, field=name, status=response.status, source=source)


def _account_id(arn: str | InvalidReason | None) -> str | None:
    """Return the account in an ARN. It says nothing about the keys, so that what cannot be right is no error."""
    parts = [] if arn is None or isinstance(arn, InvalidReason) else arn.split(":")
    return parts[4] if len(parts) > 4 and invalid_reason(parts[4]) is None else None
