"""The HTTP stacks of aiobotocore."""

from __future__ import annotations

from typing import Any, NamedTuple


class Stack(NamedTuple):
    """An event loop, and the HTTP library that aiobotocore uses on it."""

    backend: str
    options: dict[str, Any]
    http: str
