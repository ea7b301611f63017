"""The requests to the EC2 metadata service and its responses, except the credentials. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..._core.errors import MalformedResponseError
from ..._core.http import Request, Response, Url
from ..._core.validation import InvalidValueError, check_header_safe
from ..._wire.service_errors import malformed_response
from ..._wire.text import response_text

# Seconds. The longest lifetime of a token that the service grants: six hours.
_MAX_TTL = 21600
# Seconds before its expiration at which a token is replaced, as in the Rust SDK: it must be valid for a whole attempt.
_REFRESH_BUFFER = 120.0
_TOKEN_PATH = "/latest/api/token"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_TOKEN_HEADER = "x-aws-ec2-metadata-token"
_TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
# The characters that IAM allows. ``parse_role_name`` rejects the two names with a meaning in paths.
_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)


class ImdsToken(NamedTuple):
    """A session token, for one endpoint. It expires by both clocks: one may be set, and the other one may stop."""

    token: str | None
    """None for IMDSv1."""
    base: Url
    wall_expiration: float
    monotonic_expiration: float

    def role_request(self, timeout: float, role: str = "") -> Request:
        """Return the request for the name of the instance's role, or with that name for its credentials."""
        headers = {} if self.token is None else {_TOKEN_HEADER: self.token}
        return Request("GET", _with_path(self.base, _ROLE_PATH + role), headers, timeout)

    def __repr__(self) -> str:
        return f"ImdsToken(version {1 if self.token is None else 2})"


def imdsv1_token(base: Url) -> ImdsToken:
    """Return what stands for the token of a service that has none. It does not expire."""
    return ImdsToken(None, base, float("inf"), float("inf"))


def token_request(base: Url, timeout: float) -> Request:
    """Return the request for a session token."""
    return Request("PUT", _with_path(base, _TOKEN_PATH), {_TTL_HEADER: str(_MAX_TTL)}, timeout)


def parse_token(response: Response, base: Url, wall: float, monotonic: float, source: str) -> ImdsToken:
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
    text = response.headers.get(_TTL_HEADER, "").strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= 6
    lifetime = (float(min(int(text), _MAX_TTL)) if is_number else 0.0) - _REFRESH_BUFFER
    return ImdsToken(token, base, wall + lifetime, monotonic + lifetime)


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


def _with_path(base: Url, path: str) -> Url:
    return base._replace(target=base.target + path)
