"""Strict JSON: objects from untrusted input."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .._core.validation import InvalidValueError

# A document with credentials has two or three. The limit bounds the depth of nesting, and so the recursion of every
# function that visits the document: parsing, comparing, writing.
_MAX_BRACKETS = 200
# A name that can be repeated in an error. Secrets are longer, or have digits.
_FIELD_NAME = re.compile(r"[A-Za-z]{1,24}")


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object in a text. Raise ``InvalidValueError`` for another text, and for a key that is twice."""
    if not text.strip():
        raise InvalidValueError("is empty")
    if text.count("{") + text.count("[") > _MAX_BRACKETS:
        raise InvalidValueError(f"has more than {_MAX_BRACKETS} objects and arrays")
    try:
        document = _DECODER.decode(text)
    except InvalidValueError:
        raise
    except (ValueError, RecursionError):
        raise InvalidValueError("is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidValueError("is JSON, but not an object")
    return document


def object_in(document: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return the object in a field of a document. Raise ``InvalidValueError`` for another value, or none."""
    value = document.get(field)
    if not isinstance(value, dict):
        raise InvalidValueError("is missing" if value is None else "is not an object", field=field)
    return value


def seconds_in(document: Mapping[str, Any], field: str) -> float:
    """Return the duration in a field of a document. Raise ``InvalidValueError`` for another value, or none."""
    value = document.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        reason = "is missing" if value is None else "is not a number of seconds above 0"
        raise InvalidValueError(reason, field=field)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return one object. Other programs would take the first of two equal keys, or the last."""
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise InvalidValueError("appears twice", field=name if _FIELD_NAME.fullmatch(name) else "a key")
        document[name] = value
    return document


def _reject_constant(name: str) -> object:
    raise ValueError(name)  # NaN and Infinity are not JSON


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_reject_constant)
