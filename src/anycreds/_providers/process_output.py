"""What a ``credential_process`` prints, read without trust: a set, or an error that names the field at fault.

JSON has one kind of number, so ``1.0`` is the version 1 too; ``"1"`` and ``true`` are not. Empty or null, as helpers
print what they do not have, is no session token, scope or account. But it is no end: keys that were never renewed
because of it would be noticed too late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.credentials import Credentials
from .._core.errors import MalformedResponseError
from .._core.validation import InvalidValueError, check_text
from .._wire.json import parse_object
from .._wire.text import decode_utf8
from .._wire.timestamps import parse_time

_FORM_HINT = (
    'a JSON object is expected: {"Version": 1, "AccessKeyId": ..., "SecretAccessKey": ...}, '
    "with SessionToken and Expiration for temporary keys"
)


def parse_credentials(output: bytes, source: str, printed_by: str, account_id: str | None = None) -> Credentials:
    """Return the credentials that a credential process printed.

    Args:
        output: Its standard output.
        source: The name of the provider.
        printed_by: The command, for the message of an error.
        account_id: The account of the credentials if the output does not contain one.

    Raises:
        MalformedResponseError: The output does not contain valid credentials.

    See: AWS SDKs and Tools Reference Guide, "Process credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html

    """
    try:
        return _credentials(parse_object(decode_utf8(output)), source, account_id)
    except InvalidValueError as error:
        subject = "" if error.field is None else f"{error.field} in "
        raise MalformedResponseError(
            f"{subject}the output of {printed_by} {error.reason}", field=error.field, source=source, hint=_FORM_HINT
        ) from None


def _credentials(document: Mapping[str, Any], source: str, account_id: str | None) -> Credentials:
    version = document.get("Version", ...)
    if version is ...:
        raise InvalidValueError("is missing", field="Version")
    if isinstance(version, bool) or version != 1:
        raise InvalidValueError("is not the number 1", field="Version")
    key, secret = (_text(document, name) for name in ("AccessKeyId", "SecretAccessKey"))
    token, scope, account = (
        None if document.get(name) in (None, "") else _text(document, name)
        for name in ("SessionToken", "CredentialScope", "AccountId")
    )
    expiration = None
    if "Expiration" in document:
        expiration = parse_time(_text(document, "Expiration"), field="Expiration")
    return Credentials(
        key,
        secret,
        token,
        expiration=expiration,
        account_id=account_id if account is None else account,
        credential_scope=scope,
        source=source,
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    if name in document and document[name] is None:
        raise InvalidValueError("is null", field=name)
    return check_text(document.get(name), field=name)
