"""IAM Identity Center (SSO): the token of a sign-in as it stands in its file, and its refresh by OIDC.

Read without trust; nothing raises, and nothing repeats what was sent or came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..._core.credentials import InvalidReason, invalid_reason
from ..._core.durations import instant
from ..._core.errors import MalformedResponseError
from ..._core.header_values import header_problem
from ..._core.http import Response
from ..._wire.credential_documents import parse_time, read_object

REFRESH_TARGET = "/token"
_REFRESHED = ("accessToken", "expiresIn", "refreshToken")
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


def token_in(document: Mapping[str, Any]) -> SsoToken | InvalidReason:
    """Read the JSON object in a token file, as the AWS CLI writes it, or say which field is wrong and how."""
    if problem := _bearer_problem(document.get("accessToken")):
        return InvalidReason(f"accessToken {problem}")
    texts: dict[str, str | None] = {}
    for name in ("refreshToken", "clientId", "clientSecret"):
        value = document.get(name)
        if value in (None, ""):  # some programs write these where there is none
            value = None
        elif problem := invalid_reason(value):
            return InvalidReason(f"{name} {problem}")
        texts[name] = value
    ends: dict[str, float | None] = {}
    for name in ("expiresAt", "registrationExpiresAt"):
        value = document.get(name)
        end = None if value is None and name != "expiresAt" else _time_in(value)
        if isinstance(end, InvalidReason):
            return InvalidReason(f"{name} {end}")
        ends[name] = end
    assert ends["expiresAt"] is not None
    return SsoToken(
        document["accessToken"],
        ends["expiresAt"],
        texts["refreshToken"],
        texts["clientId"],
        texts["clientSecret"],
        ends["registrationExpiresAt"],
    )


def refresh_fields(token: SsoToken, now: float) -> RefreshFields | InvalidReason:
    """Return what a refresh takes, or say why there can be none."""
    fields = (token.client_id, token.client_secret, token.refresh_token)
    missing = [
        name for name, value in zip(("clientId", "clientSecret", "refreshToken"), fields, strict=True) if not value
    ]
    if missing:
        return InvalidReason(f"it has no {' and no '.join(missing)} to refresh it with")
    if token.registration_end is not None and token.registration_end <= now:
        return InvalidReason(f"the registration to refresh it with ended at {_written(token.registration_end)}")
    assert token.client_id
    assert token.client_secret
    assert token.refresh_token
    return RefreshFields(token.client_id, token.client_secret, token.refresh_token)


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


def refreshed(response: Response, now: float, source: str) -> dict[str, str] | MalformedResponseError:
    """Read the answer to a refresh: what has to change in the token file.

    ``now``: seconds since 1970, from when on the token lasts. A refresh token that is not in the answer stays good.
    """
    answer = read_object(response, source)
    if isinstance(answer, MalformedResponseError):
        return answer
    token, seconds, refresh_token = (answer.get(name) for name in _REFRESHED)
    if problem := _bearer_problem(token):
        return _wrong_field(response, source, "accessToken", problem)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        problem = "is missing" if seconds is None else "is not a number of seconds above 0"
        return _wrong_field(response, source, "expiresIn", problem)
    changes = {"accessToken": str(token), "expiresAt": _written(now + min(seconds, _LONGEST))}
    if refresh_token in (None, ""):
        return changes
    if problem := invalid_reason(refresh_token):
        return _wrong_field(response, source, "refreshToken", problem)
    return {**changes, "refreshToken": refresh_token}


def _bearer_problem(token: object) -> str | None:
    """Say why a value cannot be sent as a bearer token, without repeating it."""
    return header_problem(token) if isinstance(token, str) else invalid_reason(token)


def _wrong_field(response: Response, source: str, name: str, problem: str) -> MalformedResponseError:
    message = f"{name} in the answer {problem}"
    return MalformedResponseError(message, field=name, status=response.status, source=source)


def _time_in(value: object) -> float | InvalidReason:
    """Return a time in a token file in seconds since 1970. The AWS CLI once ended it with ``UTC`` instead of ``Z``."""
    if value is None:
        return InvalidReason("is missing")
    moment = parse_time(value.removesuffix("UTC").rstrip() if isinstance(value, str) else value)
    return moment if isinstance(moment, InvalidReason) else moment.timestamp()


def _written(seconds: float) -> str:
    """Return a time as the AWS CLI writes it: in whole seconds, rounded down."""
    return instant(int(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
