"""Compares the outcome of a case with its expectation, in the same way for every SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from conformance.case_files import read_shared

KINDS = read_shared("kinds")
FIELDS = (
    "access_key_id",
    "secret_access_key",
    "session_token",
    "expiration",
    "account_id",
    "credential_scope",
    "identity_id",
)

_TOLERANCE = 60.0  # seconds between writing and comparing a case's timestamps, on a busy machine


def differences(expect: Mapping[str, Any], actual: Mapping[str, Any], *, exact: bool = True) -> list[str]:
    """Return the differences between an outcome and its expectation.

    ``actual`` has ``credentials`` or ``error`` (a kind), ``chain`` and ``message``; and ``requests`` and ``files``.
    Kinds with the same parent kind are equal unless ``exact``.
    """
    found = _credentials(expect, actual) if "credentials" in expect else _error(expect, actual, exact=exact)
    found += _requests(expect.get("requests", []), actual["requests"])
    for name, content in expect.get("files", {}).items():
        found += [f"{name}: {field}" for field in _fields(content, actual["files"][name])]
    return found


def kind_of_peer(peer: str, name: str, message: str, *, continues: bool) -> str:
    """Return the kind of a peer's error by the first matching rule, or its own name if none matches."""
    for rule in KINDS[peer]:
        named = re.fullmatch(rule.get("name", ".*"), name) and re.search(rule.get("message", ""), message)
        if named and rule.get("continues", continues) == continues:
            return str(rule["kind"])
    return name


def chain_of(kind: str) -> str:
    """Return whether a chain continues or stops after an error of this kind."""
    return str(KINDS["kinds"].get(kind, {"chain": "stops"})["chain"])


def parent_kind(kind: str) -> str:
    """Return the parent of a kind, or the kind itself if it has none."""
    return str(KINDS["kinds"].get(kind, {}).get("parent", kind))


def _credentials(expect: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    if "credentials" not in actual:
        return [f"expected credentials, got {actual['error']!r}: {actual['message']}"]
    wanted = {name: value for name, value in expect["credentials"].items() if value is not None}
    extra = [f"{name}: not expected" for name in FIELDS if name in actual["credentials"] and name not in wanted]
    return _fields(wanted, actual["credentials"]) + extra


def _error(expect: Mapping[str, Any], actual: Mapping[str, Any], *, exact: bool) -> list[str]:
    if "error" not in actual:
        return [f"expected the error {expect['error']!r}, got credentials"]
    wanted, kind = (
        (expect["error"], actual["error"]) if exact else (parent_kind(expect["error"]), parent_kind(actual["error"]))
    )
    found = [] if wanted == kind else [f"error: expected {wanted!r}, got {kind!r}: {actual['message']}"]
    chain = expect.get("chain", chain_of(expect["error"]))
    if chain != actual["chain"]:
        found.append(f"expected that a chain {chain}, but it {actual['chain']}: {actual['message']}")
    return found + [f"the message lacks {text!r}: {actual['message']}" for text in _missing(expect, actual["message"])]


def _requests(wanted: Sequence[str | Mapping[str, Any]], actual: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the differences of the requests. Each is expected as its route, or with some of its parameters."""
    full = [{"route": one} if isinstance(one, str) else one for one in wanted]
    if [one["route"] for one in full] != [one["route"] for one in actual]:
        return [f"requests: expected {wanted}, got {[one['route'] for one in actual]}"]
    pairs = zip(full, actual, strict=True)
    return [f"request {one['route']!r}: {names} of {other}" for one, other in pairs if (names := _fields(one, other))]


def _missing(expect: Mapping[str, Any], message: str) -> list[str]:
    return [text for text in expect.get("message_contains", []) if text not in message]


def _fields(wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
    """Return the names of fields that differ. Their values may be secret."""
    return [name for name, value in wanted.items() if not _same(name, value, actual.get(name))]


def _same(name: str, wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and not _fields(wanted, actual)
    if isinstance(wanted, str) and isinstance(actual, str):
        if wanted.endswith("…"):
            return actual.startswith(wanted[:-1])
        if name in {"expiration", "expiresAt"}:
            return abs((datetime.fromisoformat(wanted) - datetime.fromisoformat(actual)).total_seconds()) < _TOLERANCE
    return bool(wanted == actual)
