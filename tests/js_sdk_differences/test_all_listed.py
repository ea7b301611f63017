"""Each of the 52 weaknesses of the JavaScript SDK has a test in this folder: ``test_14_<number>_<what ours does>``.

The numbers are those of the list of weaknesses in the reference (section 14 of js-sdk). None of the 52 lacks a test.
These parts of some of them do not apply to Python, or to what this library does:

- 14, in part: there is no STS client that could be frozen; each attempt decides anew where to call
- 17, in part: there are no middleware plugins, and the nearest thing, a client of the program's own, is tested
- 20, in part: no task of ours runs beside the one that awaits it, so that there is none whose error nobody awaits
- 32, in part: there is no ``logger`` option; the standard loggers ``anycreds.*`` take its place
- 38, in part: tokens are filed by their session's name alone, as all AWS tools share these files
- 39, in part: there are no logger and no application id that a call could bring along
- 41, in part: the key of a login is read once for a refresh, so that no attempt could find another file
- 43, in part: no region is looked up in EC2 metadata, so that there is no second switch for that
- 47, in part: a blank and ``#`` begin a comment in a value too, as the AWS "SDKs and Tools" reference has it
- 50, in part: there are no feature ids, as no user agent with such is sent
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

NUMBERS = {*map(str, range(1, 52)), "32a"}
_NAME = re.compile(r"test_14_(\d+a?)_\w+")
_PART = re.compile(r"- (\d+a?), in part: (\S.*)")


def _tests() -> dict[str, str | None]:
    """Return the tests of this folder, each with its docstring."""
    found: dict[str, str | None] = {}
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _NAME.fullmatch(node.name):
                assert node.name not in found, f"{node.name} is there twice"
                found[node.name] = ast.get_docstring(node)
    return found


def _number(test: str) -> str:
    match = _NAME.fullmatch(test)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("number", sorted(NUMBERS))
def test_every_weakness_is_tested(number: str) -> None:
    """There is a test for this weakness, and each says in a sentence what ours does."""
    mine = {name: said for name, said in _tests().items() if _number(name) == number}
    assert mine
    assert all(said and said.endswith(".") for said in mine.values())


def test_no_number_is_invented() -> None:
    """No test and no line of the list above is about a weakness that the reference does not have."""
    assert __doc__ is not None
    parts = [line for line in __doc__.splitlines() if line.startswith("- ")]
    matches = [match for line in parts if (match := _PART.fullmatch(line))]
    assert len(matches) == len(parts)
    assert {match[1] for match in matches} <= NUMBERS
    assert set(map(_number, _tests())) <= NUMBERS
