"""Properties of the parser: it reads any text in linear time, and no section affects another."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anycreds._config.parser import read
from anycreds._config.parser.reader import Reader
from anycreds._config.parser.sections import KINDS, FileKind, Sections, values_of
from support.parsed_config import parse

FILES: tuple[FileKind, FileKind] = ("config", "credentials")

# Names and values that a file can contain, without surrounding blanks.
_CLEAN = st.characters(exclude_categories=("Cc", "Cs"))
NAMES = st.text(_CLEAN, min_size=1, max_size=20).filter(
    lambda name: not set(name) & set("'\"[]") and name == name.strip(" \t") and name != "default"
)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-/.%@:+", min_size=1, max_size=12)
VALUES = (st.text(_CLEAN, max_size=30) | st.text("\u00a0\u3000 \tx=#;'", max_size=6)).filter(
    lambda value: value == value.strip(" \t") and not any(mark in f" {value}" for mark in (" #", " ;", "\t#", "\t;"))
)
NESTED = st.dictionaries(KEYS, VALUES, min_size=1, max_size=3)
SECTIONS = st.dictionaries(NAMES, st.dictionaries(KEYS, VALUES | NESTED, max_size=4), max_size=3)
FILE = st.fixed_dictionaries(dict.fromkeys(KINDS, SECTIONS))

# Parts of headers and settings, valid and malformed.
PIECES = st.sampled_from(
    (
        *(
            "[",
            "]",
            "profile",
            "default",
            "sso-session",
            "services",
            "a",
            "b",
            "=",
            " ",
            "\t",
            "\n",
            "\r",
            "#",
            ";",
            "'",
        ),
        *('"', "\0", "\ufeff", "\u2028", "\x85", "\udcff", "\u00fc"),
        *("[profile a]\n", "[default]\n", "a = 1\n", "s3 =\n  b = 2\n"),
    )
)

# Headers and lines of plain sections, and those that a plain section cannot contain.
HEADERS = st.sampled_from(
    (
        *("[profile a]\n", "[profile b] \n", "[a]\n", "[b]\t\n", "[default]\n", "[profile default]\n"),
        *("[sso-session a]\n", " [profile a]\n", "[profile 'a']\n", "[a]x\n", "[a\n", "[]\n", "[profile a] # c\n"),
    )
)
LINES = st.sampled_from(
    (
        *("a = 1\n", "A=2 \n", "b\t=\tx = y\n", "b =\n", "\n", " \t\n", "# c = 1\n", ";c\n", "a = \u3000x\u00a0\n"),
        *(" a = 1\n", "\tb\n", "b\n", "= 1\n", "a b = 1\n", "a = 1 # c\n", "a = 1#c\n", "a = 1"),
    )
)
PARTS = st.lists(LINES | st.builds("{}{}{}".format, HEADERS, LINES, LINES), max_size=5).map("".join)


def written(file: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Write a config file."""
    lines: list[str] = []
    for kind, sections in file.items():
        for name, values in sections.items():
            lines.append(f'[{kind} "{name}"]')
            for key, value in values.items():
                nested = value if isinstance(value, dict) else {}
                lines.append(f"{key} = {'' if nested else value}")
                lines += [f"  {inner} = {text}" for inner, text in nested.items()]
    return "\n".join(lines)


def check_reading(text: str) -> None:
    """Read a text as both kinds of files, and check what holds for every text."""
    for kind in FILES:
        parsed, found = parse(text, kind), read(text, kind)
        lines = 1 + text.count("\n") + text.count("\r")
        assert tuple(parsed) == KINDS
        for section_kind in KINDS:
            assert list(parsed[section_kind]) == list(found.stored[section_kind])
            for section in found.stored[section_kind].values():
                values, line = values_of(section), section[1]
                assert 1 <= line <= lines
                assert all(isinstance(key, str) and key and 1 <= at <= lines for key, (_, at) in values.items())
        for problem in found.all_diagnostics():
            assert 1 <= problem.line <= lines


@pytest.mark.fault("L07")
@given(st.text(st.characters()))
def test_any_text_is_read(text: str) -> None:
    """Any text can be read, lone surrogates included."""
    check_reading(text)


@given(st.lists(PIECES, max_size=30).map("".join))
@example("=\n =")
@example("[a\n =")
@example("[profile a]\nb\n = =")
def test_any_mixture_of_parts_is_read(text: str) -> None:
    """Any mixture of parts of files can be read."""
    check_reading(text)


