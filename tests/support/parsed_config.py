"""The settings in a shared file without their lines, as the parser's tests compare them."""

from __future__ import annotations

from typing import Any

from anycreds._config.parser import read
from anycreds._config.parser.sections import FileKind, Value, values_of


def parse(text: str, kind: FileKind) -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``{"profile" | "sso-session" | "services": {name: {key: value}}}``."""
    return {
        section_kind: {
            name: {key: _without_lines(value) for key, (value, _) in values_of(section).items()}
            for name, section in sections.items()
        }
        for section_kind, sections in read(text, kind).stored.items()
    }


def _without_lines(value: Value) -> str | dict[str, str]:
    return value if isinstance(value, str) else {key: inner for key, (inner, _) in value.items()}
