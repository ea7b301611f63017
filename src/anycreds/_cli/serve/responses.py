"""The responses of ``serve``: pure functions from a request to a response.

The checks are in an order that reveals nothing: a client without the token does not learn which paths exist.
See: AWS SDKs and Tools, "Container credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from http import HTTPStatus
from typing import Any, NamedTuple

from ..._core.credentials import Credentials
from .._formats import format_time

PATH = "/credentials"
# The JavaScript SDK and botocore require an expiration, also for access keys that have none. They refresh 5 and 15
# minutes before it, so replaced keys are noticed within half an hour. Botocore would send a request for every signature
# if less than 15 minutes remained.
ASSUMED_LIFETIME = timedelta(minutes=30)
# AWS error code by status, or the closest one.
_CODES = {
    400: "BadRequest",
    401: "MissingAuthenticationToken",
    403: "AccessDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    431: "RequestHeadersTooLarge",
    500: "InternalFailure",
    503: "ServiceUnavailable",
}
Headers = Iterable[tuple[bytes, bytes]]


class ServerResponse(NamedTuple):
    """A status and a JSON document, which may be secret."""

    status: int
    document: dict[str, Any]

    def __repr__(self) -> str:
        return f"ServerResponse({self.status})"

    def encode(self, *, with_body: bool = True) -> bytes:
        """Return the bytes of the response, after which the connection is closed."""
        body = json.dumps(self.document).encode("ascii")
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
            *(["Allow: GET"] if self.status == HTTPStatus.METHOD_NOT_ALLOWED else []),
            "\r\n",
        ]
        return "\r\n".join(lines).encode("ascii") + (body if with_body else b"")


def error_response(status: int, message: str, code: str | None = None) -> ServerResponse:
    """Return an error response in the format of AWS."""
    return ServerResponse(status, {"Code": code or _CODES[status], "Message": message})


class AccessCheck:
    """Checks the token and the Host header of requests."""

    __slots__ = ("_hosts", "_token")

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode("ascii")
        self._hosts = (f"127.0.0.1:{port}".encode("ascii"), f"localhost:{port}".encode("ascii"))

    def check(self, method: bytes, target: bytes, headers: Headers) -> ServerResponse | None:
        """Return the error response for a request; None if it may have the credentials.

        Header names must be in lower case.
        """
        headers = list(headers)
        if [value for name, value in headers if name == b"host"] not in ([host] for host in self._hosts):
            # Another host means a web page whose domain resolves to 127.0.0.1, or a request for another server.
            return error_response(403, "the Host header does not name this endpoint")
        tokens = [value for name, value in headers if name == b"authorization"]
        if not tokens:
            return error_response(401, "the Authorization header is missing; its value must be the token")
        if len(tokens) > 1 or not compare_digest(tokens[0], self._token):
            return error_response(403, "the Authorization header is not the token")
        if target != PATH.encode("ascii"):
            return error_response(404, f"the only path is {PATH}")
        if method != b"GET":
            return error_response(405, "only GET is allowed")
        return None


def credentials_response(credentials: Credentials, now: datetime | None = None) -> ServerResponse:
    """Return the response with credentials. A missing expiration or session token is filled in for the SDKs."""
    expiration = credentials.expiration or (now or datetime.now(UTC)) + ASSUMED_LIFETIME
    document = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        # The JavaScript SDK and botocore require a token; if it is empty, they do not send it.
        "Token": credentials.session_token or "",
        "Expiration": format_time(expiration),
    }
    if credentials.account_id is not None:
        document["AccountId"] = credentials.account_id
    return ServerResponse(200, document)
