"""An explanation as one JSON document, for programs. No secrets."""

from __future__ import annotations

import json
from typing import Any

from ..._core.errors import CredentialsError
from .inspect import Explanation, Source


def document(explanation: Explanation) -> str:
    """Return it as text."""
    choice, region, found = explanation.profile, explanation.region, explanation.credentials
    data: dict[str, Any] = {
        "profile": {"name": choice.name.value, "origin": choice.name.origin, "named": choice.is_explicit},
        "sources": [_source(source) for source in explanation.sources],
        "credentials": None,
        "sts": {"error": str(region)} if isinstance(region, CredentialsError) else region._asdict(),
        "notes": list(explanation.notes),
    }
    if found is not None:
        data["credentials"] = {
            "access_key_id": found.access_key_id,
            "account_id": found.account_id,
            "expiration": None if found.expiration is None else found.expiration.isoformat(),
            "source": found.source,
        }
    return json.dumps(data, indent=2)


def _source(source: Source) -> dict[str, Any]:
    error = source.error
    return {
        "title": source.link.title,
        "name": source.name,
        "looks_at": source.link.looks_at,
        "places": list(source.places),
        "outcome": source.outcome,
        "milliseconds": round(source.milliseconds, 2),
        "error": None if error is None else type(error).__name__,
        "message": None if error is None else error.message,
        "hint": None if error is None else error.hint,
        "command": getattr(error, "command", None),
    }
