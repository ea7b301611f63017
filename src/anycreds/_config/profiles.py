"""The two shared files as one: profiles with all that either file says of them, each setting with its file and line.

Sections that profiles refer to (``sso-session``, ``services``) are read from the config file only, as AWS has it.
A profile is put together when it is asked for: files may hold 10,000 of them, and a program uses two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from .._core.errors import ConfigParseError, InvalidConfigurationError, ProfileNotFoundError
from .merging import Part, Spot, merge_parts
from .parser.sections import Problem, SectionKind, Sections, shown_name
from .settings import Setting

_TWO_SETS = "both files have keys for this profile: those in the credentials file are used, and these are not"
_NO_VALUE = "the key has no value, and the indented lines below it are read as settings of its own"
_NOTHING = Sections({"profile": {}, "sso-session": {}, "services": {}}, {})

# Comparing two names takes up to 0.1 ms, and nothing may hold an event loop for 10: so few, and only short ones.
_MOST_COMPARED = 64
_LONGEST_COMPARED = 64


class Note(NamedTuple):
    """Something that is wrong with a line of a file. It never repeats what stands there."""

    path: str
    """The file, as people are shown it: ``~/.aws/config``."""
    problem: Problem

    def __str__(self) -> str:
        line, kind, name, detail, _ = self.problem
        return f"{self.path}:{line}: {detail}" + ("" if name is None else f" ({kind} {shown_name(name)})")


class Profile(NamedTuple):
    """A profile as both files have it, or a section that profiles refer to."""

    kind: SectionKind
    name: str
    settings: Mapping[str, Setting]
    """By key, in lower case: what is set to a text that is not blank."""
    nested: Mapping[str, Mapping[str, Setting]]
    """By key, in lower case: what has settings of its own."""
    origins: tuple[str, ...]
    """Where its headers are."""
    problems: tuple[Note, ...]
    """What is wrong with it, first in the config file."""

    def error(self, source: str | None = None) -> ConfigParseError | None:
        """Return the error that it is to use this profile; None: everything in it was understood."""
        for note in self.problems:
            if note.problem.fatal:
                return ConfigParseError(str(note), path=note.path, line=note.problem.line, source=source)
        return None

    def __repr__(self) -> str:
        return f"Profile({self.kind} {shown_name(self.name)}, {len(self.settings) + len(self.nested)} settings)"


class _File(NamedTuple):
    shown: str
    exists: bool
    sections: Sections

    def part(self, kind: SectionKind, name: str) -> Part:
        section = self.sections.section(kind, name)
        return Part(self.shown, {} if section is None else section.values)

    def notes(self, kind: SectionKind, name: str) -> list[Note]:
        return [Note(self.shown, problem) for problem in self.sections.problems(kind, name)]

    def __str__(self) -> str:
        return self.shown if self.exists else f"{self.shown} (which does not exist)"


class Profiles:
    """All that both files say."""

    __slots__ = ("_config", "_credentials", "_seen")

    def __init__(self, config: _File, credentials: _File) -> None:
        self._config = config
        self._credentials = credentials
        self._seen: dict[str, Profile | None] = {}  # what never changes: the plan and what is told look at the same

    def find(self, name: str, source: str | None = None) -> Profile | ProfileNotFoundError:
        """Return a profile; else the error that neither file has it, with names that are close.

        A profile whose lines were not understood is found, too: who uses it has to raise its ``error()``.
        """
        profile = self.look(name)
        if profile is not None:
            return profile
        message, hint = _missing("profile", name, self._config, self._credentials)
        return ProfileNotFoundError(message, profile=name, source=source, hint=hint)

    def look(self, name: str) -> Profile | None:
        """Return a profile; None: there is none, and nobody minds. To look for close names would take milliseconds."""
        if name not in self._seen:
            self._seen[name] = self._put_together("profile", name, self._config, self._credentials)
        return self._seen[name]

    def where(self, name: str) -> str:
        """Return where a profile is, or else the files that do not have it."""
        profile = self.look(name)
        if profile is None or not profile.origins:
            return f"{self._config} and {self._credentials}"
        return f"profile {shown_name(name)} ({', '.join(profile.origins)})"

    def find_section(
        self, kind: Literal["sso-session", "services"], name: str, source: str | None = None
    ) -> Profile | InvalidConfigurationError:
        """Return a section that a profile refers to; else the error that the config file has none of that name."""
        section = self._put_together(kind, name, self._config)
        if section is not None:
            return section
        message, hint = _missing(kind, name, self._config)
        return InvalidConfigurationError(message, source=source, hint=hint)

    def names(self) -> list[str]:
        """Return the names of all profiles that can be read, as they stand in the files, first the config file."""
        files = (self._config, self._credentials)
        return list(dict.fromkeys(name for file in files for name in file.sections.found["profile"]))

    def other_problems(self, used: Collection[tuple[SectionKind, str]] = ()) -> Iterator[Note]:
        """Go through what is wrong with everything but the sections, by kind and name, that are used."""
        for file in (self._config, self._credentials):
            for problem in file.sections.all_problems():
                if (problem.kind, problem.name) not in used:
                    yield Note(file.shown, problem)

    def __repr__(self) -> str:
        return f"Profiles({len(self.names())} in {self._config} and {self._credentials})"

    def _put_together(self, kind: SectionKind, name: str, *files: _File) -> Profile | None:
        notes = [note for file in files for note in file.notes(kind, name)]
        origins = [
            f"{file.shown}:{section.line}"
            for file in files
            if (section := file.sections.section(kind, name)) is not None
        ]
        if not origins and not any(note.problem.fatal for note in notes):
            return None
        merged = merge_parts(*(file.part(kind, name) for file in files))

        def note(spot: Spot, detail: str, *, fatal: bool) -> Note:
            return Note(spot.shown, Problem(spot.line, kind, name, detail, fatal))

        if merged.unused_keys is not None:
            notes.append(note(merged.unused_keys, _TWO_SETS, fatal=False))
        notes += [note(spot, _NO_VALUE, fatal=True) for spot in merged.without_value]
        return Profile(kind, name, merged.settings, merged.nested, tuple(origins), tuple(notes))


def merge(config: Sections | None, credentials: Sections | None, config_name: str, credentials_name: str) -> Profiles:
    """Take two files together. None: there is no such file. The names are those that people are shown."""
    return Profiles(
        _File(config_name, config is not None, _NOTHING if config is None else config),
        _File(credentials_name, credentials is not None, _NOTHING if credentials is None else credentials),
    )


def _missing(kind: SectionKind, name: str, *files: _File) -> tuple[str, str | None]:
    """Return what is to be said when these files have nothing of that name: a message, and perhaps a hint."""
    where = f"in neither {' nor '.join(map(str, files))}" if len(files) > 1 else f"not in {files[0]}"
    message = f"{kind} {shown_name(name)} is {where}"
    if ignored := [str(note) for file in files for note in file.notes(kind, name)]:
        return "; ".join((message, *ignored)), None
    close = _close(name, [known for file in files for known in file.sections.found[kind]])
    return message, f"did you mean {' or '.join(map(shown_name, close))}?" if close else None


def _close(name: str, known: list[str]) -> list[str]:
    """Return at most three names that may have been meant, first those that differ in case or blanks only."""
    if len(name) > _LONGEST_COMPARED:
        return []
    plain = name.strip().lower()
    known = [other for other in known if len(other) <= _LONGEST_COMPARED]
    same = [other for other in known if other.strip().lower() == plain]
    alike = known
    if len(known) > _MOST_COMPARED:
        alike = [other for other in known if abs(len(other) - len(name)) <= 3 and other[:1].lower() == plain[:1]]
    if not alike:
        return same
    from difflib import get_close_matches  # only for who has misspelt a name

    return list(dict.fromkeys([*same, *get_close_matches(name, alike[:_MOST_COMPARED])]))[:3]
