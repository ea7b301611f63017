"""Reads the lines of a shared file, in one pass. ``parser/__init__.py`` describes the grammar.

Nearly all sections are plain and are only recognized here (see ``fast_path.py``). In the other sections, too, most
lines are comments and ``key = value``: ``Reader.read_lines`` reads those inline, because a file may have 100,000 of
them. Every other kind of line has a method.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from . import findings
from .fast_path import fast_path_name
from .findings import Finding
from .section_headers import read_header
from .sections import (
    KINDS,
    SINGLE_VALUE_KEYS,
    Diagnostic,
    FileKind,
    Nested,
    SectionKind,
    Sections,
    StoredSection,
    values_of,
)

# Control characters except tab, and lone surrogates, which represent bytes that are not UTF-8.
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_KEY_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/.%@:+")
# Diagnostics of one section that are kept, so that those of a large malformed file do not take ten times its size.
_MAX_DIAGNOSTICS = 20
# Lines that are read one by one in one step. They take 3 to 5 µs each if they have a diagnostic.
LINES_OF_A_STEP = 300

_Owner: TypeAlias = tuple[SectionKind | None, str | None]
# While a file is read, a value that continues over several lines is the list of its parts.
_Reading: TypeAlias = dict[str, tuple[Any, int]]

_NO_SECTION: _Owner = (None, None)
_BARE_DEFAULT: _Owner = (None, "default")  # [default], until it is known whether there is a [profile default]
_DEFAULT: _Owner = ("profile", "default")


class _CurrentSection:
    """The section that is being read. It is reused, because there may be 100,000 sections."""

    __slots__ = ("indent", "is_recognized", "kind", "last", "name", "values")

    def __init__(self) -> None:
        self.start(None, None, {})

    def start(
        self, kind: SectionKind | None, name: str | None, values: _Reading, *, is_recognized: bool = True
    ) -> None:
        """Start a section. Lines of a section that is not recognized are ignored without diagnostics."""
        self.kind, self.name, self.values, self.is_recognized = kind, name, values, is_recognized
        # The key that an indented line continues; "" for a key that could not be parsed, None if there is no key.
        self.last: str | None = None
        self.indent = 0  # of the line of that key


class Reader:
    """Collects the sections and diagnostics of one file."""

    def __init__(self, kind: FileKind) -> None:
        self._kind: FileKind = kind
        self._stored: dict[SectionKind, dict[str, StoredSection]] = {section_kind: {} for section_kind in KINDS}
        self._bare_default: dict[str, StoredSection] = {}
        self._diagnostics: dict[_Owner, list[Diagnostic]] = {}
        self._keys: dict[str, str] = {}  # the text before "=", to its key: files have few different ones
        self._continued: list[tuple[_Reading, str]] = []
        self._section = _CurrentSection()
        self._outside = self._section.values
        self._has_control_chars = True

    def read_sections(self, text: str) -> Iterator[None]:
        """Read a text without control characters, section by section; plain sections are stored as text.

        Yield after each step.
        """
        before, *sections = f"\n{text}".split("\n[")
        self.read_lines(before[1:].split("\n"), has_control_chars=False)
        profiles = self._stored["profile"]
        number = before.count("\n") + 1
        lines_left = LINES_OF_A_STEP
        for rest in sections:
            section = f"[{rest}"
            name = fast_path_name(section, self._kind)
            if name is None or name in profiles:
                self.read_lines(lines := section.split("\n"), number, has_control_chars=False)
                if (lines_left := lines_left - len(lines)) <= 0:
                    lines_left = LINES_OF_A_STEP
                    yield
            else:
                profiles[name] = (section, number)
            number += rest.count("\n") + 1

    def read_lines(self, lines: Iterable[str], first: int = 1, *, has_control_chars: bool) -> None:
        """Read all lines.

        Args:
            lines: The lines, without line feeds.
            first: The number of the first line.
            has_control_chars: Whether the lines may contain control characters.

        """
        section, keys, self._has_control_chars = self._section, self._keys, has_control_chars
        for number, line in enumerate(lines, first):
            if not line or (mark := line[0]) == "#" or mark == ";":
                continue
            if mark == "[" or mark == " " or mark == "\t" or has_control_chars:  # noqa: PLR1714 - faster than a set
                self._read_irregular_line(line, number)
                continue
            name, equals, value = line.partition("=")
            if equals and (key := keys.get(name)) and "#" not in value and ";" not in value:
                section.values[key] = (value.strip(" \t"), number)
                section.last, section.indent = key, 0
            else:
                self._read_property(line, number, 0)

    def finish(self) -> Sections:
        """Join values that continue over several lines, decide which default section counts, and return everything."""
        for values, key in self._continued:
            parts, line = values[key]
            if isinstance(parts, list):  # otherwise a later line replaced the value
                values[key] = ("\n".join(parts), line)
        if self._outside:
            _, line = next(iter(self._outside.values()))
            self._add(_NO_SECTION, line, findings.OUTSIDE)
        self._merge_default()
        return Sections(self._stored, {owner: tuple(found) for owner, found in self._diagnostics.items()})

    def _merge_default(self) -> None:
        diagnostics = self._diagnostics.pop(_BARE_DEFAULT, [])
        is_replaced = "default" in self._stored["profile"]
        for line, _, _, detail, fix, is_fatal in diagnostics:
            self._add(_DEFAULT, line, (detail, fix), is_fatal=is_fatal and not is_replaced)
        for values, line in self._bare_default.values():
            if is_replaced:
                self._add(_DEFAULT, line, findings.REPLACED)
            else:
                self._stored["profile"]["default"] = (values, line)

    def _read_irregular_line(self, line: str, number: int) -> None:
        """Read a header, an indented line, or a line that may contain control characters."""
        text = line.strip(" \t")
        if not text or text[0] in "#;":
            return
        indent = len(line) - len(line.lstrip(" \t"))
        is_unreadable = self._has_control_chars and UNREADABLE.search(line) is not None
        if text[0] == "[":
            self._read_header(text, number, is_unreadable=is_unreadable)
        elif is_unreadable:
            self._skip_unreadable(number, indent)
        else:
            self._read_indented(text, number, indent)

    def _read_header(self, text: str, number: int, *, is_unreadable: bool) -> None:
        inner, closed, rest = text[1:].partition("]")
        kind, name, finding, is_fatal = read_header(inner if closed else _uncommented(inner), self._kind)
        broken = findings.CONTROL if is_unreadable else None if closed else findings.UNCLOSED
        if rest and (rest := rest.strip(" \t")) and rest[0] not in "#;":
            broken = broken or findings.AFTER_HEADER
        if finding := broken or finding:
            self._add((kind, name), number, finding, is_fatal=is_fatal or broken is not None)
        if finding or name is None:
            self._section.start(None, None, {}, is_recognized=False)
            return
        sections = self._stored[kind] if kind else self._bare_default
        section = sections.get(name, ({}, number))
        values = values_of(section)
        sections[name] = (values, section[1])
        self._section.start(kind, name, values)

    def _skip_unreadable(self, number: int, indent: int) -> None:
        section = self._section
        if section.last is None or indent <= section.indent:  # otherwise it continues a key, and so may the next line
            section.indent = indent
        section.last = ""
        self._report(number, findings.CONTROL, is_fatal=True)

    def _read_indented(self, text: str, number: int, indent: int) -> None:
        section = self._section
        if section.last is None or indent <= section.indent:
            self._read_property(text, number, indent)
        elif not section.last:  # it continues a line that could not be parsed
            return
        elif (value := section.values[section.last][0]) == "" or isinstance(value, dict):
            self._read_nested(text, number, section.last)
        else:
            self._read_continuation(text, number, section.last)

    def _read_property(self, text: str, number: int, indent: int) -> None:
        section = self._section
        name, equals, value = _uncommented(text).partition("=")
        key = self._key(name, number) if equals else ""
        if not equals:
            self._report(number, findings.NO_EQUALS, is_fatal=True)
        elif key:
            section.values[key] = (value.strip(" \t"), number)
        section.last, section.indent = key, indent

    def _key(self, name: str, number: int) -> str:
        """Return the key in lower case; "" if it is not valid."""
        key = name.strip(" \t")
        if not key:
            self._report(number, findings.NO_KEY, is_fatal=True)
            return ""
        if not _KEY_CHARACTERS.issuperset(key):
            self._report(number, findings.INVALID_KEY)
            return ""
        return self._keys.setdefault(name, key.lower())

    def _read_nested(self, text: str, number: int, outer: str) -> None:
        name, equals, value = _uncommented(text).partition("=")
        key = name.strip(" \t").lower()
        if not equals or not key:
            self._report(number, findings.NO_KEY if equals else findings.NESTED_NO_EQUALS, is_fatal=True)
            return
        found, line = self._section.values[outer]
        nested: Nested = found or {}
        nested[key] = (value.strip(" \t"), number)
        self._section.values[outer] = (nested, line)

    def _read_continuation(self, text: str, number: int, key: str) -> None:
        values = self._section.values
        value, line = values[key]
        if isinstance(value, list):
            value.append(text)
        else:  # a list, because appending to a text again and again takes quadratic time
            values[key] = ([value, text], line)
            self._continued.append((values, key))
        name, equals, _ = text.partition("=")
        name = name.rstrip(" \t")
        if equals and (known := name.lower()) in SINGLE_VALUE_KEYS:
            self._report(number, (findings.INDENTED_KEY.format(key=known), "remove the indentation"), is_fatal=True)
        elif equals and name[:1].isalpha() and _KEY_CHARACTERS.issuperset(name):
            self._report(number, findings.CONTINUED)

    def _report(self, number: int, finding: Finding, *, is_fatal: bool = False) -> None:
        if self._section.is_recognized:
            self._add((self._section.kind, self._section.name), number, finding, is_fatal=is_fatal)

    def _add(self, owner: _Owner, number: int, finding: Finding, *, is_fatal: bool = False) -> None:
        diagnostics = self._diagnostics.setdefault(owner, [])
        if len(diagnostics) < _MAX_DIAGNOSTICS or (is_fatal and not any(one.is_fatal for one in diagnostics)):
            diagnostics.append(Diagnostic(number, *owner, *finding, is_fatal))


def _uncommented(line: str) -> str:
    """Return a line up to the first comment mark that follows a blank."""
    if "#" not in line and ";" not in line:
        return line
    ends = [end for mark in (" #", "\t#", " ;", "\t;") if (end := line.find(mark)) >= 0]
    return line[: min(ends)] if ends else line
