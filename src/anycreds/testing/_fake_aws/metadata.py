"""What EC2 and container metadata answer: plain functions from request to answer, over a few settings.

Follows the Amazon EC2 user guide, "Retrieve security credentials from instance metadata" and "Use the Instance Metadata
Service", and the Amazon ECS developer guide, "Task IAM role". Every secret that goes out holds the word ``CANARY``.
"""

from __future__ import annotations

from . import issued_keys as keys
from .messages import CANARY, HTML, TEXT, Answer, Asked, Refusal, iso_date, json_answer
from .state import ROLE_NAME, World

__all__ = ["CONTAINER_PATH", "ROUTES", "Answer", "Asked", "answer", "refuse", "route_of"]

ROUTES = ("token", "role list", "role", "container")
"""What can be asked of metadata, by the names that counters and scripts use."""

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
CONTAINER_PATH = "/v2/credentials/anycreds"

LONGEST_TOKEN_TTL = 21_600  # six hours, as the EC2 user guide has it
STICKY_UNTIL = 300.0  # EC2 makes a new set available "at least five minutes before the expiration of the old"
_INSTANCE = "i-0fa4e0000000c0de0"  # EC2 names the session of an instance's role after the instance
_TASK = "anycreds-fake-task"


def answer(world: World, asked: Asked, ended: float | None = None) -> Answer:
    """Answer one request. ``ended``: if there is a set in the answer, let it have ended that many seconds ago."""
    route = route_of(asked.path)
    if route == "token":
        return _token(world, asked)
    if route == "container":
        return _container(world, asked, ended)
    return _metadata(world, asked, route, ended)


def refuse(told: Refusal) -> Answer:
    """Write a refusal as both services do that say more than a status."""
    return json_answer(told.status, {"Code": told.code, "Message": told.message})


def route_of(path: str) -> str:
    """Return the name of what is asked for at a path."""
    if path == TOKEN_PATH:
        return "token"
    if path == CONTAINER_PATH:
        return "container"
    if path in (ROLES_PATH, ROLES_PATH.rstrip("/")):
        return "role list"
    return "role" if path.startswith(ROLES_PATH) else "other"


def _token(world: World, asked: Asked) -> Answer:
    if asked.method != "PUT":
        return _no(405)
    if world.token_status is not None:
        return _no(world.token_status)
    if b"x-forwarded-for" in asked.headers:
        return _no(403)  # IMDSv2 gives no token through a proxy
    ttl = _token_ttl(asked.headers.get(b"x-aws-ec2-metadata-token-ttl-seconds", b""))
    if ttl is None:
        return _no(400)
    ttl = ttl if world.token_ttl is None else min(ttl, world.token_ttl)
    tokens = world.memory.metadata_tokens
    token = f"{CANARY}-imds-{len(tokens) + 1:04d}"
    tokens[token.encode()] = world.clock.monotonic() + ttl
    return Answer(200, (*TEXT, ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", str(ttl))), token.encode())


def _metadata(world: World, asked: Asked, route: str, ended: float | None) -> Answer:
    token = asked.headers.get(b"x-aws-ec2-metadata-token")
    now = world.clock.monotonic()
    known = world.imds_v1 if token is None else world.memory.metadata_tokens.get(token, 0.0) > now
    if not known:
        return _no(401)
    if asked.method != "GET":
        return _no(405)
    if world.role_name is not None and route == "role list":
        return Answer(200, TEXT, world.role_name.encode())
    if world.role_name is not None and route == "role" and asked.path == ROLES_PATH + world.role_name:
        head = {"Code": "Success", "LastUpdated": iso_date(world.clock.time()), "Type": "AWS-HMAC"}
        return json_answer(200, {**head, **_set(world, route, ended)})
    return _no(404)


def _container(world: World, asked: Asked, ended: float | None) -> Answer:
    authorization = asked.headers.get(b"authorization")
    if authorization is None:
        return refuse(Refusal(401, "MissingAuthenticationTokenException", "there is no Authorization header"))
    if authorization != world.container_token.encode():
        return refuse(Refusal(403, "AccessDeniedException", "the Authorization header is wrong"))
    if asked.method != "GET":
        return refuse(Refusal(405, "UnsupportedOperationException", "only GET is supported"))
    role = {"RoleArn": f"arn:aws:iam::{world.account_id}:role/{world.role_name or ROLE_NAME}"}
    return json_answer(200, {**role, **_set(world, "container", ended), "AccountId": world.account_id})


def _set(world: World, route: str, ended: float | None) -> dict[str, str]:
    """Hand out a set: a new one, or if sticky the last until shortly before its end."""
    kept = world.memory.kept.get(route)
    if world.sticky and ended is None and kept is not None and kept[0] - world.clock.time() > STICKY_UNTIL:
        return kept[1]
    session_name = _TASK if route == "container" else _INSTANCE
    arn = keys.session_arn(world.account_id, world.role_name or ROLE_NAME, session_name)
    made = keys.issue(world, arn, world.lifetime, ended)
    fresh = {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "Token": made.session_token,
        "Expiration": iso_date(made.end),
    }
    world.memory.kept[route] = (made.end, fresh)
    return fresh


def _token_ttl(text: bytes) -> int | None:
    """Read the lifetime that is asked for a token; None: it is not one that IMDS grants."""
    if not (text.isdigit() and len(text) <= len(str(LONGEST_TOKEN_TTL))):
        return None
    return ttl if 1 <= (ttl := int(text)) <= LONGEST_TOKEN_TTL else None


def _no(status: int) -> Answer:
    return Answer(status, HTML, f"<html><head><title>{status}</title></head></html>\n".encode())