def everything(found: Sections) -> object:
    """Return all sections and diagnostics, in their order."""
    sections = [
        (kind, name, list(values_of(section).items()), section[1])
        for kind, named in found.stored.items()
        for name, section in named.items()
    ]
    return sections, found.reported


@settings(max_examples=4 * settings().max_examples)  # they are fast
@given(PARTS)
@example("[a]\nA = 1\n[b]\n[a]\n a = 2")
@example("[profile default]\na = 1\n[default]\na = 2")
@example("a = 1\n\n[profile a] \n#=\n \n;=\na=\n\n[profile a]\nb==1 \nA\t= 2")
def test_fast_path_equals_reading_line_by_line(text: str) -> None:
    """The fast path has the same result as reading line by line."""
    for kind in FILES:
        reader = Reader(kind)
        reader.read_lines(text.split("\n"), has_control_chars=False)
        assert everything(read(text, kind)) == everything(reader.finish())


@given(FILE)
def test_written_file_is_read_back_equal(file: dict[str, dict[str, dict[str, Any]]]) -> None:
    """A file that is written by the rules is read back equal, without diagnostics."""
    assert parse(written(file), "config") == file
    assert list(read(written(file), "config").all_diagnostics()) == []


@given(FILE, st.data())
def test_changed_file_is_read(file: dict[str, dict[str, dict[str, Any]]], data: st.DataObject) -> None:
    """A valid file can be read after characters were removed, repeated or replaced."""
    text = written(file)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        text = text[:start] + data.draw(PIECES) * data.draw(st.integers(0, 2)) + text[end:]
    check_reading(text)


@pytest.mark.fault("L07")
@given(FILE, st.lists(PIECES, max_size=12).map("".join), st.data())
def test_a_malformed_section_affects_no_other(
    file: dict[str, dict[str, dict[str, Any]]], rubbish: str, data: st.DataObject
) -> None:
    """Malformed text in one section, its header included, changes no other section."""
    blocks = [
        (kind, name, written({kind: {name: values}}))
        for kind, sections in file.items()
        for name, values in sections.items()
    ]
    if "[" in rubbish:  # it may begin other sections, and those are not looked at
        rubbish = rubbish.replace("[", "")
    header = data.draw(st.sampled_from(("[profile RUBBISH]", "[profile RUBBISH", "[RUBBISH] x", "[]", "[x y]", "[\0]")))
    place = data.draw(st.integers(0, len(blocks)))
    lines = [text for _, _, text in blocks]
    text = "\n".join([*lines[:place], header, rubbish, *lines[place:]])
    parsed, found = parse(text, "config"), read(text, "config")
    for kind, name, _ in blocks:
        assert parsed[kind][name] == file[kind][name]
        assert kind in KINDS
        assert found.diagnostics(kind, name) == ()


LARGE = {
    "lines that go on": "[default]\na = x\n" + " y\n" * 100_000,
    "nested lines": "[default]\na =\n" + "".join(f" k{number} = v\n" for number in range(50_000)),
    "bad lines": "[default]\n" + "x\n" * 100_000,
    "odd keys": "[default]\n" + "".join(f"\u00fc{number} = 1\n" for number in range(50_000)),
    "headers without end": "[x\n" * 30_000,
    "parts of one section": "[default]\na = 1\n" * 20_000,
    "brackets": "[" * 1_000_000,
    "quotes": "[profile " + "'" * 1_000_000 + "]",
    "comment marks": "[default]\na = " + " #;" * 300_000,
    "marks without blanks": "[default]\na = " + "#;" * 500_000,
    "equals": "[default]\n" + "=" * 1_000_000,
    "blanks": "[default]\na = " + " " * 1_000_000 + "x",
    "blank lines": (" " * 1_000 + "\n") * 1_000,
    "NUL": "\0" * 1_000_000,
    "carriage returns": "\r" * 300_000,
    "keys": "[default]\n" + "".join(f"k{number} = 1\n" for number in range(50_000)),
    "the same key, going on": "[default]\n" + "a = 1\n 2\n" * 20_000,
}


@pytest.mark.fault("L07")
@pytest.mark.parametrize("name", LARGE)
def test_reading_time_is_linear(name: str) -> None:
    """Hundreds of kilobytes of the worst input are read in linear time."""
    started = time.process_time()
    read(LARGE[name], "config")
    assert time.process_time() - started < 5.0  # each takes 0.1 s; with a square it would be minutes
