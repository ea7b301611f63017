"""The marker ``fault``: which tests prove a row of the fault catalogue, ``tests/faults.toml``.

``@pytest.mark.fault("U04", "U11")`` at a test says that it proves these rows; in ``pytest.param(..., marks=...)`` it
says so of one row of a table. An unknown ID is an error of the collection. ``tests/repository/test_faults.py`` checks
that each row of the catalogue has a test or a reason, and that ``docs/faults.md`` is what the command
``python tests/support/fault_ids.py`` writes.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "tests" / "faults.toml"
DOCUMENT = ROOT / "docs" / "faults.md"
_MARKER = "fault"
_HEAD = """\
# Faults and threats, and the tests that prove the answers

What can go wrong around credentials, what anycreds does then, and which files below `tests/` prove it. "Stops" and
"continues" say what a chain of providers does with the error. While valid credentials are cached, no caller sees it.

Measured totals are in [reliability.md](reliability.md). `python tests/support/fault_ids.py` writes this page from
`tests/faults.toml` and the marker `fault` of the tests; a test fails if it is out of date.
"""


class FaultRow(NamedTuple):
    """A row of the catalogue."""

    id: str
    title: str
    expected: str
    reason: str | None = None
    """Why no test proves it; None if one does."""


class MarkedTest(NamedTuple):
    """A test with the marker, or a table of parameters with it."""

    path: str
    name: str


def read_catalogue() -> dict[str, FaultRow]:
    """Return the rows of the catalogue by ID, in their order."""
    tables = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return {identifier: FaultRow(identifier, **fields) for identifier, fields in tables.items()}


def sections() -> dict[str, str]:
    """Return the title of each group of rows, by the letter that its IDs begin with."""
    return {
        "U": "Responses of a source",
        "L": "Files and environment",
        "P": "Commands (`credential_process`)",
        "C": "Concurrency and event loops",
        "S": "Threats",
    }


@cache
def marked_tests(root: Path = ROOT) -> dict[str, list[MarkedTest]]:
    """Return the tests that have the marker, by ID. They are found in the source, which needs no collection.

    Raises:
        ValueError: The marker is at something else than a test, or an ID is not a literal text.
    """
    found: dict[str, list[MarkedTest]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if f"mark.{_MARKER}(" in text:
            for identifier, name in _marks(ast.parse(text), path):
                test = MarkedTest(path.relative_to(root).as_posix(), name)
                if test not in found.setdefault(identifier, []):
                    found[identifier].append(test)
    return found


def _marks(module: ast.Module, path: Path) -> Iterator[tuple[str, str]]:
    """Yield each ID in a module with the test or the table that it marks."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            marked: list[ast.AST] = [*node.decorator_list]
            name = node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            marked, name = [node.value], ast.unparse(target)
        else:
            if list(_calls(node)):
                raise ValueError(f"{path}:{node.lineno}: the marker {_MARKER!r} belongs to a test or a table")
            continue
        for call in (call for each in marked for call in _calls(each)):
            for argument in call.args:
                identifier = argument.value if isinstance(argument, ast.Constant) else None
                if identifier is None or identifier != str(identifier):
                    raise ValueError(f"{path}:{call.lineno}: an ID is a literal text")
                yield str(identifier), name


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls of the marker in a part of a module."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == _MARKER:
            owner = each.func.value
            if isinstance(owner, ast.Attribute) and owner.attr == "mark":
                yield each


def document() -> str:
    """Return the text of ``docs/faults.md``."""
    catalogue, tests = read_catalogue(), marked_tests()
    missing = [row for row in catalogue.values() if row.reason is not None]
    lines = [
        _HEAD,
        f"{len(catalogue)} rows: {len(catalogue) - len(missing)} have tests, {len(missing)} without one say why.",
    ]
    for letter, title in sections().items():
        lines += ["", f"## {title}", "", "| ID | fault | expected | proved by |", "| --- | --- | --- | --- |"]
        for row in catalogue.values():
            if row.id.startswith(letter):
                proof = _files(tests.get(row.id, ())) if row.reason is None else f"not done: {row.reason}"
                lines.append(f"| {row.id} | {row.title} | {row.expected} | {proof} |")
    return "\n".join(lines) + "\n"


def _files(tests: Sequence[MarkedTest]) -> str:
    """Return the files with tests, each without the folder that all have in common."""
    return ", ".join(f"`{path.removeprefix('tests/')}`" for path in dict.fromkeys(test.path for test in tests))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARKER}(*ids): proves these rows of tests/faults.toml")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse IDs that are not in the catalogue."""
    used = {
        (identifier, item.nodeid) for item in items for mark in item.iter_markers(_MARKER) for identifier in mark.args
    }
    if used:
        catalogue = read_catalogue()
        unknown = sorted(f"{identifier} at {nodeid}" for identifier, nodeid in used if identifier not in catalogue)
        if unknown:
            raise pytest.UsageError(f"not in {CATALOGUE.name}: {', '.join(unknown)}")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
