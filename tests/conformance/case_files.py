"""Reads the cases in ``cases/`` (see its README) and replaces their placeholders."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "cases"
PEERS = ("javascript", "botocore")

_NOW = re.compile(r"\{now([+-]\d+)\}")
_HASH = re.compile(r"\{(sha1|sha256) ([^}]+)\}")  # the names of cache files


class Case(NamedTuple):
    """One case file."""

    name: str
    """Its folder and file name, without the suffix."""
    data: Mapping[str, Any]

    @property
    def provider(self) -> str:
        """The provider that the case tests: its folder."""
        return self.name.partition("/")[0]

    def peer(self, name: str) -> Mapping[str, Any]:
        """Return the entry of a peer; empty if the peer must agree."""
        return self.data.get("peers", {}).get(name, {})  # type: ignore[no-any-return]

    def skip(self, peer: str) -> str | None:
        """Return why a peer cannot run the case, or None if it can."""
        return self.peer(peer).get("skip")

    def expected(self, peer: str) -> dict[str, Any]:
        """Return the expectation for a peer: that for anycreds without messages, with the peer's differences."""
        base = {name: value for name, value in self.data["expect"].items() if name != "message_contains"}
        return merged(base, self.peer(peer).get("expect", {}))


def read_cases() -> list[Case]:
    """Return all cases, sorted by name."""
    return [
        Case(path.relative_to(FOLDER).with_suffix("").as_posix(), json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(FOLDER.glob("*/*.json"))
    ]


def read_shared(name: str) -> dict[str, Any]:
    """Return the content of ``defaults.json`` or ``kinds.json``."""
    value: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return value


def merged(expect: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return an expectation updated by another: credentials field by field, where null removes a field."""
    result = dict(expect)
    if "error" in other:
        result.pop("credentials", None)
    if "credentials" in other:
        for key in ("error", "chain"):
            result.pop(key, None)
        other = {**other, "credentials": {**result.get("credentials", {}), **other["credentials"]}}
    return {**result, **other}


def filled(value: Any, fake: str, home: Path) -> Any:
    """Replace the placeholders in a string, or in every string of a JSON value."""
    if isinstance(value, str):
        text = value.replace("{fake}", fake).replace("{home}", str(home))
        text = _HASH.sub(lambda found: hashlib.new(found[1], found[2].encode()).hexdigest(), text)
        return _NOW.sub(lambda found: _date(int(found[1])), text)
    if isinstance(value, Mapping):
        return {filled(key, fake, home): filled(item, fake, home) for key, item in value.items()}
    return [filled(item, fake, home) for item in value] if isinstance(value, list) else value


def _date(ahead: int) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
