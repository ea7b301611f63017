"""The fakes of EC2 instance metadata and of ECS/EKS container credentials.

See: "Retrieve security credentials from instance metadata" in the Amazon EC2 user guide
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html) and "Amazon ECS task
IAM role" in the Amazon ECS developer guide
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html).
"""

from __future__ import annotations

import re

from . import issued_keys as keys
from .messages import CANARY, HTML, TEXT, FakeRequest, FakeResponse, FakeServiceError, iso_date, json_response
from .state import ROLE_NAME, FakeState

ROUTES = ("token", "role list", "role", "container")

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
CONTAINER_PATH = "/v2/credentials/anycreds"

_ROUTES_BY_PATH = {
    TOKEN_PATH: "token",
    CONTAINER_PATH: "container",
    **dict.fromkeys((ROLES_PATH, ROLES_PATH.rstrip("/")), "role list"),
}
MAX_TOKEN_TTL = 21_600  # six hours, by the EC2 user guide
# EC2 makes new credentials available "at least five minutes before the expiration of the old credentials".
STICKY_MARGIN = 300.0  # seconds
_INSTANCE = "i-0fa4e0000000c0de0"  # EC2 uses the instance id as session name
_TASK = "anycreds-fake-task"


def respond(state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse:
    """Return the response to a request. Raises ``FakeServiceError`` for an error response with a body."""
    match route_of(request.path):
        case "token":
            return _token(state, request)
        case "container":
            return _container(state, request, expired_ago)
        case route:
            return _metadata(state, request, route, expired_ago)


def encode_error(error: FakeServiceError) -> FakeResponse:
    """Encode an error as the container credentials endpoint does."""
    return json_response(error.status, {"Code": error.code, "Message": error.message})


def route_of(path: str) -> str:
    """Return the route of a path; ``"other"`` if there is none."""
    return _ROUTES_BY_PATH.get(path, "role" if path.startswith(ROLES_PATH) else "other")


def _token(state: FakeState, request: FakeRequest) -> FakeResponse:
    if request.method != "PUT":
        return _status_page(405)
    if state.token_status is not None:
        return _status_page(state.token_status)
    if b"x-forwarded-for" in request.headers:
        return _status_page(403)  # IMDSv2 gives no token to a proxy
    text = request.header("x-aws-ec2-metadata-token-ttl-seconds")
    ttl = int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
    if not 1 <= ttl <= MAX_TOKEN_TTL:
        return _status_page(400)
    ttl = ttl if state.token_ttl is None else min(ttl, state.token_ttl)
    tokens = state.records.metadata_tokens
    token = f"{CANARY}-imds-{len(tokens) + 1:04d}"
    tokens[token.encode()] = state.clock.monotonic() + ttl
    return FakeResponse(200, (*TEXT, ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", str(ttl))), token.encode())


def _metadata(state: FakeState, request: FakeRequest, route: str, expired_ago: float | None) -> FakeResponse:
    token = request.headers.get(b"x-aws-ec2-metadata-token")
    now = state.clock.monotonic()
    is_authorized = state.imds_v1 if token is None else state.records.metadata_tokens.get(token, 0.0) > now
    if not is_authorized:
        return _status_page(401)
    if request.method != "GET":
        return _status_page(405)
    if state.role_name is not None and route == "role list":
        return FakeResponse(200, TEXT, state.role_name.encode())
    if state.role_name is not None and route == "role" and request.path == ROLES_PATH + state.role_name:
        head = {"Code": "Success", "LastUpdated": iso_date(state.clock.time()), "Type": "AWS-HMAC"}
        return json_response(200, {**head, **_credentials(state, route, expired_ago)})
    return _status_page(404)


def _container(state: FakeState, request: FakeRequest, expired_ago: float | None) -> FakeResponse:
    authorization = request.headers.get(b"authorization")
    if authorization is None:
        raise FakeServiceError(401, "MissingAuthenticationTokenException", "the Authorization header is missing")
    if authorization != state.container_token.encode():
        raise FakeServiceError(403, "AccessDeniedException", "the Authorization header is wrong")
    if request.method != "GET":
        raise FakeServiceError(405, "UnsupportedOperationException", "only GET is supported")
    role, account = state.role_name or ROLE_NAME, state.account_id
    credentials = _credentials(state, "container", expired_ago)
    return json_response(200, {"RoleArn": f"arn:aws:iam::{account}:role/{role}", **credentials, "AccountId": account})


def _credentials(state: FakeState, route: str, expired_ago: float | None) -> dict[str, str]:
    """Return new credentials, or, if the fake is sticky, the previous ones until shortly before they expire."""
    previous = state.records.sticky.get(route)
    if state.sticky and expired_ago is None and previous is not None:
        expiration, credentials = previous
        if expiration - state.clock.time() > STICKY_MARGIN:
            return credentials
    session_name = _TASK if route == "container" else _INSTANCE
    arn = keys.session_arn(state.account_id, state.role_name or ROLE_NAME, session_name)
    issued = keys.issue(state, arn, state.lifetime, expired_ago)
    fresh = issued.named("AccessKeyId", "SecretAccessKey", "Token") | {"Expiration": iso_date(issued.expiration)}
    state.records.sticky[route] = (issued.expiration, fresh)
    return fresh


def _status_page(status: int) -> FakeResponse:
    return FakeResponse(status, HTML, f"<html><head><title>{status}</title></head></html>\n".encode())
