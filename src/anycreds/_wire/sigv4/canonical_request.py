"""The canonical request: the form of path, query and headers that client and service sign.

Paths and queries are percent-encoded already, as they are sent.

See: IAM User Guide, "Create a signed AWS API request", step 1,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers by name, in any case; pairs if a name occurs more than once."""

# Headers that clients and proxies change, and the header of the signature itself.
_UNSIGNED = frozenset(
    (
        *("authorization", "proxy-authenticate", "proxy-authorization", "user-agent"),
        *("baggage", "traceparent", "tracestate", "x-amzn-trace-id"),
        *("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    )
)


def normalized_headers(headers: Headers) -> dict[str, str]:
    """Return each header once: the name in lower case, the values with single blanks, joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        low, one = name.lower(), " ".join(value.split())
        found[low] = f"{found[low]},{one}" if low in found else one
    return found


def signed_header_names(headers: Mapping[str, str]) -> list[str]:
    """Return the sorted names of the headers that are signed."""
    return sorted(headers.keys() - _UNSIGNED)


def path_encoded_once(path: str) -> str:
    """Return the path in the form of S3, in which every character of an object key counts."""
    return "/".join([_recoded(part) for part in path.split("/")])


def path_encoded_twice(path: str) -> str:
    """Return the path in the form of the other services: normalized, and encoded once more."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(encoded(part))
    return "/" + "/".join(parts) + ("/" if parts and path.endswith("/") else "")


def sorted_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the query sorted by name, then by value. Sorting ``name=value`` would put "a-b=" before "a="."""
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return names and values, each encoded as it is signed. Services read a plus sign as a blank."""
    if not query:
        return []
    parts = [part.replace("+", " ").partition("=") for part in query.split("&")]
    return [(_recoded(name), _recoded(value)) for name, _, value in parts]


def encoded(text: str | bytes) -> str:
    """Return a text percent-encoded, except for the unreserved characters of RFC 3986."""
    return quote(text, safe="")


def _recoded(text: str) -> str:
    """Return percent-encoded text in normal form: only reserved characters encoded, with upper-case digits."""
    if text.isalnum() and text.isascii():
        return text
    return encoded(unquote_to_bytes(text))
