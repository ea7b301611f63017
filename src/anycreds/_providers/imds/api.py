"""What the EC2 metadata service is asked for credentials, and what it answers. Version 1 is that without a token."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..._core.errors import MalformedResponseError
from ..._core.http import Request, Response, Url
from ..._core.validation import InvalidValueError, check_header_safe
from ..._wire.service_errors import malformed_response
from ..._wire.text import response_text

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


def parse_token(response: Response, base: Url, wall: float, monotonic: float, source: str) -> Key:
    """Return the session token in a response.

    Args:
        response: A response with status 200.
        base: The URL of the service.
        wall: The wall clock before the request, in seconds since 1970.
        monotonic: The monotonic clock before the request, in seconds.
        source: The name of the provider.

    Returns:
        The token. It has expired already if its lifetime is short, or the response does not contain a valid one.

    Raises:
        MalformedResponseError: The response is not a token.

    """
    try:
        token = response_text(response).strip()
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    try:
        check_header_safe(token)
    except InvalidValueError as error:
        raise MalformedResponseError(f"the session token in the response {error}", source=source) from None
    seconds = response.headers.get(_TTL_HEADER, "").strip()
    readable = seconds.isascii() and seconds.isdigit() and len(seconds) <= 6
    lifetime = (float(min(int(seconds), LONGEST_TTL)) if readable else 0.0) - _EARLY
    return Key(token, base, wall + lifetime, monotonic + lifetime)


def parse_role_name(response: Response, source: str) -> str:
    """Return the name in the list of roles, which has at most one; an empty text if it has none.

    Raises:
        MalformedResponseError: The response is not the name of one role.

    """
    try:
        name = response_text(response).strip()
    except InvalidValueError as error:
        raise malformed_response(error, response, source) from None
    if name and (not _ROLE.fullmatch(name) or name in (".", "..")):
        raise MalformedResponseError("the list of roles in the response is not the name of one role", source=source)
    return name


def _below(base: Url, path: str) -> Url:
    return base._replace(target=base.target + path)
