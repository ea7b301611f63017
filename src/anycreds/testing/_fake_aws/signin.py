"""The fake of AWS Sign-In, which refreshes console logins (``aws login``).

See: "CreateOAuth2Token" in the AWS Sign-In API reference
(https://docs.aws.amazon.com/signin/latest/APIReference/API_CreateOAuth2Token.html) and RFC 9449 (DPoP).
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from . import issued_keys as keys
from .messages import FakeRequest, FakeResponse, FakeServiceError, iso_date, json_response, read_json
from .state import FakeState, RefreshToken, find_refresh_token, rotate_refresh_token

ROUTES = ("sign-in token",)
PATH = "/v1/token"
CLIENT_ID = "arn:aws:signin:::devtools/same-device"
MAX_LIFETIME = 900  # seconds, by the API reference
_FIELDS = ("accessKeyId", "secretAccessKey", "sessionToken")
_MESSAGES = {
    "TOKEN_EXPIRED": "The refresh token has expired or was used.",
    "USER_CREDENTIALS_CHANGED": "The user's credentials have changed since the login.",
    "INSUFFICIENT_PERMISSIONS": "The user is not allowed to perform signin:CreateOAuth2Token.",
}


def respond(state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse:
    """Return the response to a request. Raises ``FakeServiceError`` for an error response."""
    if request.method != "POST":
        raise FakeServiceError(405, "ValidationException", "only POST is supported", "INVALID_REQUEST")
    form = read_json(request) if request.header("content-type").startswith("application/json") else None
    if form is None or form.keys() != {"clientId", "grantType", "refreshToken"}:
        raise _invalid_request("a JSON document of clientId, grantType and refreshToken is required")
    if not all(isinstance(value, str) and value for value in form.values()):
        raise _invalid_request("clientId, grantType and refreshToken must be non-empty strings")
    if form["grantType"] != "refresh_token" or form["clientId"] != CLIENT_ID:
        raise _invalid_request("grantType must be refresh_token, and clientId the AWS CLI's")
    try:
        proof = _dpop().read_proof(request, state.clock.time())
    except RuntimeError as error:  # cryptography is not installed
        raise FakeServiceError(500, "InternalServerException", str(error), "server_error") from None
    if proof.identifier in state.records.proofs:
        raise _invalid_request("the DPoP proof was used before")
    state.records.proofs.add(proof.identifier)
    if state.login_error is not None:
        raise _denied(state.login_error)
    return json_response(200, _refresh(state, form["refreshToken"], proof.thumbprint, expired_ago))


def encode_error(error: FakeServiceError) -> FakeResponse:
    """Encode an error as sign-in does."""
    head = (("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code))
    return json_response(error.status, {"error": error.error or "INVALID_REQUEST", "message": error.message}, head)


def new_login(
    state: FakeState, expires_in: float, arn: str | None, encoding: Literal["sec1", "pkcs8"], region: str | None
) -> dict[str, Any]:
    """Sign in and return the token as the AWS CLI caches it. Raises ``RuntimeError`` without ``cryptography``."""
    user, records = arn or keys.user_arn(state), state.records
    key = _dpop().new_key(len(records.refresh_tokens) + 1, encoding)
    issued = keys.issue(state, user, expires_in)
    refresh = records.new_secret("login-refresh")
    records.refresh_tokens[refresh] = RefreshToken(CLIENT_ID, user)
    access = issued.named(*_FIELDS) | {"accountId": user.split(":")[4], "expiresAt": iso_date(issued.expiration)}
    token = {"accessToken": access, "tokenType": "aws_sigv4", "clientId": CLIENT_ID, "refreshToken": refresh}
    return {**token, "dpopKey": key} if region is None else {**token, "dpopKey": key, "signInRegion": region}


def _refresh(state: FakeState, refresh_token: str, thumbprint: str, expired_ago: float | None) -> dict[str, Any]:
    known = find_refresh_token(state, CLIENT_ID, refresh_token)
    if known is None:
        raise _denied("TOKEN_EXPIRED")
    if known.thumbprint not in {None, thumbprint}:
        raise _invalid_request("the refresh token is bound to another DPoP key")
    bound = known._replace(thumbprint=thumbprint)
    lifetime = min(state.login_lifetime, MAX_LIFETIME)
    return {
        "accessToken": keys.issue(state, known.arn, lifetime, expired_ago).named(*_FIELDS),
        "tokenType": "aws_sigv4",
        "expiresIn": lifetime if expired_ago is None else -int(expired_ago),
        "refreshToken": rotate_refresh_token(state, refresh_token, bound, "login-refresh"),
    }


def _dpop() -> ModuleType:
    try:
        return import_module(".dpop", __package__)
    except ImportError as error:
        raise RuntimeError("sign-in in FakeAWS needs the package cryptography: it is not installed") from error


def _invalid_request(message: str) -> FakeServiceError:
    return FakeServiceError(400, "ValidationException", message, "INVALID_REQUEST")


def _denied(error: str) -> FakeServiceError:
    return FakeServiceError(400, "AccessDeniedException", _MESSAGES[error], error)
