"""The one form in which a request is signed: its path, its query, its headers. Signer and service must agree on it.

Follows the IAM User Guide, page "Create a signed AWS API request", step "Create a canonical request". It is computed
from what is sent, so a path and a query are encoded already when they come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""By name, in any case; pairs where a name comes more than once."""

# What clients and proxies change on the way; and the signature's own place.
_UNSIGNED = frozenset(
    {
        "authorization",
        "baggage",
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
    }
)


def normalized_headers(headers: Headers) -> dict[str, str]:
    """Return each header once: the name in lower case, the values without needless blanks, joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        low, one = name.lower(), " ".join(value.split())
        found[low] = f"{found[low]},{one}" if low in found else one
    return found


def signed_header_names(headers: Mapping[str, str]) -> list[str]:
    """Return the names of the headers that are signed, in order: all but those that may change on the way."""
    return sorted(headers.keys() - _UNSIGNED)


def path_encoded_once(path: str) -> str:
    """Return the path as S3 sees it, where every character of a key counts."""
    return "/".join([_recoded(part) for part in path.split("/")])


def path_encoded_twice(path: str) -> str:
    """Return the path as the other services see it: without what leads nowhere, and encoded once more."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(encoded(part))
    return "/" + "/".join(parts) + ("/" if parts and path.endswith("/") else "")


def sorted_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the query in order: by name, then by value. A text of both would sort "a-b=" before "a="."""
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return names and values, each encoded as it is signed. Services read a plus as a blank."""
    if not query:
        return []
    parts = [part.replace("+", " ").partition("=") for part in query.split("&")]
    return [(_recoded(name), _recoded(value)) for name, _, value in parts]


def encoded(text: str | bytes) -> str:
    """Return a text percent-encoded, all but what RFC 3986 calls unreserved."""
    return quote(text, safe="")


def _recoded(text: str) -> str:
    """Return percent-encoded text so that exactly what has to be is encoded, and in capitals."""
    if text.isalnum() and text.isascii():
        return text
    return encoded(unquote_to_bytes(text))
