"""Requests, responses and error responses of the fake services, and how their bodies are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

CANARY = "canary"
"""The word in every secret that the fake issues. A test can search any output for it to find leaked secrets."""

REQUEST_ID = "00000000-0000-4000-8000-000000000000"  # a placeholder; stamp_response() puts the real id in its place
HTML = (("Content-Type", "text/html"),)
TEXT = (("Content-Type", "text/plain"),)
JSON = (("Content-Type", "application/json"),)


class FakeRequest(NamedTuple):
    """A request to a fake service."""

    method: str
    path: str
    """The path without the query, not decoded."""
    headers: Mapping[bytes, bytes]
    """Header values by name in lower case."""
    target: str = ""
    """Path and query, not decoded."""
    body: bytes = b""

    def __repr__(self) -> str:
        # Headers, query and body can contain secrets.
        return f"FakeRequest({self.method} {self.path}, {len(self.body)} bytes)"

    def header(self, name: str) -> str:
        """Return a header's value; empty if the header is missing."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def query(self) -> str:
        """The query, without its question mark."""
        return self.target.partition("?")[2]


class FakeResponse(NamedTuple):
    """A response of a fake service."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"FakeResponse({self.status}, {len(self.body)} bytes)"


class FakeServiceError(Exception):
    """An error response. Raised where the error is found; each service encodes it in its own format."""

    def __init__(self, status: int, code: str, message: str, error: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.error = error
        """The ``error`` of OAuth 2.0 in the documents of OIDC and sign-in; None for the other services."""


def iso_date(seconds: float) -> str:
    """Format a time in seconds since 1970 as ``2026-01-01T00:00:00Z``."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"


def basic_date(seconds: float) -> str:
    """Format a time in seconds since 1970 as Signature Version 4 does: ``20260101T000000Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def stamp_response(response: FakeResponse, number: int, now: float) -> FakeResponse:
    """Add the request id and the date. SDKs correct their clocks by that date."""
    request_id = f"{REQUEST_ID[:-12]}{number:012d}"
    stamps = (("Date", formatdate(now, usegmt=True)), ("x-amzn-RequestId", request_id))
    body = response.body.replace(REQUEST_ID.encode(), request_id.encode())
    return FakeResponse(response.status, (*response.headers, *stamps), body)


def json_response(status: int, fields: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = JSON) -> FakeResponse:
    """Return a response with a JSON document."""
    return FakeResponse(status, headers, json.dumps(fields, indent=2).encode())


def read_json(request: FakeRequest) -> dict[str, Any] | None:
    """Return the JSON object in a body; None if it is not one."""
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def read_pairs(text: str) -> dict[str, str] | None:
    """Return the parameters of a form or query; None if it is malformed or has a duplicate name."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        return None
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else None
