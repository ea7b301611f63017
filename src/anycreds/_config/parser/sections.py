"""The contents of one shared file: sections, with the line of each value and of each diagnostic.

Values may be secrets, so nothing here prints them. Names of sections are not secrets, and are used only as dict keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from .fast_path import fast_path_values

FileKind: TypeAlias = Literal["config", "credentials"]
SectionKind: TypeAlias = Literal["profile", "sso-session", "services"]
KINDS: tuple[SectionKind, ...] = ("profile", "sso-session", "services")

# Plain tuples of a value and its line: a file may have 100,000 of them, and a class takes five times as long to create.
Nested: TypeAlias = dict[str, tuple[str, int]]
Value: TypeAlias = str | Nested
Values: TypeAlias = dict[str, tuple[Value, int]]

StoredSection: TypeAlias = tuple[Values | str, int]
"""The values of a section, or its unparsed text (see ``fast_path.py``), and the line of its header."""

KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
KEY_ATTRIBUTES = ("aws_account_id", "aws_credential_scope")
# Keys that decide which credentials a profile has, and that take exactly one line of text.
SINGLE_VALUE_KEYS = frozenset(
    (
        *KEYS,
        *KEY_ATTRIBUTES,
        *("role_arn", "source_profile", "credential_source", "role_session_name", "external_id", "mfa_serial"),
        *("duration_seconds", "web_identity_token_file", "credential_process", "login_session", "region"),
        *("sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name"),
    )
)

# Names that IAM Identity Center generates have about 40 characters; a name of 10 KiB would fill the screen.
_MAX_DISPLAYED_NAME = 64


class Diagnostic(NamedTuple):
    """What is wrong with one line. It never contains a value or a key of the file, as they may be secrets."""

    line: int
    """Counted from 1."""
    kind: SectionKind | None
    """The kind of the section that contains the line; None if no section does."""
    name: str | None
    """The name of that section; None if the header has none."""
    detail: str
    """What is wrong with the line."""
    fix: str
    """What to do about it, as an imperative."""
    is_fatal: bool
    """Whether using the section is an error, because the line could not be parsed; otherwise it is a warning."""


class Section(NamedTuple):
    """One section: the values of all of its parts in the file."""

    values: Values
    """By key, in lower case: a text (which may be empty) or, one level deep, nested texts; each with its line."""
    line: int
    """The line of its first header."""

    def __repr__(self) -> str:
        return f"Section({len(self.values)} settings, line {self.line})"


class Sections(NamedTuple):
    """The contents of one file."""

    stored: Mapping[SectionKind, Mapping[str, StoredSection]]
    """By kind and name. All three kinds are present."""
    reported: Mapping[tuple[SectionKind | None, str | None], tuple[Diagnostic, ...]]
    """The diagnostics by kind and name, in the order of the file."""

    def section(self, kind: SectionKind, name: str) -> Section | None:
        """Return a section; None if the file has none with this name that can be parsed."""
        stored = self.stored[kind].get(name)
        return None if stored is None else Section(values_of(stored), stored[1])

    def diagnostics(self, kind: SectionKind, name: str) -> tuple[Diagnostic, ...]:
        """Return the diagnostics of a section, and of headers that probably were meant to be this section."""
        return self.reported.get((kind, name), ())

    def all_diagnostics(self) -> Iterator[Diagnostic]:
        """Yield all diagnostics, section by section."""
        for diagnostics in self.reported.values():
            yield from diagnostics

    def __repr__(self) -> str:
        return f"Sections({sum(map(len, self.stored.values()))} sections, {len(self.reported)} with diagnostics)"


def values_of(stored: StoredSection) -> Values:
    """Return the values of a section."""
    values, line = stored
    return fast_path_values(values, line) if isinstance(values, str) else values


def display_name(name: str) -> str:
    """Return the name of a section for a message, quoted and not too long."""
    return repr(name) if len(name) <= _MAX_DISPLAYED_NAME else f"{name[:_MAX_DISPLAYED_NAME]!r}…"
