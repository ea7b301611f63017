"""Goes through the lines of a shared file, once. The grammar is told in ``parser.py``.

Nearly all sections are plain: ``plain.py`` tells which, and nobody reads those here. Elsewhere, too, most lines are
comments and ``key = value``: ``Reader.take`` deals with those on the spot, as a file may have 100,000 of them.
Everything else has a method.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from .fast_path import plain_name
from .section_headers import read_header
from .sections import KINDS, FileKind, Found, Nested, Problem, SectionKind, Sections, values_of

# Control characters but tab, and lone surrogates, which stand for bytes that are not UTF-8.
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/.%@:+")
# Problems that are kept of one section: a large file of rubbish must not become ten times as large in memory.
_MOST_PROBLEMS = 20

_CONTROL = "the line contains a control character, or bytes that are not UTF-8"
_NO_EQUALS = "the line is no comment and no [section], and has no ="
_NO_KEY = "there is no key before the ="
_NESTED_NO_EQUALS = "the line is indented, below a key without a value, and has no ="
_ODD_KEY = "the key has characters that no key has: the line is ignored"
_JOINED = "the line is indented, so it goes on with the value above; but it looks like a setting of its own"
_UNCLOSED = "the header has no ]"
_AFTER_HEADER = "something that is no comment follows the ]"
_BEFORE = "settings before the first section belong to nobody: they are ignored"
_REPLACED = "[profile default] replaces [default], whose settings are ignored"

_Place: TypeAlias = tuple[SectionKind | None, str | None]
# While a file is read, a value that goes on over several lines is the list of its parts.
_Reading: TypeAlias = dict[str, tuple[Any, int]]

_NOWHERE: _Place = (None, None)
_PLAIN_DEFAULT: _Place = (None, "default")  # [default], until it is known whether there is a [profile default]
_DEFAULT: _Place = ("profile", "default")


class _Here:
    """The section that lines belong to now. One object for all, because there may be 100,000 of them."""

    __slots__ = ("indent", "kind", "last", "matters", "name", "values")

    def __init__(self) -> None:
        self.begin(None, None, {})

    def begin(self, kind: SectionKind | None, name: str | None, values: _Reading, *, matters: bool = True) -> None:
        """Begin a section; ``matters``: it is one that is read, so that what is wrong with it is told."""
        self.kind, self.name, self.values, self.matters = kind, name, values, matters
        self.last: str | None = None  # the key that an indented line goes on with; "": one that could not be read
        self.indent = 0  # of the line of that key


class Reader:
    """What was read so far of a file of this kind."""

    def __init__(self, kind: FileKind) -> None:
        self._kind: FileKind = kind
        self._found: dict[SectionKind, dict[str, Found]] = {section_kind: {} for section_kind in KINDS}
        self._plain_default: dict[str, Found] = {}
        self._problems: dict[_Place, list[Problem]] = {}
        self._keys: dict[str, str] = {}  # the text before "=", to its key: there are few different ones
        self._joined: list[tuple[_Reading, str]] = []
        self._here = _Here()
        self._before = self._here.values
        self._suspicious = True

    def take_sections(self, text: str) -> None:
        """Read a text without control characters, section by section; of those that are plain it is enough to know."""
        before, *sections = f"\n{text}".split("\n[")
        self.take(before[1:].split("\n"), suspicious=False)
        profiles = self._found["profile"]
        number = before.count("\n") + 1
        for rest in sections:
            section = f"[{rest}"
            name = plain_name(section, self._kind)
            if name is None or name in profiles:
                self.take(section.split("\n"), number, suspicious=False)
            else:
                profiles[name] = (section, number)
            number += rest.count("\n") + 1

    def take(self, lines: Iterable[str], first: int = 1, *, suspicious: bool) -> None:
        """Read all lines, of which ``first`` is the number of the first.

        ``suspicious``: some of them may contain control characters.
        """
        here, keys, self._suspicious = self._here, self._keys, suspicious
        for number, line in enumerate(lines, first):
            if not line or (mark := line[0]) == "#" or mark == ";":
                continue
            if mark == "[" or mark == " " or mark == "\t" or suspicious:  # noqa: PLR1714 - this is the fast way
                self._other(line, number)
                continue
            name, equals, value = line.partition("=")
            if equals and (key := keys.get(name)) and "#" not in value and ";" not in value:
                here.values[key] = (value.strip(" \t"), number)
                here.last, here.indent = key, 0
            else:
                self._property(line, number, 0)

    def finish(self) -> Sections:
        """Put together what goes on over several lines, decide which default counts, and return everything."""
        for values, key in self._joined:
            parts, line = values[key]
            if isinstance(parts, list):  # else a later line gave the key another value
                values[key] = ("\n".join(parts), line)
        if self._before:
            _, line = next(iter(self._before.values()))
            self._add(_NOWHERE, line, _BEFORE)
        self._settle_default()
        return Sections(self._found, {place: tuple(problems) for place, problems in self._problems.items()})

    def _settle_default(self) -> None:
        problems = self._problems.pop(_PLAIN_DEFAULT, [])
        replaced = "default" in self._found["profile"]
        for problem in problems:
            self._add(_DEFAULT, problem.line, problem.detail, fatal=problem.fatal and not replaced)
        for values, line in self._plain_default.values():
            if replaced:
                self._add(_DEFAULT, line, _REPLACED)
            else:
                self._found["profile"]["default"] = (values, line)

    def _other(self, line: str, number: int) -> None:
        """Read a line that is no plain ``key = value``: a header, an indented or a suspicious one."""
        text = line.strip(" \t")
        if not text or text[0] in "#;":
            return
        unreadable = self._suspicious and UNREADABLE.search(line) is not None
        if text[0] == "[":
            self._header(text, number, unreadable=unreadable)
        elif unreadable:
            self._unreadable(number, _indent(line))
        else:
            self._indented(text, number, _indent(line))

    def _header(self, text: str, number: int, *, unreadable: bool) -> None:
        inner, closed, rest = text[1:].partition("]")
        kind, name, reason, fatal = read_header(inner if closed else _uncommented(inner), self._kind)
        broken = _CONTROL if unreadable else "" if closed else _UNCLOSED
        if rest and (rest := rest.strip(" \t")) and rest[0] not in "#;":
            broken = broken or _AFTER_HEADER
        if broken or reason:
            self._add((kind, name), number, broken or reason or "", fatal=fatal or bool(broken))
        if broken or reason or name is None:
            self._here.begin(None, None, {}, matters=False)
            return
        sections = self._found[kind] if kind else self._plain_default
        section = sections.get(name, ({}, number))
        values = values_of(section)
        sections[name] = (values, section[1])
        self._here.begin(kind, name, values)

    def _unreadable(self, number: int, indent: int) -> None:
        here = self._here
        if here.last is None or indent <= here.indent:  # else it goes on with a key, and so may the next line
            here.indent = indent
        here.last = ""
        self._wrong(number, _CONTROL, fatal=True)

    def _indented(self, text: str, number: int, indent: int) -> None:
        here = self._here
        if here.last is None or indent <= here.indent:
            self._property(text, number, indent)
        elif not here.last:  # it goes on with a line that could not be read
            return
        elif (value := here.values[here.last][0]) == "" or isinstance(value, dict):
            self._nested(text, number)
        else:
            self._continued(text, number)

    def _property(self, text: str, number: int, indent: int) -> None:
        here = self._here
        name, equals, value = _uncommented(text).partition("=")
        key = self._key(name, number) if equals else ""
        if not equals:
            self._wrong(number, _NO_EQUALS, fatal=True)
        elif key:
            here.values[key] = (value.strip(" \t"), number)
        here.last, here.indent = key, indent

    def _key(self, name: str, number: int) -> str:
        """Return the key, or "" if it is none."""
        key = name.strip(" \t")
        if not key:
            self._wrong(number, _NO_KEY, fatal=True)
            return ""
        if not _PLAIN.issuperset(key):
            self._wrong(number, _ODD_KEY)
            return ""
        return self._keys.setdefault(name, key.lower())

    def _nested(self, text: str, number: int) -> None:
        here = self._here
        assert here.last is not None
        name, equals, value = _uncommented(text).partition("=")
        key = name.strip(" \t").lower()
        if not equals or not key:
            self._wrong(number, _NO_KEY if equals else _NESTED_NO_EQUALS, fatal=True)
            return
        outer, line = here.values[here.last]
        nested: Nested = outer or {}
        nested[key] = (value.strip(" \t"), number)
        here.values[here.last] = (nested, line)

    def _continued(self, text: str, number: int) -> None:
        here = self._here
        assert here.last is not None
        value, line = here.values[here.last]
        if isinstance(value, list):
            value.append(text)
        else:  # a list, because adding to a text again and again takes time that grows with its square
            here.values[here.last] = ([value, text], line)
            self._joined.append((here.values, here.last))
        name, equals, _ = text.partition("=")
        if equals and name[:1].isalpha() and _PLAIN.issuperset(name.rstrip(" \t")):
            self._wrong(number, _JOINED)

    def _wrong(self, number: int, detail: str, *, fatal: bool = False) -> None:
        if self._here.matters:
            self._add((self._here.kind, self._here.name), number, detail, fatal=fatal)

    def _add(self, place: _Place, number: int, detail: str, *, fatal: bool = False) -> None:
        problems = self._problems.setdefault(place, [])
        if len(problems) < _MOST_PROBLEMS or (fatal and not any(problem.fatal for problem in problems)):
            problems.append(Problem(number, *place, detail, fatal))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _uncommented(line: str) -> str:
    """Return a line up to the first comment mark that has a blank before it."""
    if "#" not in line and ";" not in line:
        return line
    ends = [end for mark in (" #", "\t#", " ;", "\t;") if (end := line.find(mark)) >= 0]
    return line[: min(ends)] if ends else line
