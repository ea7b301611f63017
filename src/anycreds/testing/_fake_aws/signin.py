"""What AWS Sign-In answers to programs that refresh a console login (``aws login``).

Follows the AWS Sign-In API reference, "CreateOAuth2Token", and RFC 9449 (DPoP).
"""

from __future__ import annotations

from typing import Any, Literal

from . import issued_keys as keys
from .dpop import new_key, read_proof
from .messages import Answer, Asked, Refusal, iso_date, json_answer, read_json
from .refresh_tokens import look_up, spend, trade
from .state import Refresh, World

ROUTES = ("sign-in token",)
PATH = "/v1/token"
CLIENT_ID = "arn:aws:signin:::devtools/same-device"
LONGEST_LIFE = 900  # seconds, as the API reference has it
_MESSAGES = {
    "TOKEN_EXPIRED": "The refresh token has expired or was used.",
    "USER_CREDENTIALS_CHANGED": "The user's credentials have changed since the login.",
    "INSUFFICIENT_PERMISSIONS": "The user may not sign in so: signin:CreateOAuth2Token is not allowed.",
}


def answer(world: World, asked: Asked, ended: float | None = None) -> Answer:
    """Answer one request. ``ended``: let the set in the answer have ended that many seconds ago."""
    try:
        outcome = _outcome(world, asked, ended)
    except RuntimeError as error:  # there is no cryptography
        return refuse(Refusal(500, "InternalServerException", str(error), "server_error"))
    return refuse(outcome) if isinstance(outcome, Refusal) else json_answer(200, outcome)


def refuse(told: Refusal) -> Answer:
    """Write a refusal as sign-in does."""
    head = (("Content-Type", "application/json"), ("x-amzn-ErrorType", told.code))
    return json_answer(told.status, {"error": told.error or "INVALID_REQUEST", "message": told.message}, head)


def new_login(
    world: World, expires_in: float, arn: str | None, encoding: Literal["sec1", "pkcs8"], region: str | None
) -> dict[str, Any]:
    """Sign in and return the token as the AWS CLI caches it. Raises ``RuntimeError`` without ``cryptography``."""
    who, memory = arn or keys.user_arn(world), world.memory
    key = new_key(len(memory.refreshes) + 1, encoding)
    made = keys.issue(world, who, expires_in)
    refresh = memory.plant("login-refresh")
    memory.refreshes[refresh] = Refresh(CLIENT_ID, who)
    access = {
        **_fields(made),
        "accountId": who.split(":")[4],
        "expiresAt": iso_date(made.end),
    }
    token = {"accessToken": access, "tokenType": "aws_sigv4", "clientId": CLIENT_ID, "refreshToken": refresh}
    return {**token, "dpopKey": key} if region is None else {**token, "dpopKey": key, "signInRegion": region}


def _outcome(world: World, asked: Asked, ended: float | None) -> dict[str, Any] | Refusal:
    if asked.method != "POST":
        return Refusal(405, "ValidationException", "only POST is supported", "INVALID_REQUEST")
    form = read_json(asked) if asked.header("content-type").startswith("application/json") else None
    if form is None or form.keys() != {"clientId", "grantType", "refreshToken"}:
        return _wrong("a JSON document of clientId, grantType and refreshToken is required")
    if not all(isinstance(value, str) and value for value in form.values()):
        return _wrong("clientId, grantType and refreshToken must be texts")
    if form["grantType"] != "refresh_token" or form["clientId"] != CLIENT_ID:
        return _wrong("the grant is not a refresh, or the client is not the AWS CLI")
    proof = read_proof(asked, world.clock.time())
    if isinstance(proof, Refusal):
        return proof
    if proof.identifier in world.memory.proofs:
        return _wrong("the DPoP proof was used before")
    world.memory.proofs.add(proof.identifier)
    if world.login_refusal is not None:
        return _denied(world.login_refusal)
    return _refreshed(world, form["refreshToken"], proof.thumbprint, ended)


def _refreshed(world: World, refresh_token: str, thumbprint: str, ended: float | None) -> dict[str, Any] | Refusal:
    known = look_up(world, CLIENT_ID, refresh_token)
    if known is None:
        return _denied("TOKEN_EXPIRED")
    if known.thumbprint not in {None, thumbprint}:
        return _wrong("the refresh token is bound to another DPoP key")
    spend(world, CLIENT_ID, refresh_token)
    life = min(world.login_lifetime, LONGEST_LIFE)
    made = keys.issue(world, known.arn, life, ended)
    return {
        "accessToken": _fields(made),
        "tokenType": "aws_sigv4",
        "expiresIn": life if ended is None else -int(ended),
        "refreshToken": trade(world, known._replace(thumbprint=thumbprint), "login-refresh"),
    }


def _fields(made: keys.IssuedSet) -> dict[str, str]:
    return {
        "accessKeyId": made.access_key_id,
        "secretAccessKey": made.secret_access_key,
        "sessionToken": made.session_token,
    }


def _wrong(message: str) -> Refusal:
    return Refusal(400, "ValidationException", message, "INVALID_REQUEST")


def _denied(error: str) -> Refusal:
    return Refusal(400, "AccessDeniedException", _MESSAGES[error], error)
