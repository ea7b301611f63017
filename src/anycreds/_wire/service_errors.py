"""What a service answers when it does not do what was asked: status, code and message, and the error made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .._core.errors import CredentialsError, RetrievalError
from .._core.http import Response
from .credential_documents import printable, read_object, redirect_error
from .redaction import repeats

# Error texts of AWS are shorter; more of a stranger's text does not belong into a log.
_LONGEST_MESSAGE = 300
# An error code is a name. Anything else in its place may be anything, and is not shown.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_WITHHELD = "its message repeats what was sent, and is not shown"


class ErrorResponse(NamedTuple):
    """What the service said. Made by ``error_response``, which keeps out what must not be shown."""

    status: int
    code: str | None
    message: str


def error_response(status: int, code: object, message: object, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Return what a service said, fit for an error. ``secrets`` is what was sent and must not come back in it."""
    said = message if isinstance(message, str) else ""
    for secret in filter(None, secrets):
        said = said.replace(secret, "...")
    line = printable(said, _LONGEST_MESSAGE)
    # AWS has "ns#Code:http://...", "Code, more" and "ns#Code".
    name = code.partition(",")[0].partition(":")[0].rpartition("#")[2].strip() if isinstance(code, str) else ""
    known = name if _CODE.fullmatch(name) and not repeats(name, secrets) else None
    return ErrorResponse(status, known, _WITHHELD if repeats(line, secrets) else line)


def parse_json_error(response: Response, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Read the error of a service that speaks JSON: portal, OIDC, sign-in, Cognito."""
    document = read_object(response, "")
    fields: Mapping[str, Any] = {} if isinstance(document, CredentialsError) else document
    header = response.headers.get("x-amzn-errortype")
    names = (fields.get(name) for name in ("__type", "code", "Code", "error"))
    code = next((name for name in (header, *names) if isinstance(name, str) and name.strip()), None)
    said = (fields.get(name) for name in ("message", "Message", "error_description", "errorMessage"))
    return error_response(response.status, code, next((text for text in said if isinstance(text, str)), ""), secrets)


def service_error(
    response: Response, told: ErrorResponse, source: str, asked: str, hints: Mapping[str, str] | None = None
) -> RetrievalError:
    """Return the error for a refusal. ``asked`` says what was asked of whom; ``hints`` says what to do, by code."""
    if 300 <= response.status < 400:
        return redirect_error(response, source, asked)
    details = ": ".join(part for part in (told.code, told.message) if part)
    message = f"{asked} was refused with status {told.status}"
    return RetrievalError(
        f"{message} ({details})" if details else message,
        status=told.status,
        code=told.code,
        source=source,
        hint=(hints or {}).get(told.code or ""),
    )
