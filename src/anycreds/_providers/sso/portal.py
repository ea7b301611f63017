"""IAM Identity Center (SSO): what its portal is asked for the credentials of a role, and what it answers.

Read without trust; nothing raises, and no error repeats what was sent or came.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..._core.credentials import Credentials, InvalidReason, invalid_reason
from ..._core.errors import MalformedResponseError
from ..._core.http import Response
from ..._wire.credential_documents import read_object

_SET = "roleCredentials"
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


def credentials_in(response: Response, account_id: str, source: str) -> Credentials | MalformedResponseError:
    """Return the set in an answer of the portal, which does not tell the account: it is the one that was asked for."""
    answer = read_object(response, source)
    if isinstance(answer, MalformedResponseError):
        return answer
    given = answer.get(_SET)
    if not isinstance(given, dict):
        return _wrong_field(response, source, _SET, "is missing" if given is None else "is not an object")
    for name in _KEYS:
        if problem := invalid_reason(given.get(name)):
            return _wrong_field(response, source, f"{_SET}.{name}", problem)
    expiration = _moment(given.get("expiration"))
    if isinstance(expiration, InvalidReason):
        return _wrong_field(response, source, f"{_SET}.expiration", expiration)
    keys = (given[name] for name in _KEYS)
    return Credentials(*keys, expiration=expiration, account_id=account_id, source=source)


def _wrong_field(response: Response, source: str, name: str, problem: str) -> MalformedResponseError:
    message = f"{name} in the answer {problem}"
    return MalformedResponseError(message, field=name, status=response.status, source=source)


def _moment(value: object) -> datetime | InvalidReason:
    """Read milliseconds since 1970."""
    if value is None:
        return InvalidReason("is missing")
    if isinstance(value, bool) or not isinstance(value, int):
        return InvalidReason("is not a whole number of milliseconds since 1970")
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return InvalidReason("lies outside the years 1 to 9999")
