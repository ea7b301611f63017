"""JSON, read without trust: as deep and as unequivocal as it has to be, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .._core.credentials import InvalidReason

# A document with credentials has one level; this leaves room for what AWS may add, and none for stack exhaustion.
_DEEPEST = 32


def object_in(text: str, fields: Collection[str]) -> dict[str, Any] | tuple[InvalidReason, str | None]:
    """Return a JSON object, or what is wrong with it, and with which field. Fields that are read must not be double."""
    if not text.strip():
        return InvalidReason("is empty"), None
    # No answer of AWS has that many brackets, so hardly ever somebody has to look at each character.
    if text.count("{") + text.count("[") > _DEEPEST and _depth(text) > _DEEPEST:
        return InvalidReason(f"is nested more than {_DEEPEST} levels deep"), None
    document, doubled = _load(text)
    if isinstance(document, InvalidReason):
        return document, None
    if not isinstance(document, dict):
        return InvalidReason("is JSON, but not an object"), None
    for name in sorted(doubled.intersection(fields)):
        return InvalidReason(f"has {name} twice"), name
    return document


def _load(text: str) -> tuple[Any, set[str]]:
    """Return a JSON value, or a ``InvalidReason``, and the names that occur more than once in one of its objects."""
    import json  # only here: programs with plain environment keys never load it through us

    doubled: set[str] = set()

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            doubled.update(name for name in found if names.count(name) > 1)
        return found

    try:
        return json.loads(text, object_pairs_hook=collect, parse_constant=_no_constant), doubled
    except (ValueError, RecursionError):
        return InvalidReason("is not JSON"), doubled


def _no_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _depth(text: str) -> int:
    """Return how deep brackets are nested, before anything with a stack sees them."""
    depth = deepest = 0
    inside = escaped = False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
