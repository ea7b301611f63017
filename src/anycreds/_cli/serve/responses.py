"""Who gets what from ``serve``: plain functions from a request to an answer.

The order of the checks gives nothing away: who has no token does not learn which paths there are.
Follows the AWS "SDKs and Tools" reference, page "Container credential provider".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from http import HTTPStatus
from typing import Any, NamedTuple

from ..._core.credentials import Credentials
from .._formats import time

PATH = "/credentials"
# JavaScript and botocore want an end, also for keys that have none. They ask again 5 and 15 minutes before it: so
# everybody has keys that were replaced within half an hour, and botocore does not ask at every request, as it would if
# less than 15 minutes were left.
LENT_LIFE = timedelta(minutes=30)
# By status, the code that AWS has for it, or what comes closest.
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


class Answer(NamedTuple):
    """What is sent. Its document may be secret."""

    status: int
    document: dict[str, Any]

    def __repr__(self) -> str:
        return f"Answer({self.status})"

    def encoded(self, *, with_body: bool = True) -> bytes:
        """Return the bytes of the whole answer. There is one on each connection."""
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


def refusal(status: int, message: str, code: str | None = None) -> Answer:
    """Return an answer in the form in which AWS tells of errors."""
    return Answer(status, {"Code": code or _CODES[status], "Message": message})


class Door:
    """Knows the token, and by which names this server may be asked for."""

    __slots__ = ("_hosts", "_token")

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode("ascii")
        self._hosts = (f"127.0.0.1:{port}".encode("ascii"), f"localhost:{port}".encode("ascii"))

    def check(self, method: bytes, target: bytes, headers: Headers) -> Answer | None:
        """Return why a request gets nothing; None: it gets the credentials. The names of headers are in lower case."""
        headers = list(headers)
        if [value for name, value in headers if name == b"host"] not in ([host] for host in self._hosts):
            # A web page whose name leads to this machine, or a program that means another server.
            return refusal(403, "the Host header does not name this endpoint")
        tokens = [value for name, value in headers if name == b"authorization"]
        if not tokens:
            return refusal(401, "the Authorization header is missing; its value is the token")
        if len(tokens) > 1 or not compare_digest(tokens[0], self._token):
            return refusal(403, "the Authorization header is not the token")
        if target != PATH.encode("ascii"):
            return refusal(404, f"there is nothing but {PATH}")
        if method != b"GET":
            return refusal(405, "only GET is allowed")
        return None


def granted(credentials: Credentials, now: datetime | None = None) -> Answer:
    """Return the answer with a set: also what has no end gets one, and what has no session token an empty one."""
    end = credentials.expiration or (now or datetime.now(UTC)) + LENT_LIFE
    document = {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token or "",  # JavaScript and botocore want one, and send none if it is empty
        "Expiration": time(end),
    }
    if credentials.account_id is not None:
        document["AccountId"] = credentials.account_id
    return Answer(200, document)
