"""Requests to the portal of IAM Identity Center (SSO) for credentials of a role, and the parser of its responses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..._core.credentials import Credentials
from ..._core.http import Response
from ..._core.validation import InvalidValueError, check_text
from ..._wire.json import parse_object
from ..._wire.service_errors import malformed_response
from ..._wire.text import response_text

_ROLE_CREDENTIALS = "roleCredentials"
_KEYS = ("accessKeyId", "secretAccessKey", "sessionToken")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def credentials_target(account_id: str, role_name: str) -> str:
    """Return the path and query that ask the portal for the credentials of a role.

    Follows the IAM Identity Center Portal API Reference, page "GetRoleCredentials".
    """
    from urllib.parse import quote  # only here: programs that do not sign in never load it through us

    account, role = (quote(value, safe="", errors="surrogatepass") for value in (account_id, role_name))
    return f"/federation/credentials?account_id={account}&role_name={role}"


def bearer_headers(access_token: str) -> dict[str, str]:
    """Return the headers that show the portal who asks. The token was checked before."""
    return {"Accept": "application/json", "x-amz-sso_bearer_token": access_token}


def parse_credentials(response: Response, account_id: str, source: str) -> Credentials:
    """Return the credentials in a response of the portal.

    Args:
        response: A response with status 200.
        account_id: The account in the request; the response does not contain it.
        source: The name of the provider.

    Raises:
        MalformedResponseError: The response does not contain valid credentials.

    """
    try:
        given = parse_object(response_text(response)).get(_ROLE_CREDENTIALS)
        if not isinstance(given, dict):
            raise InvalidValueError("is missing" if given is None else "is not an object", field=_ROLE_CREDENTIALS)
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
