"""What the EC2 metadata service is asked for credentials, and what it answers. Version 1 is that without a token."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..._core.errors import CredentialsError, MalformedResponseError
from ..._core.header_values import header_problem
from ..._core.http import Request, Response
from ..._wire.credential_documents import read_text
from ..._wire.urls import Url

# The longest life that the service grants a token, in seconds: six hours.
LONGEST_TTL = 21600
_EARLY = 120.0  # seconds before its end that a token is given up, as in Rust: it must last for a whole attempt
_TOKEN_PATH = "/latest/api/token"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_TOKEN_HEADER = "x-aws-ec2-metadata-token"
_TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
# As IAM has it; of the two names that would lead elsewhere as a path, see below.
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


class Key(NamedTuple):
    """What opens the service. It fits one endpoint, and ends by both clocks: one may be set, the other one may stop."""

    token: str | None
    """None: the service is of version 1."""
    base: Url
    wall_end: float
    monotonic_end: float

    def role_request(self, timeout: float, role: str = "") -> Request:
        """Ask for the name of the instance's role, or with that name for its credentials."""
        headers = {} if self.token is None else {_TOKEN_HEADER: self.token}
        return Request("GET", _below(self.base, _ROLE_PATH + role), headers, timeout)

    def __repr__(self) -> str:
        return f"Key(version {1 if self.token is None else 2})"


def version_1(base: Url) -> Key:
    """Return the key of a service that has no tokens."""
    return Key(None, base, float("inf"), float("inf"))


def token_request(base: Url, timeout: float) -> Request:
    """Ask for a session token."""
    return Request("PUT", _below(base, _TOKEN_PATH), {_TTL_HEADER: str(LONGEST_TTL)}, timeout)


def key_in(response: Response, base: Url, wall: float, monotonic: float, source: str) -> Key | CredentialsError:
    """Return the session token in an answer. The times are those before it was asked for.

    It has ended already if it may not be kept, because it is short or the service does not say readably how long it is.
    """
    text = read_text(response, source)
    if isinstance(text, CredentialsError):
        return text
    token = text.strip()
    if problem := header_problem(token):
        return MalformedResponseError(f"the session token in the answer {problem}", source=source)
    seconds = response.headers.get(_TTL_HEADER, "").strip()
    readable = seconds.isascii() and seconds.isdigit() and len(seconds) <= 6
    lifetime = (float(min(int(seconds), LONGEST_TTL)) if readable else 0.0) - _EARLY
    return Key(token, base, wall + lifetime, monotonic + lifetime)


def role_in(response: Response, source: str) -> str | CredentialsError:
    """Return the role in the list of roles, which has one at most; an empty text: it has none."""
    text = read_text(response, source)
    if isinstance(text, CredentialsError):
        return text
    name = text.strip()
    if name and (not _ROLE.fullmatch(name) or name in (".", "..")):
        return MalformedResponseError("the list of roles in the answer is not the name of one role", source=source)
    return name


def _below(base: Url, path: str) -> Url:
    return base._replace(target=base.target + path)
