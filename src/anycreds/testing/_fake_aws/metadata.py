"""The fakes of EC2 instance metadata and of ECS/EKS container credentials.

See: "Retrieve security credentials from instance metadata" in the Amazon EC2 user guide
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html) and "Amazon ECS task
IAM role" in the Amazon ECS developer guide
(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html).
"""

from __future__ import annotations

from . import issued_keys as keys
from .messages import CANARY, HTML, TEXT, FakeRequest, FakeResponse, FakeServiceError, iso_date, json_response
from .state import ROLE_NAME, FakeState

ROUTES = ("token", "role list", "role", "container")

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
CONTAINER_PATH = "/v2/credentials/anycreds"

MAX_TOKEN_TTL = 21_600  # six hours, by the EC2 user guide
# EC2 makes new credentials available "at least five minutes before the expiration of the old credentials".
STICKY_MARGIN = 300.0  # seconds
_INSTANCE = "i-0fa4e0000000c0de0"  # EC2 uses the instance id as session name
_TASK = "anycreds-fake-task"


def respond(state: FakeState, request: FakeRequest, expired_ago: float | None = None) -> FakeResponse:
    """Return the response to a request. Raises ``FakeServiceError`` for an error response with a body."""
    route = route_of(request.path)
    if route == "token":
        return _token(state, request)
    if route == "container":
        return _container(state, request, expired_ago)
    return _metadata(state, request, route, expired_ago)


def encode_error(error: FakeServiceError) -> FakeResponse:
    """Encode an error as the container credentials endpoint does."""
    return json_response(error.status, {"Code": error.code, "Message": error.message})


def route_of(path: str) -> str:
    """Return the route of a path; ``"other"`` if there is none."""
    if path == TOKEN_PATH:
        return "token"
    if path == CONTAINER_PATH:
        return "container"
    if path in (ROLES_PATH, ROLES_PATH.rstrip("/")):
        return "role list"
    return "role" if path.startswith(ROLES_PATH) else "other"


def _token(state: FakeState, request: FakeRequest) -> FakeResponse:
    if request.method != "PUT":
        return _status_page(405)
    if state.token_status is not None:
        return _status_page(state.token_status)
    if b"x-forwarded-for" in request.headers:
        return _status_page(403)  # IMDSv2 gives no token to a proxy
    ttl = _token_ttl(request.headers.get(b"x-aws-ec2-metadata-token-ttl-seconds", b""))
    if ttl is None:
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
    role = {"RoleArn": f"arn:aws:iam::{state.account_id}:role/{state.role_name or ROLE_NAME}"}
    credentials = _credentials(state, "container", expired_ago)
    return json_response(200, {**role, **credentials, "AccountId": state.account_id})


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
    fresh = {
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret_access_key,
        "Token": issued.session_token,
        "Expiration": iso_date(issued.expiration),
    }
    state.records.sticky[route] = (issued.expiration, fresh)
    return fresh


def _token_ttl(text: bytes) -> int | None:
    """Return the requested lifetime of a token, in seconds; None if IMDS does not accept it."""
    if not (text.isdigit() and len(text) <= len(str(MAX_TOKEN_TTL))):
        return None
    return ttl if 1 <= (ttl := int(text)) <= MAX_TOKEN_TTL else None


def _status_page(status: int) -> FakeResponse:
    return FakeResponse(status, HTML, f"<html><head><title>{status}</title></head></html>\n".encode())
