"""Error responses of services, and the ``CredentialsError`` for each kind of failed exchange.

The functions named ``…_error`` and ``malformed_response`` return the error, and the caller raises it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .._core.errors import MalformedResponseError, ProviderTimeoutError, RetrievalError
from .._core.http import HOST_NOT_FOUND, Response, TransportFailure
from .._core.validation import InvalidValueError
from .json import parse_object
from .redaction import contains_secret
from .text import printable, response_text
from .urls import parse_url

# Error messages of AWS are shorter. A longer untrusted text does not belong into a log.
_MAX_MESSAGE_LENGTH = 300
# An error code is a name. Another text in its place could be a secret, and is not shown.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_WITHHELD = "its message repeats a part of the request, and is not shown"


class ErrorResponse(NamedTuple):
    """An error response of a service, without secrets. Created by ``error_response``."""

    status: int
    code: str | None
    message: str


def error_response(status: int, code: object, message: object, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Return an error response that can be displayed. Its code may be sent as ``ns#Code:http://...`` or ``Code, more``.

    ``secrets`` are those of the request.
    """
    text = message if isinstance(message, str) else ""
    for secret in filter(None, secrets):
        text = text.replace(secret, "...")
    line = printable(text, _MAX_MESSAGE_LENGTH)
    name = code.partition(",")[0].partition(":")[0].rpartition("#")[2].strip() if isinstance(code, str) else ""
    known = name if _CODE.fullmatch(name) and not contains_secret(name, secrets) else None
    return ErrorResponse(status, known, _WITHHELD if contains_secret(line, secrets) else line)


def parse_json_error(response: Response, secrets: tuple[str, ...] = ()) -> ErrorResponse:
    """Return the error response of a service whose protocol is JSON; code and message are empty if there are none."""
    try:
        fields: Mapping[str, Any] = parse_object(response_text(response))
    except InvalidValueError:
        fields = {}
    header = response.headers.get("x-amzn-errortype")
    names = (fields.get(name) for name in ("__type", "code", "Code", "error"))
    code = next((name for name in (header, *names) if isinstance(name, str) and name.strip()), None)
    texts = (fields.get(name) for name in ("message", "Message", "error_description", "errorMessage"))
    return error_response(response.status, code, next((text for text in texts if isinstance(text, str)), ""), secrets)


def service_error(
    response: Response, error: ErrorResponse, source: str, request: str, hints: Mapping[str, str] | None = None
) -> RetrievalError:
    """Return the error for an error response, with the hint for its code. ``request`` is the call and the endpoint."""
    if 300 <= response.status < 400:
        return redirect_error(response, source, request)
    details = ": ".join(part for part in (error.code, error.message) if part)
    message = f"{request} failed with status {error.status}"
    return RetrievalError(
        f"{message} ({details})" if details else message,
        status=error.status,
        code=error.code,
        source=source,
        hint=(hints or {}).get(error.code or ""),
    )


def http_error(response: Response, source: str, request: str, secrets: tuple[str, ...] = ()) -> RetrievalError:
    """Return the error for a status other than 200 of the container or EC2 metadata service."""
    return service_error(response, parse_json_error(response, secrets), source, request)


def redirect_error(response: Response, source: str, request: str) -> RetrievalError:
    """Return the error for a redirect."""
    try:
        host = f" to {_displayed_host(parse_url(response.headers.get('location', '')).host)}"
    except InvalidValueError:
        host = ""
    message = f"{request} failed with status {response.status}, a redirect{host}; redirects are not followed"
    return RetrievalError(message, status=response.status, source=source)


def _displayed_host(host: str) -> str:
    """Return the end of a host name. Its first labels could repeat a secret from the request."""
    labels = host.split(".")
    is_name = len(labels) > 2 and not labels[-1].isdigit() and ":" not in host
    return f"a host in {'.'.join(labels[-2:])}" if is_name else host


def transport_error(failure: TransportFailure, source: str, request: str, hint: str | None = None) -> RetrievalError:
    """Return the error for an exchange without a usable response."""
    if failure.kind == "timeout":
        return ProviderTimeoutError(f"{request} timed out: {failure.detail}", source=source, hint=hint)
    if failure.kind == "unreachable":
        if failure.detail.startswith(HOST_NOT_FOUND):
            hint = "check the spelling of the region and the endpoint, and the network of this machine"
        return RetrievalError(
            f"{request} could not connect to the endpoint: {failure.detail}", source=source, hint=hint
        )
    return MalformedResponseError(f"{request} got no valid response: {failure.detail}", source=source, hint=hint)


def malformed_response(
    error: InvalidValueError, response: Response, source: str, hint: str | None = None
) -> MalformedResponseError:
    """Return the error for a response that a reader has rejected."""
    subject = "the response" if error.field is None else f"{error.field} in the response"
    return MalformedResponseError(
        f"{subject} {error.reason}", field=error.field, status=response.status, source=source, hint=hint
    )
