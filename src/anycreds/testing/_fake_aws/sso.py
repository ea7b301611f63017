"""What the IAM Identity Center portal and its OIDC service answer: plain functions from request to answer.

Follows the AWS IAM Identity Center portal API reference, "GetRoleCredentials", and its OIDC API reference,
"CreateToken".
"""

from __future__ import annotations

import re
from typing import Any

from . import issued_keys as keys
from .messages import Answer, Asked, Refusal, iso_date, json_answer, json_refusal, read_json, read_pairs
from .refresh_tokens import spend, trade
from .state import Client, Refresh, World

ROUTES = ("sso role", "sso token")
PORTAL_PATH = "/federation/credentials"
TOKEN_PATH = "/token"
START_URL = "https://anycreds-fake.awsapps.com/start"
_ACCOUNT = re.compile(r"[0-9]{12}")
_USER = "anycreds-fake-user@example.com"


def answer(world: World, asked: Asked, ended: float | None = None) -> Answer:
    """Answer one request. ``ended``: let the set or token in the answer have ended that many seconds ago."""
    outcome = (_role if asked.path.endswith(PORTAL_PATH) else _token)(world, asked, ended)
    return json_refusal(outcome) if isinstance(outcome, Refusal) else json_answer(200, outcome)


def new_token(
    world: World, expires_in: float, registration_expires_in: float, region: str, start_url: str
) -> dict[str, str]:
    """Register a client, sign in and return the token as the AWS CLI caches it."""
    now, memory = world.clock.time(), world.memory
    client_id = f"anycreds-client-{len(memory.clients) + 1:04d}"
    client = Client(memory.plant("client-secret"), now + registration_expires_in)
    access, refresh = memory.plant("sso-access"), memory.plant("sso-refresh")
    memory.clients[client_id] = client
    memory.sso_tokens[access] = now + expires_in
    memory.refreshes[refresh] = Refresh(client_id)
    return {
        "startUrl": start_url,
        "region": region,
        "accessToken": access,
        "expiresAt": iso_date(float(int(now + expires_in))),
        "clientId": client_id,
        "clientSecret": client.secret,
        "registrationExpiresAt": iso_date(float(int(client.end))),
        "refreshToken": refresh,
    }


def _role(world: World, asked: Asked, ended: float | None) -> dict[str, Any] | Refusal:
    if asked.method != "GET":
        return Refusal(405, "MethodNotAllowedException", "only GET is supported")
    query = read_pairs(asked.query) or {}
    account, role = query.get("account_id", ""), query.get("role_name", "")
    if query.keys() != {"account_id", "role_name"} or not (_ACCOUNT.fullmatch(account) and role):
        return Refusal(400, "InvalidRequestException", "account_id and role_name are required, and nothing else")
    if world.memory.sso_tokens.get(asked.header("x-amz-sso_bearer_token"), 0.0) <= world.clock.time():
        return Refusal(401, "UnauthorizedException", "Session token not found or invalid")
    if world.sso_roles is not None and account not in world.sso_roles:
        return Refusal(404, "ResourceNotFoundException", "Account not found")
    if world.sso_roles is not None and role not in world.sso_roles[account]:
        return Refusal(403, "ForbiddenException", "No access")
    arn = keys.session_arn(account, f"AWSReservedSSO_{role}_0123456789abcdef", _USER)
    made = keys.issue(world, arn, world.lifetime, ended)
    issued = {
        "accessKeyId": made.access_key_id,
        "secretAccessKey": made.secret_access_key,
        "sessionToken": made.session_token,
        "expiration": int(made.end * 1000),
    }
    return {"roleCredentials": issued}


def _token(world: World, asked: Asked, ended: float | None) -> dict[str, Any] | Refusal:
    if asked.method != "POST":
        return Refusal(405, "MethodNotAllowedException", "only POST is supported")
    form = read_json(asked) if asked.header("content-type").startswith("application/json") else None
    if form is None or not all(isinstance(value, str) for value in form.values()):
        return _wrong("a JSON document with texts is required")
    if missing := [name for name in ("clientId", "clientSecret", "grantType") if not form.get(name)]:
        return _wrong(f"{missing[0]} is required")
    if form["grantType"] != "refresh_token":
        said = "this service refreshes tokens only"
        return Refusal(400, "UnsupportedGrantTypeException", said, "unsupported_grant_type")
    if not form.get("refreshToken") or form.keys() != {"clientId", "clientSecret", "grantType", "refreshToken"}:
        return _wrong("refreshToken is required, and nothing else")
    client = world.memory.clients.get(form["clientId"])
    if client is None or client.secret != form["clientSecret"] or client.end <= world.clock.time():
        return Refusal(401, "InvalidClientException", "Invalid client provided", "invalid_client")
    return _refreshed(world, form["clientId"], form["refreshToken"], ended)


def _refreshed(world: World, client_id: str, refresh_token: str, ended: float | None) -> dict[str, Any] | Refusal:
    kept = spend(world, client_id, refresh_token, once=world.sso_refresh == "rotate")
    if kept is None:
        return Refusal(400, "InvalidGrantException", "Invalid refresh token provided", "invalid_grant")
    life = world.sso_token_lifetime if ended is None else -ended
    access = world.memory.plant("sso-access")
    world.memory.sso_tokens[access] = world.clock.time() + life
    fields = {"accessToken": access, "tokenType": "Bearer", "expiresIn": int(life)}
    if world.sso_refresh == "rotate":
        return {**fields, "refreshToken": trade(world, kept, "sso-refresh")}
    return fields if world.sso_refresh == "omit" else {**fields, "refreshToken": refresh_token}


def _wrong(message: str) -> Refusal:
    return Refusal(400, "InvalidRequestException", message, "invalid_request")
