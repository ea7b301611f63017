"""The fakes of the IAM Identity Center portal and of its OIDC service.

See: "GetRoleCredentials" in the IAM Identity Center portal API reference
(https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html) and "CreateToken" in
the OIDC API reference (https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html).
"""

from __future__ import annotations

import re
from typing import Any

from . import issued_keys as keys
from .messages import JSON, FakeRequest, FakeResponse, FakeServiceError, iso_date, json_response, read_json, read_pairs
from .state import FakeState, RefreshToken, RegisteredClient, find_refresh_token, rotate_refresh_token

ROUTES = ("sso role", "sso token")
PORTAL_PATH = "/federation/credentials"
TOKEN_PATH = "/token"
START_URL = "https://anycreds-fake.awsapps.com/start"
_ACCOUNT = re.compile(r"[0-9]{12}")
_USER = "anycreds-fake-user@example.com"


def respond(state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse:
    """Return the response to a request. Raises ``FakeServiceError`` for an error response."""
    operation = _get_role_credentials if request.path.endswith(PORTAL_PATH) else _create_token
    return json_response(200, operation(state, request, expired_ago))


def encode_error(error: FakeServiceError) -> FakeResponse:
    """Encode an error as REST-JSON services do."""
    message = "message" if error.error is None else "error_description"
    oauth = {} if error.error is None else {"error": error.error}
    return json_response(error.status, {**oauth, message: error.message}, (*JSON, ("x-amzn-ErrorType", error.code)))


def new_token(
    state: FakeState, expires_in: float, registration_expires_in: float, region: str, start_url: str
) -> dict[str, str]:
    """Register a client, sign in and return the token as the AWS CLI caches it."""
    now, records = state.clock.time(), state.records
    client_id = f"anycreds-client-{len(records.clients) + 1:04d}"
    client = RegisteredClient(records.new_secret("client-secret"), now + registration_expires_in)
    access, refresh = records.new_secret("sso-access"), records.new_secret("sso-refresh")
    records.clients[client_id] = client
    records.sso_tokens[access] = now + expires_in
    records.refresh_tokens[refresh] = RefreshToken(client_id)
    return {
        "startUrl": start_url,
        "region": region,
        "accessToken": access,
        "expiresAt": iso_date(float(int(now + expires_in))),
        "clientId": client_id,
        "clientSecret": client.secret,
        "registrationExpiresAt": iso_date(float(int(client.expiration))),
        "refreshToken": refresh,
    }


def _get_role_credentials(state: FakeState, request: FakeRequest, expired_ago: float | None) -> dict[str, Any]:
    if request.method != "GET":
        raise FakeServiceError(405, "MethodNotAllowedException", "only GET is supported")
    query = read_pairs(request.query) or {}
    account, role = query.get("account_id", ""), query.get("role_name", "")
    if query.keys() != {"account_id", "role_name"} or not (_ACCOUNT.fullmatch(account) and role):
        raise FakeServiceError(400, "InvalidRequestException", "exactly account_id and role_name are required")
    if state.records.sso_tokens.get(request.header("x-amz-sso_bearer_token"), 0.0) <= state.clock.time():
        raise FakeServiceError(401, "UnauthorizedException", "Session token not found or invalid")
    if state.sso_roles is not None and account not in state.sso_roles:
        raise FakeServiceError(404, "ResourceNotFoundException", "Account not found")
    if state.sso_roles is not None and role not in state.sso_roles[account]:
        raise FakeServiceError(403, "ForbiddenException", "No access")
    arn = keys.session_arn(account, f"AWSReservedSSO_{role}_0123456789abcdef", _USER)
    issued = keys.issue(state, arn, state.lifetime, expired_ago)
    credentials = issued.named("accessKeyId", "secretAccessKey", "sessionToken")
    return {"roleCredentials": credentials | {"expiration": int(issued.expiration * 1000)}}


def _create_token(state: FakeState, request: FakeRequest, expired_ago: float | None) -> dict[str, Any]:
    if request.method != "POST":
        raise FakeServiceError(405, "MethodNotAllowedException", "only POST is supported")
    form = read_json(request) if request.header("content-type").startswith("application/json") else None
    if form is None or not all(isinstance(value, str) for value in form.values()):
        raise _invalid_request("a JSON object with string values is required")
    if missing := [name for name in ("clientId", "clientSecret", "grantType") if not form.get(name)]:
        raise _invalid_request(f"{missing[0]} is required")
    if form["grantType"] != "refresh_token":
        message = "only the grant type refresh_token is supported"
        raise FakeServiceError(400, "UnsupportedGrantTypeException", message, "unsupported_grant_type")
    if not form.get("refreshToken") or form.keys() != {"clientId", "clientSecret", "grantType", "refreshToken"}:
        raise _invalid_request("refreshToken is required, and no other parameter is supported")
    client = state.records.clients.get(form["clientId"])
    if client is None or client.secret != form["clientSecret"] or client.expiration <= state.clock.time():
        raise FakeServiceError(401, "InvalidClientException", "Invalid client provided", "invalid_client")
    return _refresh(state, form["clientId"], form["refreshToken"], expired_ago)


def _refresh(state: FakeState, client_id: str, refresh_token: str, expired_ago: float | None) -> dict[str, Any]:
    known = find_refresh_token(state, client_id, refresh_token)
    if known is None:
        raise FakeServiceError(400, "InvalidGrantException", "Invalid refresh token provided", "invalid_grant")
    lifetime = state.sso_token_lifetime if expired_ago is None else -expired_ago
    access = state.records.new_secret("sso-access")
    state.records.sso_tokens[access] = state.clock.time() + lifetime
    fields = {"accessToken": access, "tokenType": "Bearer", "expiresIn": int(lifetime)}
    if state.sso_refresh == "rotate":
        return {**fields, "refreshToken": rotate_refresh_token(state, refresh_token, known, "sso-refresh")}
    return fields if state.sso_refresh == "omit" else {**fields, "refreshToken": refresh_token}


def _invalid_request(message: str) -> FakeServiceError:
    return FakeServiceError(400, "InvalidRequestException", message, "invalid_request")
