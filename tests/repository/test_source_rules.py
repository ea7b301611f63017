"""Rules for the source that a linter does not check: what is never imported or called, and how shields are used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.rows import each_row

SOURCE = Path(__file__).parents[2] / "src" / "anycreds"
# They run what they read, guess what it means, or expand it without a limit.
UNSAFE_MODULES = {"dateutil", "dill", "marshal", "pickle", "shelve", "xmlrpc", "yaml"}
UNSAFE_CALLS = {"__import__", "compile", "eval", "exec"}


def nodes(*words: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield each node of each module that contains one of the words, with its file. Parsing all takes a second."""
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in words):
            for node in ast.walk(ast.parse(text)):
                yield path.relative_to(SOURCE).as_posix(), node


def modules_of(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


@pytest.mark.fault("S17", "S01")
def test_no_reader_runs_what_it_reads() -> None:
    """No module imports pickle or its like, or runs text as code, so files and responses are only data."""
    found = []
    for path, node in nodes(*UNSAFE_MODULES, *UNSAFE_CALLS):
        found += [(path, name) for name in modules_of(node) if name.partition(".")[0] in UNSAFE_MODULES]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
            found.append((path, node.func.id))
    assert found == []


@each_row(
    "code, modules", [("import pickle", ["pickle"]), ("from yaml import load", ["yaml"]), ("from .json import x", [])]
)
def test_imports_are_found(code: str, modules: list[str]) -> None:
    """The modules of both kinds of import statements are found."""
    assert [name for node in ast.walk(ast.parse(code)) for name in modules_of(node)] == modules


@pytest.mark.fault("C10")
def test_every_shield_has_a_deadline() -> None:
    """Whatever the library shields from cancellation has a deadline, so that no caller waits longer than that."""
    shields = [
        (f"{path}:{node.lineno}", ast.unparse(node))
        for path, node in nodes("shield")
        if isinstance(node, ast.Call) and any(keyword.arg == "shield" for keyword in node.keywords)
    ]
    assert len(shields) >= 4
    assert [(place, call) for place, call in shields if not ("deadline=" in call or "move_on_after(" in call)] == []
    set_later = [
        path
        for path, node in nodes("shield")
        if isinstance(node, ast.Attribute) and node.attr == "shield" and isinstance(node.ctx, ast.Store)
    ]
    assert set_later == ["testing/_fake_aws/server.py"]  # a fake for tests, whose tasks end with their connections
