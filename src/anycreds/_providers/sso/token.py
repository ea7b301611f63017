"""The token of a sign-in at IAM Identity Center (SSO) as its file contains it, and its refresh by OIDC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..._core.durations import to_datetime
from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_header_safe, check_text
from ..._wire.json import parse_object
from ..._wire.service_errors import malformed_response
from ..._wire.text import response_text
from ..._wire.timestamps import parse_time

REFRESH_TARGET = "/token"
# Tokens last hours, registrations 90 days. What lasts for ever is a mistake, and is asked about again in a year.
_LONGEST = 366 * 86400


class SsoToken(NamedTuple):
    """The token of a sign-in, with what it takes to refresh it, as far as the file has that. It cannot be printed."""

    access_token: str
    end: float
    """When it ends, in seconds since 1970."""
    refresh_token: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    registration_end: float | None = None
    """When the client's registration ends, in seconds since 1970; None: the file does not say."""

    def secrets(self) -> tuple[str, ...]:
        """Return what must not stand in an error."""
        return tuple(filter(None, (self.access_token, self.refresh_token, self.client_secret)))

    def __repr__(self) -> str:
        return f"SsoToken(end={self.end:.0f})"


class RefreshFields(NamedTuple):
    """What is sent to refresh a token. It cannot be printed."""

    client_id: str
    client_secret: str
    refresh_token: str

    def __repr__(self) -> str:
        return "RefreshFields()"


def file_name(key: str) -> str:
    """Return the name of the file that holds a token. ``key``: the name of the session; without one, the start URL."""
    import hashlib  # only here: most programs never load it through us

    return hashlib.sha1(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest() + ".json"


def parse_token(document: Mapping[str, Any]) -> SsoToken:
    """Return the token in the JSON object of a token file, as the AWS CLI writes it.

    Raises:
        InvalidValueError: A field is missing or invalid.

    """
    access_token = check_header_safe(document.get("accessToken"), field="accessToken")
    refresh_token, client_id, client_secret = (
        _optional_text(document.get(name), name) for name in ("refreshToken", "clientId", "clientSecret")
    )
    end = _timestamp(document.get("expiresAt"), "expiresAt")
    registration_end = document.get("registrationExpiresAt")
    if registration_end is not None:
        registration_end = _timestamp(registration_end, "registrationExpiresAt")
    return SsoToken(access_token, end, refresh_token, client_id, client_secret, registration_end)


def refresh_fields(token: SsoToken, now: float) -> RefreshFields:
    """Return the fields of a refresh request.

    Raises:
        InvalidValueError: The token cannot be refreshed; the text says why.

    """
    if token.client_id and token.client_secret and token.refresh_token:
        if token.registration_end is not None and token.registration_end <= now:
            expired_at = _written(token.registration_end)
            raise InvalidValueError(f"the client registration, which a refresh needs, expired at {expired_at}")
        return RefreshFields(token.client_id, token.client_secret, token.refresh_token)
    fields = {"clientId": token.client_id, "clientSecret": token.client_secret, "refreshToken": token.refresh_token}
    missing = [name for name, value in fields.items() if not value]
    raise InvalidValueError(f"it has no {' and no '.join(missing)}, which a refresh needs")


def refresh_body(fields: RefreshFields) -> bytes:
    """Return the body that refreshes a token, which is JSON.

    Follows the IAM Identity Center OIDC API Reference, page "CreateToken".
    """
    import json

    return json.dumps(
        {
            "clientId": fields.client_id,
            "clientSecret": fields.client_secret,
            "grantType": "refresh_token",
            "refreshToken": fields.refresh_token,
        }
    ).encode("ascii")


def parse_refresh_response(response: Response, now: float, source: str) -> dict[str, str]:
    """Return what changes in the token file after a refresh.

    Args:
        response: A response with status 200.
        now: When the token's lifetime begins, in seconds since 1970.
        source: The name of the provider.

    Raises:
        MalformedResponseError: The response does not contain a valid token.

    """
    try:
        fields = parse_object(response_text(response))
        token = check_header_safe(fields.get("accessToken"), field="accessToken")
        refresh_token = _optional_text(fields.get("refreshToken"), "refreshToken")
        seconds = fields.get("expiresIn")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            reason = "is missing" if seconds is None else "is not a number of seconds above 0"
            raise InvalidValueError(reason, field="expiresIn")
        changes = {"accessToken": token, "expiresAt": _written(now + min(seconds, _LONGEST))}
        if refresh_token is not None:  # without a new one, the old refresh token remains valid
            changes["refreshToken"] = refresh_token
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    return changes


def _optional_text(value: object, field: str) -> str | None:
    """Return a text; None for null and for an empty text, which some programs write for an absent value."""
    return None if value in (None, "") else check_text(value, field=field)


def _timestamp(value: object, field: str) -> float:
    """Return a time in a token file in seconds since 1970. Old versions of the AWS CLI wrote ``UTC`` for ``Z``."""
    if value is None:
        raise InvalidValueError("is missing", field=field)
    text = value.removesuffix("UTC").rstrip() if isinstance(value, str) else value
    return parse_time(text, field=field).timestamp()


def _written(seconds: float) -> str:
    """Return a time as the AWS CLI writes it: in whole seconds, rounded down."""
    return to_datetime(int(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
