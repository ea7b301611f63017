"""What EC2 and container metadata answer: a plain function from request to answer, over a few settings.

Follows the Amazon EC2 user guide, "Retrieve security credentials from instance metadata" and "Use the Instance Metadata
Service", and the Amazon ECS developer guide, "Task IAM role". Every secret that goes out holds the word ``CANARY``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple

from .._io import Clock

CANARY = "canary"
"""The word in every secret that the fake hands out. What must not show a secret must not show it."""

ROUTES = ("token", "role list", "role", "container")
"""What can be asked, by the names that counters and scripts use. Anything else counts as ``"other"``."""

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
CONTAINER_PATH = "/v2/credentials/anycreds"
ROLE_NAME = "anycreds-fake-role"
CONTAINER_TOKEN = f"{CANARY}-authorization-token"

LONGEST_TOKEN_TTL = 21_600  # six hours, as the EC2 user guide has it
STICKY_UNTIL = 300.0  # EC2 makes a new set available "at least five minutes before the expiration of the old"
_PADDING = "x" * 800  # real session tokens are about this long

_HTML = (("Content-Type", "text/html"),)
_TEXT = (("Content-Type", "text/plain"),)
_JSON = (("Content-Type", "application/json"),)


class Asked(NamedTuple):
    """A request, as far as answers depend on it."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    """Names in lower case."""


class Answer(NamedTuple):
    """What goes back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class RealClock:
    """The machine's own clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def jitter(self) -> float:
        return 0.5  # the fake leaves nothing to chance


class Metadata:
    """The two metadata services and their settings, without a network. The settings may be changed at any time."""

    def __init__(
        self,
        *,
        role_name: str | None = ROLE_NAME,
        lifetime: float = 6 * 3600,
        token_ttl: int | None = None,
        sticky: bool = False,
        clock: Clock | None = None,
        account_id: str = "123456789012",
        imds_v1: bool = False,
        token_status: int | None = None,
    ) -> None:
        self.role_name = role_name
        self.lifetime = lifetime
        self.token_ttl = token_ttl
        self.sticky = sticky
        self.clock = clock or RealClock()
        self.account_id = account_id
        self.imds_v1 = imds_v1
        self.token_status = token_status
        self.container_token = CONTAINER_TOKEN
        self.issued = 0
        self._tokens: dict[bytes, float] = {}  # each with its end, on the monotonic clock
        self._kept: dict[str, tuple[float, dict[str, str]]] = {}  # by route: the last set and its end

    def answer(self, asked: Asked, route: str, ended: float | None = None) -> Answer:
        """Answer one request. ``ended``: if there is a set in the answer, let it have ended that many seconds ago."""
        if route == "token":
            return self._token(asked)
        if route == "container":
            return self._container(asked, ended)
        return self._metadata(asked, route, ended)

    def _token(self, asked: Asked) -> Answer:
        if asked.method != "PUT":
            return _refusal(405)
        if self.token_status is not None:
            return _refusal(self.token_status)
        if b"x-forwarded-for" in asked.headers:
            return _refusal(403)  # IMDSv2 gives no token through a proxy
        ttl = _token_ttl(asked.headers.get(b"x-aws-ec2-metadata-token-ttl-seconds", b""))
        if ttl is None:
            return _refusal(400)
        ttl = ttl if self.token_ttl is None else min(ttl, self.token_ttl)
        token = f"{CANARY}-imds-{len(self._tokens) + 1:04d}"
        self._tokens[token.encode()] = self.clock.monotonic() + ttl
        return Answer(200, (*_TEXT, ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", str(ttl))), token.encode())

    def _metadata(self, asked: Asked, route: str, ended: float | None) -> Answer:
        token = asked.headers.get(b"x-aws-ec2-metadata-token")
        known = self.imds_v1 if token is None else self._tokens.get(token, 0.0) > self.clock.monotonic()
        if not known:
            return _refusal(401)
        if asked.method != "GET":
            return _refusal(405)
        if self.role_name is not None and route == "role list":
            return Answer(200, _TEXT, self.role_name.encode())
        if self.role_name is not None and route == "role" and asked.path == ROLES_PATH + self.role_name:
            head = {"Code": "Success", "LastUpdated": _date(self.clock.time()), "Type": "AWS-HMAC"}
            return _document({**head, **self._set(route, ended)})
        return _refusal(404)

    def _container(self, asked: Asked, ended: float | None) -> Answer:
        authorization = asked.headers.get(b"authorization")
        if authorization is None:
            return _problem(401, "MissingAuthenticationTokenException", "there is no Authorization header")
        if authorization != self.container_token.encode():
            return _problem(403, "AccessDeniedException", "the Authorization header is wrong")
        if asked.method != "GET":
            return _problem(405, "UnsupportedOperationException", "only GET is supported")
        role = {"RoleArn": f"arn:aws:iam::{self.account_id}:role/{self.role_name or ROLE_NAME}"}
        return _document({**role, **self._set("container", ended), "AccountId": self.account_id})

    def _set(self, route: str, ended: float | None) -> dict[str, str]:
        """Hand out a set: a new one, or if sticky the last until shortly before its end."""
        now = self.clock.time()
        kept = self._kept.get(route)
        if self.sticky and ended is None and kept is not None and kept[0] - now > STICKY_UNTIL:
            return kept[1]
        end = now + self.lifetime if ended is None else now - ended
        # AWS writes whole seconds. They are rounded up for a new set, so that it lives as long as was asked; a life of
        # part of a second would be lost in that, so then the end is exact.
        if ended is None and float(self.lifetime).is_integer():
            end = float(ceil(end))
        self.issued += 1
        fresh = {
            "AccessKeyId": f"ASIAFAKEFAKEFAKE{self.issued:04d}",
            "SecretAccessKey": f"{CANARY}-secret-{self.issued:04d}-{_PADDING[:20]}",
            "Token": f"{CANARY}-session-{self.issued:04d}-{_PADDING}",
            "Expiration": _date(end),
        }
        self._kept[route] = (end, fresh)
        return fresh


def route_of(path: str) -> str:
    """Return the name of what is asked for at a path."""
    if path == TOKEN_PATH:
        return "token"
    if path == CONTAINER_PATH:
        return "container"
    if path in (ROLES_PATH, ROLES_PATH.rstrip("/")):
        return "role list"
    return "role" if path.startswith(ROLES_PATH) else "other"


def _token_ttl(text: bytes) -> int | None:
    """Read the lifetime that is asked for a token; None: it is not one that IMDS grants."""
    if not (text.isdigit() and len(text) <= len(str(LONGEST_TOKEN_TTL))):
        return None
    return ttl if 1 <= (ttl := int(text)) <= LONGEST_TOKEN_TTL else None


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"


def _document(fields: Mapping[str, str]) -> Answer:
    return Answer(200, _JSON, json.dumps(fields, indent=2).encode())


def _refusal(status: int) -> Answer:
    return Answer(status, _HTML, f"<html><head><title>{status}</title></head></html>\n".encode())


def _problem(status: int, code: str, message: str) -> Answer:
    return Answer(status, _JSON, json.dumps({"Code": code, "Message": message}).encode())
