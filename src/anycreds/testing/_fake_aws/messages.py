"""What goes into the fake and comes out of it, as frozen values: a request, an answer, a refusal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

CANARY = "canary"
"""The word in every secret that the fake hands out. What must not show a secret must not show it."""

REQUEST_ID = "00000000-0000-4000-8000-000000000000"  # in answers until they are stamped with their own
HTML = (("Content-Type", "text/html"),)
TEXT = (("Content-Type", "text/plain"),)
JSON = (("Content-Type", "application/json"),)


class Asked(NamedTuple):
    """A request, as far as answers depend on it."""

    method: str
    path: str
    """Without the query, and as it came: nothing in it is decoded."""
    headers: Mapping[bytes, bytes]
    """Names in lower case."""
    target: str = ""
    """Path and query, as they came."""
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Asked({self.method} {self.path}, {len(self.body)} bytes)"  # headers, query and body can be secret

    def header(self, name: str) -> str:
        """Return a header's value; empty: there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        return self.target.partition("?")[2]


class Answer(NamedTuple):
    """What goes back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"


class Refusal(NamedTuple):
    """A service's no: each service has its own way to write it down."""

    status: int
    code: str
    message: str
    error: str | None = None
    """The ``error`` of OAuth 2.0, in the documents of OIDC and sign-in."""


class RealClock:
    """The machine's own clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def jitter(self) -> float:
        return 0.5  # the fake leaves nothing to chance


def iso_date(seconds: float) -> str:
    """Write a time in seconds since 1970 as AWS does in most documents."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"


def basic_date(seconds: float) -> str:
    """Write a time as signatures have it: ``20260101T000000Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def stamped(answer: Answer, number: int, now: float) -> Answer:
    """Add what every answer of a service has: its id, and the date, by which SDKs correct their clocks."""
    request_id = f"{REQUEST_ID[:-12]}{number:012d}"
    stamps = (("Date", formatdate(now, usegmt=True)), ("x-amzn-RequestId", request_id))
    body = answer.body.replace(REQUEST_ID.encode(), request_id.encode())
    return Answer(answer.status, (*answer.headers, *stamps), body)


def json_answer(status: int, fields: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = JSON) -> Answer:
    """Return an answer with a document."""
    return Answer(status, headers, json.dumps(fields, indent=2).encode())


def json_refusal(told: Refusal) -> Answer:
    """Write a refusal as services do that speak REST and JSON: the portal, OIDC, sign-in."""
    message = "message" if told.error is None else "error_description"
    error = {} if told.error is None else {"error": told.error}
    return json_answer(told.status, {**error, message: told.message}, (*JSON, ("x-amzn-ErrorType", told.code)))


def read_json(asked: Asked) -> dict[str, Any] | None:
    """Read the object in a body; None: there is none."""
    try:
        document = json.loads(asked.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_pairs(text: str) -> dict[str, str] | None:
    """Read a form or a query; None: it is not one, or a name stands there twice."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        return None
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else None
