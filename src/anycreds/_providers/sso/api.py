"""Requests to the portal and the OIDC service of IAM Identity Center (SSO), and strict parsers of the responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from ..._core.credentials import Credentials
from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_header_safe, check_text
from ..._wire.json import object_in, parse_object, seconds_in
from ..._wire.service_errors import ErrorResponse, malformed_response
from ..._wire.text import response_text
from .token import SsoToken, format_timestamp, optional_text

REFRESH_TARGET = "/token"
REFRESH_HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}
# The error codes of OIDC for a token or a registration that cannot be used any more. A 4xx status without one of them
# may come from a proxy.
_TERMINAL_CODES = frozenset((
    "AccessDeniedException", "ExpiredTokenException", "InvalidClientException", "InvalidGrantException",
    "InvalidRequestException", "UnauthorizedClientException", "access_denied", "expired_token", "invalid_client",
    "invalid_grant", "invalid_request", "unauthorized_client",
))  # fmt: skip
# Tokens are valid for hours. The lifetime of a longer one is cut to a year, within which it is refreshed in any case.
_MAX_LIFETIME = 366 * 86400
_ROLE_CREDENTIALS = "roleCredentials"
_KEYS = ("accessKeyId", "secretAccessKey", "sessionToken")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def credentials_target(account_id: str, role_name: str) -> str:
    """Return the path and query of a request for the credentials of a role.

    See: IAM Identity Center Portal API Reference, "GetRoleCredentials",
    https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
    """
    account, role = (quote(value, safe="", errors="surrogatepass") for value in (account_id, role_name))
    return f"/federation/credentials?account_id={account}&role_name={role}"


def bearer_headers(access_token: str) -> dict[str, str]:
    """Return the headers of a request to the portal. The token can be sent in a header: ``parse_token`` checks it."""
    return {"Accept": "application/json", "x-amz-sso_bearer_token": access_token}


def parse_credentials(response: Response, account_id: str, source: str) -> Credentials:
    """Return the credentials in a response of the portal for an account, which the response does not contain."""
    try:
        given = object_in(parse_object(response_text(response)), _ROLE_CREDENTIALS)
        keys = [check_text(given.get(name), field=f"{_ROLE_CREDENTIALS}.{name}") for name in _KEYS]
        expiration = _expiration(given.get("expiration"))
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    return Credentials(*keys, expiration=expiration, account_id=account_id, source=source)


def _expiration(value: object) -> datetime:
    """Return milliseconds since 1970 as a datetime."""
    field = f"{_ROLE_CREDENTIALS}.expiration"
    if value is None:
        raise InvalidValueError("is missing", field=field)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValueError("is not a whole number of milliseconds since 1970", field=field)
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        raise InvalidValueError("is outside the years 1 to 9999", field=field) from None


def refresh_body(token: SsoToken) -> bytes:
    """Return the body of the request that refreshes a token.

    See: IAM Identity Center OIDC API Reference, "CreateToken",
    https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html
    """
    return json.dumps(
        {
            "clientId": token.client_id,
            "clientSecret": token.client_secret,
            "grantType": "refresh_token",
            "refreshToken": token.refresh_token,
        }
    ).encode("ascii")


def parse_refresh_response(response: Response, now: float, source: str) -> dict[str, str]:
    """Return the changes to the document in the token file. The lifetime begins at ``now``, in seconds since 1970."""
    try:
        fields = parse_object(response_text(response))
        access_token = check_header_safe(fields.get("accessToken"), field="accessToken")
        refresh_token = optional_text(fields.get("refreshToken"), "refreshToken")
        lifetime = min(seconds_in(fields, "expiresIn"), _MAX_LIFETIME)
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    changes = {"accessToken": access_token, "expiresAt": format_timestamp(now + lifetime)}
    # Without a new refresh token the old one remains valid.
    return changes if refresh_token is None else {**changes, "refreshToken": refresh_token}


def is_terminal(response: Response, error: ErrorResponse) -> bool:
    """Return whether OIDC has rejected the token or the client for good, so that the user must sign in again."""
    return response.status == 401 or error.code in _TERMINAL_CODES
