"""Directives whose content comes from the code, so that the pages cannot contradict it.

``{settings} NAME`` lists the environment variables and profile keys of a provider, ``{options} FUNCTION`` the options
of a factory, ``{chain-order}`` the steps of the default chain, ``{command-line}`` the commands, ``{error-tree}`` the
classes of errors, ``{aliases} MODULE`` the names of types, and ``{loggers}`` the loggers with their levels.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from argparse import Action, ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from public_api import public_names
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import anycreds
from anycreds._cli import main as cli
from anycreds._config.parser.sections import SINGLE_VALUE_KEYS
from anycreds._factories import default_chain

DOCS = Path(__file__).parents[1]
PACKAGE = Path(anycreds.__file__).parent
# Commands and tests set or remove variables of other tools too.
NOT_SCANNED = frozenset(("_cli", "testing"))
VARIABLE = re.compile(r"\b(?:AWS|HTTPS?|NO|ALL)_[A-Z0-9_]+\b")
LEVELS = ("debug", "info", "warning", "error")
# An argument in the section ``Args:`` of a docstring: its name, and a description that deeper lines continue.
ARGUMENT = re.compile(r"^    (?=\S)(?P<names>[^:]+): (?P<text>.*(?:\n {5,}.*)*)", re.MULTILINE)


class MarkdownDirective(SphinxDirective):
    """A directive that returns Markdown."""

    optional_arguments = 1
    make: Callable[[str], Iterable[str]]

    def run(self) -> list[nodes.Node]:
        """Return the parsed Markdown."""
        lines = list(type(self).make(self.arguments[0] if self.arguments else ""))
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source="generated"), 0, container)
        return container.children


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _definition(term: str, meaning: str) -> Iterator[str]:
    """Return an item of a definition list, which also fits a narrow window."""
    yield from (term, f": {meaning}", "")


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"


@cache
def _settings() -> list[dict[str, Any]]:
    settings: list[dict[str, Any]] = tomllib.loads((DOCS / "settings.toml").read_text(encoding="utf-8"))["setting"]
    return settings


def settings(provider: str) -> Iterator[str]:
    """Return the variables and keys of one provider, or of all."""
    chosen = [one for one in _settings() if not provider or provider in one["providers"]]
    if not chosen:
        raise ValueError(f"settings.toml has no settings of {provider}")
    for one in chosen:
        names = list(map(_code, one.get("shown", one.get("variable", "")).split(", "))) if "variable" in one else []
        names += [f"key {_code(one['key'])}"] if "key" in one else []
        yield from _definition(", ".join(names), one["meaning"])


def options(name: str) -> Iterator[str]:
    """Return the options of a factory."""
    function = getattr(anycreds, name)
    described = {
        parameter.strip().lstrip("*"): " ".join(found["text"].split())
        for found in ARGUMENT.finditer(inspect.getdoc(function) or "")
        for parameter in found["names"].split(",")
    }
    parameters = inspect.signature(function).parameters.values()
    for one in parameters:
        yield from _definition(
            _code(one.name) + (", required" if one.default is one.empty else ""), described[one.name]
        )
    if not parameters:
        yield "It has no options."


def chain_order(_: str) -> Iterator[str]:
    """Return the steps of the default chain, in both orders."""
    orders = (default_chain.CHAIN_WITHOUT_PROFILE, default_chain.CHAIN_WITH_PROFILE)
    rows = [(*(str(order.index(entry) + 1) for order in orders), entry.title, entry.sources) for entry in orders[0]]
    yield from _table(("no profile", "profile", "provider", "where it looks"), rows)


def command_line(_: str) -> Iterator[str]:
    """Return the commands with their options."""
    for name in cli.COMMANDS:
        parser = _command_parser(name)
        yield from (f"## `anycreds {name}`", "", f"{parser.description}", "")
        rows = [(_code(_usage(action)), str(action.help)) for action in parser._actions]
        yield from _table(("argument", "meaning"), rows)
        yield ""


def _usage(action: Action) -> str:
    """Return an argument as it is typed."""
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else "")
    return " ".join(filter(None, (", ".join(action.option_strings), str(value))))


def _command_parser(name: str) -> ArgumentParser:
    (subparsers,) = (one for one in cli._parser([name])._actions if isinstance(one.choices, dict))
    assert isinstance(subparsers.choices, dict)
    parser: ArgumentParser = subparsers.choices[name]
    return parser


def error_tree(_: str) -> Iterator[str]:
    """Return the classes of errors as nested lists."""
    yield from _subclasses(anycreds.CredentialsError, 0)


def _subclasses(base: type, depth: int) -> Iterator[str]:
    summary = (inspect.getdoc(base) or "").split("\n\n")[0].replace("\n", " ")
    yield f"{'  ' * depth}- {{py:exc}}`~anycreds.{base.__name__}`: {summary}"
    for one in base.__subclasses__():
        if one.__name__ in anycreds.__all__ and one.__bases__[0] is base:
            yield from _subclasses(one, depth + 1)


def aliases(module: str) -> Iterator[str]:
    """Return the names of types and constants that a module passes on, with the texts below their definitions."""
    for name in public_names(import_module(module)):
        if text := _documented_assignments().get(name):
            is_elsewhere = module != "anycreds.typing" and hasattr(anycreds.typing, name)
            options = [":no-index:"] if is_elsewhere else []
            yield from (f"```{{py:data}} {module}.{name}", *options, "", text.replace("``", "`"), "```", "")


@cache
def _documented_assignments() -> dict[str, str]:
    """Return the texts below assignments in all modules, by name."""
    found: dict[str, str] = {}
    for tree in _trees(frozenset()):
        for assignment, text in pairwise(tree.body):
            targets = (
                [assignment.target] if isinstance(assignment, ast.AnnAssign) else getattr(assignment, "targets", [])
            )
            if (
                isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found.update({one.id: text.value.value for one in targets if isinstance(one, ast.Name)})
    return found


def loggers(_: str) -> Iterator[str]:
    """Return the loggers with the levels that the code uses."""
    found: dict[str, set[str]] = {}
    for call in (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "log" and len(call.args) >= 3:
            texts = [one.value for one in call.args[:2] if isinstance(one, ast.Constant)]
            if len(texts) == 2 and texts[1] in LEVELS:
                found.setdefault(f"anycreds.{texts[0]}", set()).add(str(texts[1]).upper())
    order = [level.upper() for level in LEVELS]
    rows = [(_code(name), ", ".join(sorted(levels, key=order.index))) for name, levels in sorted(found.items())]
    yield from _table(("logger", "levels"), rows)


def _trees(excluded: frozenset[str] = NOT_SCANNED) -> Iterator[ast.Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if not excluded & set(path.relative_to(PACKAGE).parts):
            yield ast.parse(path.read_text(encoding="utf-8"))


def check_settings(_: Sphinx) -> None:
    """Warn of variables and keys that the code reads and the table omits, and the reverse."""
    texts = {
        node.value
        for tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    in_code = {name for text in texts if "\n" not in text for name in VARIABLE.findall(text)}
    documented = {one["variable"] for one in _settings() if "variable" in one}
    keys = {one["key"] for one in _settings() if "key" in one}
    warn = logging.getLogger(__name__).warning
    if in_code != documented:
        warn("settings.toml: missing or unknown variables: %s", ", ".join(sorted(in_code ^ documented)))
    if unknown := keys - texts:
        warn("settings.toml: keys that the code does not contain: %s", ", ".join(sorted(unknown)))
    if missing := SINGLE_VALUE_KEYS - keys:
        warn("settings.toml: missing keys: %s", ", ".join(sorted(missing)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    makers = (settings, options, chain_order, command_line, error_tree, aliases, loggers)
    for make in makers:
        name = make.__name__.replace("_", "-")
        app.add_directive(name, type(f"{make.__name__}_directive", (MarkdownDirective,), {"make": staticmethod(make)}))
    app.connect("builder-inited", check_settings)
    return {"parallel_read_safe": True}
