"""What the EC2 metadata service is asked for credentials, and what it answers. Version 1 is that without a token."""

from __future__ import annotations

import re

from .._credentials import Problem
from .headers import header_problem
from .messages import Request, Response
from .urls import Url

# The longest life that the service grants a token, in seconds: six hours.
LONGEST_TTL = 21600
_TOKEN_PATH = "/latest/api/token"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_TOKEN_HEADER = "x-aws-ec2-metadata-token"
_TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
# As IAM has it; of the two names that would lead elsewhere as a path, see below.
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


def token_request(base: Url, timeout: float) -> Request:
    """Ask for a session token."""
    return Request("PUT", _below(base, _TOKEN_PATH), {_TTL_HEADER: str(LONGEST_TTL)}, timeout)


def role_request(base: Url, token: str | None, timeout: float, role: str = "") -> Request:
    """Ask for the name of the instance's role, or with that name for its credentials."""
    return Request("GET", _below(base, _ROLE_PATH + role), {} if token is None else {_TOKEN_HEADER: token}, timeout)


def token_in(text: str) -> str | Problem:
    """Return the session token in an answer."""
    token = text.strip()
    if problem := header_problem(token):
        return Problem(f"the session token in the answer {problem}")
    return token


def lifetime_in(response: Response) -> float:
    """Return how many seconds a token may be kept; 0 where the service does not say it readably."""
    text = response.headers.get(_TTL_HEADER, "").strip()
    readable = text.isascii() and text.isdigit() and len(text) <= 6
    return float(min(int(text), LONGEST_TTL)) if readable else 0.0


def role_in(text: str) -> str | Problem:
    """Return the role in the list of roles, which has one at most; an empty text: it has none."""
    name = text.strip()
    if name and (not _ROLE.fullmatch(name) or name in (".", "..")):
        return Problem("the list of roles in the answer is not the name of one role")
    return name


def _below(base: Url, path: str) -> Url:
    return base._replace(target=base.target + path)
