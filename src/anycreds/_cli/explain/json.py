"""An explanation as one JSON document, for programs. Contains no secrets."""

from __future__ import annotations

import json
from typing import Any

from ..._core.errors import CredentialsError
from .._common import with_option_names
from .inspect import Explanation, Source


def document(explanation: Explanation) -> str:
    """Return the document as text."""
    selection, region, credentials = explanation.profile, explanation.region, explanation.credentials
    fields: dict[str, Any] = {
        "profile": {
            "name": selection.name.value,
            "origin": selection.name.origin,
            "selected_explicitly": selection.is_explicit,
        },
        "sources": [_source(source) for source in explanation.sources],
        "credentials": None,
        "sts": {"error": str(region)} if isinstance(region, CredentialsError) else region._asdict(),
        "notes": list(explanation.notes),
    }
    if credentials is not None:
        fields["credentials"] = {
            "access_key_id": credentials.access_key_id,
            "account_id": credentials.account_id,
            "expiration": None if credentials.expiration is None else credentials.expiration.isoformat(),
            "source": credentials.source,
        }
    return with_option_names(json.dumps(fields, indent=2))


def _source(source: Source) -> dict[str, Any]:
    error = source.error
    return {
        "name": source.entry.name,
        "title": source.entry.title,
        "reads": source.entry.sources,
        "locations": list(source.locations),
        "outcome": source.outcome,
        "milliseconds": round(source.milliseconds, 2),
        "error": None if error is None else type(error).__name__,
        "message": None if error is None else error.message,
        "hint": None if error is None else error.hint,
        "command": getattr(error, "command", None),
    }
