"""The cache file of ``aws login``, the request that refreshes its token, and the strict parsers of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from ..._core.credentials import Credentials
from ..._core.http import Response
from ..._core.validation import MAX_TEXT_LENGTH, InvalidValueError, check_text
from ..._wire.json import parse_object
from ..._wire.regions import is_region
from ..._wire.service_errors import ErrorResponse, malformed_response, parse_json_error
from ..._wire.text import response_text
from ..._wire.timestamps import parse_time

TARGET = "/v1/token"
# What the service gives, in seconds, and the most that it ever does.
_LIFETIME = 900
_KEYS = ("accessKeyId", "secretAccessKey", "sessionToken")

# What to do about a refusal, by the word in its field "error".
HINTS: Final[Mapping[str, str]] = {
    "TOKEN_EXPIRED": "the session of this sign-in is over; sign in again",
    "USER_CREDENTIALS_CHANGED": "the password or the like of who signed in has changed since; sign in again",
    "INSUFFICIENT_PERMISSIONS": "who signed in needs permission for signin:CreateOAuth2Token, as the policy "
    "SignInLocalDevelopmentAccess gives it",
}
# Refusals for good, whatever the field "error" says. The service does not like something that stands in the file, and
# only a new sign-in writes another one.
_FOR_GOOD = frozenset(("AccessDeniedException", "ValidationException", "InvalidGrantException", "invalid_grant"))


class LoginToken(NamedTuple):
    """What the cache file holds. It cannot be printed."""

    credentials: Credentials
    """They always have an expiration and an account id."""
    client_id: str
    refresh_token: str
    """Good for one refresh only."""
    key: str
    """The private key of DPoP proofs, as PEM. It is looked at when it is needed."""
    region: str | None
    """Where it was signed in, if the file says so and it can be a region."""
    access_token: Mapping[str, Any]
    """The part of the file that has the credentials, with what is not understood here."""

    @property
    def ends(self) -> float:
        """When the credentials end, in seconds since 1970."""
        end = self.credentials.expiration
        assert end is not None
        return end.timestamp()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not come back in an error."""
        keys = self.credentials
        return (self.refresh_token, keys.secret_access_key, keys.session_token or "")

    def __repr__(self) -> str:
        return f"LoginToken({self.credentials!r})"


def file_name(session: str) -> str:
    """Return the name of the cache file for the value of ``login_session``."""
    import hashlib  # only here: most programs never load it through us

    return hashlib.sha256(session.strip().encode("utf-8", "surrogatepass")).hexdigest() + ".json"


def parse_token(document: Mapping[str, Any], source: str) -> LoginToken:
    """Return the token in the JSON object of a cache file.

    Args:
        document: The content of the file.
        source: The name of the provider, for the credentials in the token.

    Raises:
        InvalidValueError: A field is missing or invalid.

    """
    keys = document.get("accessToken")
    if not isinstance(keys, dict):
        raise InvalidValueError("is missing" if keys is None else "is not an object", field="accessToken")
    key, secret, session_token, account_id, expires_at = (
        check_text(keys.get(name), field=f"accessToken.{name}") for name in (*_KEYS, "accountId", "expiresAt")
    )
    client_id, refresh_token = (check_text(document.get(name), field=name) for name in ("clientId", "refreshToken"))
    dpop_key = _check_pem(document.get("dpopKey"))
    expiration = parse_time(expires_at, field="accessToken.expiresAt")
    region = document.get("signInRegion")
    return LoginToken(
        Credentials(key, secret, session_token, expiration=expiration, account_id=account_id, source=source),
        client_id,
        refresh_token,
        dpop_key,
        region if is_region(region) else None,
        keys,
    )


def refresh_body(token: LoginToken) -> bytes:
    """Return the body of the request that renews a token. Its target is ``TARGET``, and it is JSON."""
    import json

    fields = {"clientId": token.client_id, "grantType": "refresh_token", "refreshToken": token.refresh_token}
    return json.dumps(fields).encode("ascii")


def parse_refresh_response(response: Response, old: LoginToken, now: float, source: str) -> Mapping[str, Any]:
    """Return what changes in the cache file after a refresh.

    Args:
        response: A response with status 200.
        old: The token that was refreshed. Fields of it that are unknown here stay as they are.
        now: When the lifetime of the new credentials begins, in seconds since 1970.
        source: The name of the provider.

    Raises:
        MalformedResponseError: The response does not contain a valid token.

    """
    try:
        fields = parse_object(response_text(response))
        given = fields.get("accessToken")
        if not isinstance(given, dict):
            raise InvalidValueError("is missing" if given is None else "is not an object", field="accessToken")
        keys = {name: check_text(given.get(name), field=f"accessToken.{name}") for name in _KEYS}
        refresh_token = check_text(fields.get("refreshToken"), field="refreshToken")
        seconds = _check_lifetime(fields.get("expiresIn"))
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    end = datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)
    return {
        "accessToken": {**old.access_token, **keys, "expiresAt": _written(end)},
        "refreshToken": refresh_token,
    }


def parse_error_response(response: Response, secrets: tuple[str, ...]) -> ErrorResponse:
    """Read an error of the service. Its message begins with the word in its field "error", if it has one.

    ``secrets`` is what was sent and must not come back in it.
    """
    told = parse_json_error(response, secrets)
    word = word_in(response)
    if word is None or word == told.code:
        return told
    return told._replace(message=": ".join(part for part in (word, told.message) if part))


def word_in(response: Response) -> str | None:
    """Return the word in the field "error" of an error of the service, if it is one of those that are known."""
    try:
        word = parse_object(response_text(response)).get("error")
    except InvalidValueError:
        return None
    return word if isinstance(word, str) and (word in HINTS or word in _FOR_GOOD) else None


def is_for_good(response: Response, told: ErrorResponse) -> bool:
    """Tell whether the service will refuse this token whenever it is asked, so that a person has to sign in again."""
    return 400 <= response.status < 500 and (told.code in _FOR_GOOD or word_in(response) is not None)


def _check_lifetime(seconds: object) -> float:
    if seconds is None:
        return _LIFETIME
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidValueError("is not a number of seconds above 0", field="expiresIn")
    # A shorter lifetime does no harm. Rejecting a longer one would lose the only refresh token that is still valid.
    return min(seconds, _LIFETIME)


def _check_pem(value: object) -> str:
    """Return a text that may have several lines. Its content is validated when the key is needed."""
    if not isinstance(value, str) or not value.strip():
        return check_text(value, field="dpopKey")
    if len(value) > MAX_TEXT_LENGTH:
        raise InvalidValueError(f"has {len(value)} characters, which no key has", field="dpopKey")
    return value


def _written(moment: datetime) -> str:
    """Return a time as AWS's tools write it into the file."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
