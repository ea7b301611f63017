"""Compares what came of a case with what was expected: plain functions over plain values, the same for all who play."""

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

_SLACK = 60.0  # seconds between when a case was written out and when it was played, on the busiest machine


def problems(expect: Mapping[str, Any], came: Mapping[str, Any], *, exact: bool = True) -> list[str]:
    """Return how what came differs from what was expected; empty: it does not.

    ``came`` has ``credentials`` or ``error`` (a kind), ``chain`` and ``message``; and ``requests`` and ``files``. Kinds
    that are subkinds of one are the same if not ``exact``.
    """
    found = _credentials(expect, came) if "credentials" in expect else _error(expect, came, exact=exact)
    found += _requests(expect.get("requests", []), came["requests"])
    for name, content in expect.get("files", {}).items():
        found += [f"{name}: {field}" for field in _fields(content, came["files"][name])]
    return found


def kind_of_peer(peer: str, name: str, message: str, *, goes_on: bool) -> str:
    """Return which kind of error a peer's is, by the first rule that fits; its own name if none does."""
    for rule in KINDS[peer]:
        named = re.fullmatch(rule.get("name", ".*"), name) and re.search(rule.get("says", ""), message)
        if named and rule.get("goes_on", goes_on) == goes_on:
            return str(rule["kind"])
    return name


def chain_of(kind: str) -> str:
    """Return what a chain does after an error of this kind."""
    return str(KINDS["kinds"].get(kind, {"chain": "stops"})["chain"])


def broad(kind: str) -> str:
    """Return the kind that this one is a subkind of, or itself."""
    return str(KINDS["kinds"].get(kind, {}).get("is", kind))


def _credentials(expect: Mapping[str, Any], came: Mapping[str, Any]) -> list[str]:
    if "credentials" not in came:
        return [f"expected credentials, came {came['error']!r}: {came['message']}"]
    wanted = {name: value for name, value in expect["credentials"].items() if value is not None}
    extra = [f"{name}: not expected" for name in FIELDS if name in came["credentials"] and name not in wanted]
    return _fields(wanted, came["credentials"]) + extra


def _error(expect: Mapping[str, Any], came: Mapping[str, Any], *, exact: bool) -> list[str]:
    if "error" not in came:
        return [f"expected the error {expect['error']!r}, came credentials"]
    wanted, kind = (expect["error"], came["error"]) if exact else (broad(expect["error"]), broad(came["error"]))
    found = [] if wanted == kind else [f"error: expected {wanted!r}, came {kind!r}: {came['message']}"]
    chain = expect.get("chain", chain_of(expect["error"]))
    if chain != came["chain"]:
        found.append(f"expected that a chain {chain}, but it {came['chain']}: {came['message']}")
    return found + [f"does not say {text!r}: {came['message']}" for text in _said(expect, came["message"])]


def _requests(wanted: Sequence[str | Mapping[str, Any]], came: Sequence[Mapping[str, str]]) -> list[str]:
    """Compare requests: each is expected as its route, or as that and some of its parameters."""
    full = [{"route": one} if isinstance(one, str) else one for one in wanted]
    if [one["route"] for one in full] != [one["route"] for one in came]:
        return [f"requests: expected {wanted}, came {[one['route'] for one in came]}"]
    pairs = zip(full, came, strict=True)
    return [f"request {one['route']!r}: {names} of {other}" for one, other in pairs if (names := _fields(one, other))]


def _said(expect: Mapping[str, Any], message: str) -> list[str]:
    return [text for text in expect.get("says", []) if text not in message]


def _fields(wanted: Mapping[str, Any], came: Mapping[str, Any]) -> list[str]:
    """Return which fields differ. Values are secrets, so they are not shown."""
    return [name for name, value in wanted.items() if not _same(name, value, came.get(name))]


def _same(name: str, wanted: Any, came: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(came, Mapping) and not _fields(wanted, came)
    if isinstance(wanted, str) and isinstance(came, str):
        if wanted.endswith("…"):
            return came.startswith(wanted[:-1])
        if name in {"expiration", "expiresAt"}:
            return abs((datetime.fromisoformat(wanted) - datetime.fromisoformat(came)).total_seconds()) < _SLACK
    return bool(wanted == came)
