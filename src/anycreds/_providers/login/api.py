"""``aws login``: its cache file, and the exchange that renews what stands in it. Read without trust; nothing raises.

No error repeats what was sent or came, but for the code and message of an error answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from ..._core.credentials import LONGEST_FIELD, Credentials, InvalidReason, invalid_reason
from ..._core.errors import MalformedResponseError
from ..._core.http import Response
from ..._wire.credential_documents import parse_time, read_object
from ..._wire.regions import region_problem
from ..._wire.service_errors import ErrorResponse, parse_json_error

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


def token_in(document: Mapping[str, Any], source: str) -> LoginToken | InvalidReason:
    """Read the JSON object that the cache file holds, or say what is wrong with it.

    ``source`` is for the credentials in it.
    """
    keys = document.get("accessToken")
    if not isinstance(keys, dict):
        return InvalidReason("accessToken is missing" if keys is None else "accessToken is not an object")
    for name in (*_KEYS, "accountId", "expiresAt"):
        if problem := invalid_reason(keys.get(name)):
            return InvalidReason(f"accessToken.{name} {problem}")
    for name, problem in (
        ("clientId", invalid_reason(document.get("clientId"))),
        ("refreshToken", invalid_reason(document.get("refreshToken"))),
        ("dpopKey", _problem_with_pem(document.get("dpopKey"))),
    ):
        if problem:
            return InvalidReason(f"{name} {problem}")
    end = parse_time(keys["expiresAt"])
    if isinstance(end, InvalidReason):
        return InvalidReason(f"accessToken.expiresAt {end}")
    region = document.get("signInRegion")
    return LoginToken(
        Credentials(
            keys["accessKeyId"],
            keys["secretAccessKey"],
            keys["sessionToken"],
            expiration=end,
            account_id=keys["accountId"],
            source=source,
        ),
        document["clientId"],
        document["refreshToken"],
        document["dpopKey"],
        None if region_problem(region) else region,
        keys,
    )


def refresh_body(token: LoginToken) -> bytes:
    """Return the body of the request that renews a token. Its target is ``TARGET``, and it is JSON."""
    import json

    fields = {"clientId": token.client_id, "grantType": "refresh_token", "refreshToken": token.refresh_token}
    return json.dumps(fields).encode("ascii")


def changes_in(
    response: Response, old: LoginToken, now: float, source: str
) -> Mapping[str, Any] | MalformedResponseError:
    """Read the answer to a refresh: what it changes in the cache file. All else in there stays as it is.

    ``now``: seconds since 1970, from when on the new credentials last.
    """
    answer = read_object(response, source)
    if isinstance(answer, MalformedResponseError):
        return answer
    seconds = _checked(answer)
    if isinstance(seconds, tuple):
        field, problem = seconds
        message = f"{field} in the answer {problem}"
        return MalformedResponseError(message, field=field, status=response.status, source=source)
    end = datetime.fromtimestamp(now, UTC) + timedelta(seconds=seconds)
    keys = {name: answer["accessToken"][name] for name in _KEYS}
    return {
        "accessToken": {**old.access_token, **keys, "expiresAt": _written(end)},
        "refreshToken": answer["refreshToken"],
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
    document = read_object(response, "")
    word = document.get("error") if isinstance(document, dict) else None
    return word if isinstance(word, str) and (word in HINTS or word in _FOR_GOOD) else None


def is_for_good(response: Response, told: ErrorResponse) -> bool:
    """Tell whether the service will refuse this token whenever it is asked, so that a person has to sign in again."""
    return 400 <= response.status < 500 and (told.code in _FOR_GOOD or word_in(response) is not None)


def _checked(answer: Mapping[str, Any]) -> float | tuple[str, str]:
    """Return for how many seconds the keys in an answer last, or which of its fields is wrong, and how."""
    keys = answer.get("accessToken")
    if not isinstance(keys, dict):
        return "accessToken", "is missing" if keys is None else "is not an object"
    for name in _KEYS:
        if problem := invalid_reason(keys.get(name)):
            return f"accessToken.{name}", problem
    if problem := invalid_reason(answer.get("refreshToken")):
        return "refreshToken", problem
    seconds = answer.get("expiresIn")
    if seconds is None:
        return _LIFETIME
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return "expiresIn", "is not a number of seconds above 0"
    # To believe less does no harm; to refuse more would throw away the only refresh token that is still good.
    return min(seconds, _LIFETIME)


def _problem_with_pem(value: object) -> str | None:
    """Say what keeps a value from being a text with lines. What it holds is looked at only when it is needed."""
    if not isinstance(value, str) or not value.strip():
        return invalid_reason(value)
    return f"has {len(value)} characters, which no key has" if len(value) > LONGEST_FIELD else None


def _written(moment: datetime) -> str:
    """Return a time as AWS's tools write it into the file."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
