"""The request to AWS Sign-In that refreshes the token of ``aws login``, and strict parsers of its responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_text
from ..._wire.json import object_in, parse_object, seconds_in
from ..._wire.service_errors import ErrorResponse, malformed_response, parse_json_error
from ..._wire.text import response_text
from .token import KEYS, LoginToken

REFRESH_TARGET = "/v1/token"
REFRESH_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
# Seconds: the lifetime of new credentials, which is also its maximum.
_LIFETIME = 900

# What the user can do, by the field "error" of an error response.
HINTS: Final[Mapping[str, str]] = {
    "TOKEN_EXPIRED": "sign in again, because the session has expired",
    "USER_CREDENTIALS_CHANGED": "sign in again, because the credentials of the signed-in user have changed",
    "INSUFFICIENT_PERMISSIONS": "allow the signed-in user signin:CreateOAuth2Token, as the policy "
    "SignInLocalDevelopmentAccess does",
}
# Error codes of final rejections, whatever the field "error" contains: something in the file is invalid, and only a new
# sign-in writes another file.
_TERMINAL_CODES = frozenset(("AccessDeniedException", "ValidationException", "InvalidGrantException", "invalid_grant"))


def refresh_body(token: LoginToken) -> bytes:
    """Return the body of the request that refreshes a token.

    See: AWS Sign-In API Reference, "CreateOAuth2Token",
    https://docs.aws.amazon.com/signin/latest/APIReference/API_CreateOAuth2Token.html
    """
    fields = {"clientId": token.client_id, "grantType": "refresh_token", "refreshToken": token.refresh_token}
    return json.dumps(fields).encode("ascii")


def parse_refresh_response(response: Response, old: LoginToken, now: float, source: str) -> Mapping[str, Any]:
    """Return the changes to the document in the file. Unknown fields of the ``old`` token are copied.

    The lifetime of the new credentials begins at ``now``, in seconds since 1970.
    """
    try:
        fields = parse_object(response_text(response))
        given = object_in(fields, "accessToken")
        keys = {name: check_text(given.get(name), field=f"accessToken.{name}") for name in KEYS}
        refresh_token = check_text(fields.get("refreshToken"), field="refreshToken")
        seconds = _LIFETIME if fields.get("expiresIn") is None else seconds_in(fields, "expiresIn")
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    # A lifetime that is too short is harmless. Rejecting one that is too long would lose the only valid refresh token.
    expiration = datetime.fromtimestamp(now, UTC) + timedelta(seconds=min(seconds, _LIFETIME))
    return {
        "accessToken": {**old.access_token, **keys, "expiresAt": format_timestamp(expiration)},
        "refreshToken": refresh_token,
    }


def parse_error_response(response: Response, secrets: tuple[str, ...]) -> ErrorResponse:
    """Return the error in a response. Its message begins with the field "error", if that is a known one."""
    error = parse_json_error(response, secrets)
    name = oauth_error(response)
    if name is None or name == error.code:
        return error
    return error._replace(message=": ".join(part for part in (name, error.message) if part))


def oauth_error(response: Response) -> str | None:
    """Return the field "error" of an error response; None if it is not a known one."""
    try:
        name = parse_object(response_text(response)).get("error")
    except InvalidValueError:
        return None
    return name if isinstance(name, str) and (name in HINTS or name in _TERMINAL_CODES) else None


def is_terminal(response: Response, error: ErrorResponse) -> bool:
    """Return whether the service has rejected the token for good, so that the user must sign in again."""
    return 400 <= response.status < 500 and (error.code in _TERMINAL_CODES or oauth_error(response) is not None)


def format_timestamp(moment: datetime) -> str:
    """Return a time as AWS's tools write it into the file: with milliseconds, rounded down."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
