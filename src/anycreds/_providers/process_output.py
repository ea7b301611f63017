"""What a ``credential_process`` prints, read without trust: a set, or an error that names the field at fault.

JSON has one kind of number, so ``1.0`` is the version 1 too; ``"1"`` and ``true`` are not. Empty or null, as helpers
print what they do not have, is no session token, scope or account. But it is no end: keys that were never renewed
because of it would be noticed too late.
"""

from __future__ import annotations

from typing import Any

from .._core.credentials import Credentials, InvalidReason, invalid_reason
from .._core.errors import MalformedResponseError
from .._wire.credential_documents import decoded, parse_time
from .._wire.json import object_in

_KEYS = ("AccessKeyId", "SecretAccessKey")
_OPTIONAL = ("SessionToken", "CredentialScope", "AccountId")
_FIELDS = ("Version", *_KEYS, *_OPTIONAL, "Expiration")
_FORM_HINT = (
    'a JSON object is expected: {"Version": 1, "AccessKeyId": ..., "SecretAccessKey": ...}, '
    "with SessionToken and Expiration for temporary keys"
)


def credentials_in_output(
    output: bytes, source: str, printed_by: str, account_id: str | None = None
) -> Credentials | MalformedResponseError:
    """Return the set that a credential process printed.

    ``printed_by`` names it, for people. ``account_id`` counts if it does not tell the account itself.
    Follows the AWS "SDKs and Tools" reference, page "Process credential provider".
    """
    text = decoded(output)
    document = (text, None) if isinstance(text, InvalidReason) else object_in(text, _FIELDS)
    if not isinstance(document, dict):
        problem, field = document
        return _malformed(f"the output of {printed_by} {problem}", field, source)
    found = _fields(document)
    if isinstance(found, tuple):
        problem, field = found
        return _malformed(f"{field} in the output of {printed_by} {problem}", field, source)
    return Credentials(
        found["AccessKeyId"],
        found["SecretAccessKey"],
        found.get("SessionToken"),
        expiration=found.get("Expiration"),
        account_id=found.get("AccountId", account_id),
        credential_scope=found.get("CredentialScope"),
        source=source,
    )


def _fields(document: dict[str, Any]) -> dict[str, Any] | tuple[InvalidReason, str]:
    """Return the fields that are there, all of them sound, or what is wrong with the first that is not."""
    if "Version" not in document:
        return InvalidReason("is missing"), "Version"
    if isinstance(document["Version"], bool) or document["Version"] != 1:
        return InvalidReason("is not the number 1"), "Version"
    wanted = [*_KEYS, *(name for name in _OPTIONAL if document.get(name) not in (None, ""))]
    if "Expiration" in document:
        wanted.append("Expiration")
    for name in wanted:
        if problem := _problem(document, name):
            return InvalidReason(problem), name
    found = {name: document[name] for name in wanted}
    if "Expiration" in found:
        end = parse_time(found["Expiration"])
        if isinstance(end, InvalidReason):
            return end, "Expiration"
        found["Expiration"] = end
    return found


def _problem(document: dict[str, Any], name: str) -> str | None:
    if name in document and document[name] is None:
        return "is null"
    return invalid_reason(document.get(name))


def _malformed(message: str, field: str | None, source: str) -> MalformedResponseError:
    return MalformedResponseError(message, field=field, source=source, hint=_FORM_HINT)
