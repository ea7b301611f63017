"""What one shared file says, section by section, with the line of each value and of whatever is wrong.

Values may be secrets, so nothing here prints them; names of sections are no secrets, and they are only ever dict keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from .fast_path import plain_values

FileKind: TypeAlias = Literal["config", "credentials"]
SectionKind: TypeAlias = Literal["profile", "sso-session", "services"]
KINDS: tuple[SectionKind, ...] = ("profile", "sso-session", "services")

# Plain tuples of a value and its line, because a file may have 100,000 of them and they are made five times as fast.
Nested: TypeAlias = dict[str, tuple[str, int]]
Value: TypeAlias = str | Nested
Values: TypeAlias = dict[str, tuple[Value, int]]

Found: TypeAlias = tuple[Values | str, int]
"""A section, and the line of its header: its values, or its text if it is a plain one, which nobody has read yet."""

# Names that AWS IAM Identity Center makes up have about 40 characters; a name of 10 KiB would fill the screen.
_SHOWN = 64


class Problem(NamedTuple):
    """Something that is wrong with a line. It never repeats what stands there: that may be a secret."""

    line: int
    """Counted from 1."""
    kind: SectionKind | None
    """The kind of section that it is about; None: of none that is read."""
    name: str | None
    """The name of that section, as far as it can be told."""
    detail: str
    """A sentence about the line, for people."""
    fatal: bool
    """Whether whoever uses the section must not go on: something in it was not understood."""


class Section(NamedTuple):
    """One section: what all of its parts in the file say together."""

    values: Values
    """By key, in lower case: a text (which may be empty) or, one level deep, nested texts; each with its line."""
    line: int
    """Where its first header is."""

    def __repr__(self) -> str:
        return f"Section({len(self.values)} settings, line {self.line})"


class Sections(NamedTuple):
    """Everything that one file says."""

    found: Mapping[SectionKind, Mapping[str, Found]]
    """By kind and name. All three kinds are there."""
    troubles: Mapping[tuple[SectionKind | None, str | None], tuple[Problem, ...]]
    """By kind and name: what is wrong, in the order of the file."""

    def section(self, kind: SectionKind, name: str) -> Section | None:
        """Return a section; None: the file has none that can be read under this name."""
        found = self.found[kind].get(name)
        return None if found is None else Section(values_of(found), found[1])

    def problems(self, kind: SectionKind, name: str) -> tuple[Problem, ...]:
        """Return what is wrong with one section, or with lines that were probably meant to be it."""
        return self.troubles.get((kind, name), ())

    def all_problems(self) -> Iterator[Problem]:
        """Go through everything that is wrong, section by section."""
        for problems in self.troubles.values():
            yield from problems

    def __repr__(self) -> str:
        return f"Sections({sum(map(len, self.found.values()))} sections, {len(self.troubles)} with problems)"


def values_of(found: Found) -> Values:
    """Return what a section says."""
    values, line = found
    return plain_values(values, line) if isinstance(values, str) else values


def shown_name(name: str) -> str:
    """Return the name of a section as it may stand in a message."""
    return repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}…"
