"""The JSON documents of the container and EC2 metadata services that contain credentials.

See: AWS SDKs and Tools Reference Guide, "Container credential provider" and "IMDS credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.credentials import Credentials
from .._core.errors import RetrievalError
from .._core.http import Response
from .._core.validation import InvalidValueError, check_account_id, check_text
from .json import parse_object
from .service_errors import error_response, malformed_response
from .text import response_text
from .timestamps import parse_time

_SECRETS = ("SecretAccessKey", "Token", "SessionToken")
_TRUST_HINT = "check that the trust policy of the instance's role allows ec2.amazonaws.com to assume it"


def parse_credentials(
    response: Response, source: str, secrets: tuple[str, ...] = (), *, may_be_permanent: bool = False
) -> Credentials:
    """Return the credentials in a response with status 200 of the container or EC2 metadata service.

    An error shows none of ``secrets``, those of the request. ``may_be_permanent`` lets ``Token`` be absent, and
    ``Expiration`` be absent or null, as for access keys of a user.
    """
    try:
        document = parse_object(response_text(response))
        if document.get("Code", "Success") != "Success":
            raise _error_in_document(document, response, source, secrets)
        return _credentials(document, source, may_be_permanent=may_be_permanent)
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None


def _credentials(document: Mapping[str, Any], source: str, *, may_be_permanent: bool) -> Credentials:
    wanted = ["AccessKeyId", "SecretAccessKey"]
    # An endpoint may use the name of ``credential_process``. Without their token, temporary keys do not work.
    token_name = "Token" if document.get("Token") or not document.get("SessionToken") else "SessionToken"
    # Some SDKs need the field, so that endpoints send an empty one with the access keys of a user.
    if not (may_be_permanent and document.get(token_name, "") == ""):
        wanted.append(token_name)
    if not may_be_permanent or document.get("Expiration") is not None:
        wanted.append("Expiration")
    found = {name: check_text(document.get(name), field=name) for name in wanted}
    account_id = document.get("AccountId")  # null does not invalidate the keys
    return Credentials(
        found["AccessKeyId"],
        found["SecretAccessKey"],
        found.get(token_name),
        expiration=parse_time(found["Expiration"], field="Expiration") if "Expiration" in found else None,
        account_id=None if account_id is None else check_account_id(account_id, field="AccountId"),
        source=source,
    )


def _error_in_document(
    document: Mapping[str, Any], response: Response, source: str, secrets: tuple[str, ...]
) -> RetrievalError:
    """Return the error that a document with status 200 describes."""
    if not isinstance(document["Code"], str):
        raise InvalidValueError("is not text", field="Code")
    keys = (value for name in _SECRETS if isinstance(value := document.get(name), str))
    error = error_response(response.status, document["Code"], document.get("Message"), (*secrets, *keys))
    details = "".join(f": {part}" for part in (error.code, error.message) if part)
    hint = _TRUST_HINT if error.code == "AssumeRoleUnauthorizedAccess" else None
    return RetrievalError(f"the response has no credentials{details}", code=error.code, source=source, hint=hint)
