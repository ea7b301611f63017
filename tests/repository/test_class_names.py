"""Every class of the package has its own name, so that a name in a traceback or a search result is unambiguous."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "anycreds"


def test_class_names_are_unique() -> None:
    """No class name occurs twice in the package."""
    definitions: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                definitions[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert len(definitions) > 50
    assert {name: found for name, found in definitions.items() if len(found) > 1} == {}
