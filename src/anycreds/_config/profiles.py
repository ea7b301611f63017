"""The profiles of both shared files, merged; each setting knows its file and line.

Sections that profiles refer to (``sso-session``, ``services``) are read from the config file only, as AWS specifies.
A profile is merged when it is first used: files may contain 10,000 of them, and a program uses two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from .._core.errors import ConfigParseError, InvalidConfigurationError, ProfileNotFoundError
from .merging import FileProfile, merge_files
from .parser.findings import Finding
from .parser.sections import SectionKind, Sections, display_name
from .settings import Setting

_UNUSED_KEYS: Finding = (
    "both files have access keys for this profile: those of the credentials file are used, and these are ignored",
    "remove one of the two",
)
_NO_VALUE: Finding = (
    "the key has no value, and the indented lines below it are nested settings",
    "write the value on the line of the key, and remove the indentation below it",
)
_NO_SECTIONS = Sections({"profile": {}, "sso-session": {}, "services": {}}, {})

# Comparing two names takes up to 0.1 ms, and the event loop must not be blocked for 10: so few, and only short names.
_MAX_COMPARED = 64
_MAX_COMPARED_LENGTH = 64


class FileDiagnostic(NamedTuple):
    """A ``Diagnostic`` and the file that it is about. It contains no value of the file."""

    path: str
    """The file, for messages: ``~/.aws/config``."""
    line: int
    kind: SectionKind | None
    name: str | None
    detail: str
    fix: str
    is_fatal: bool

    @property
    def summary(self) -> str:
        """File, line, what is wrong, and the section."""
        section = "" if self.name is None else f" ({self.kind or 'section'} {display_name(self.name)})"
        return f"{self.path}:{self.line}: {self.detail}{section}"

    def __str__(self) -> str:
        return f"{self.summary}; {self.fix}"


class Profile(NamedTuple):
    """A profile of both files, or a section that profiles refer to."""

    kind: SectionKind
    name: str
    settings: Mapping[str, Setting]
    """By key, in lower case: the texts that are not blank."""
    nested: Mapping[str, Mapping[str, Setting]]
    """By key, in lower case: the nested settings."""
    origins: tuple[str, ...]
    """File and line of its headers."""
    diagnostics: tuple[FileDiagnostic, ...]
    """Those of the config file first."""

    def check(self, source: str | None = None) -> None:
        """Raise ``ConfigParseError`` if a line of this profile could not be parsed.

        Everything that uses a profile has to call this first. ``source`` is the name of the provider that does.
        """
        for diagnostic in self.diagnostics:
            if diagnostic.is_fatal:
                raise ConfigParseError(
                    f"unable to parse {diagnostic.summary}",
                    path=diagnostic.path,
                    line=diagnostic.line,
                    source=source,
                    hint=diagnostic.fix,
                )

    def __repr__(self) -> str:
        return f"Profile({self.kind} {display_name(self.name)}, {len(self.settings) + len(self.nested)} settings)"


class _File(NamedTuple):
    display_path: str
    exists: bool
    sections: Sections

    def profile(self, kind: SectionKind, name: str) -> FileProfile:
        section = self.sections.section(kind, name)
        return FileProfile(self.display_path, {} if section is None else section.values)

    def diagnostics(self, kind: SectionKind, name: str) -> list[FileDiagnostic]:
        return [FileDiagnostic(self.display_path, *one) for one in self.sections.diagnostics(kind, name)]

    def __str__(self) -> str:
        return self.display_path if self.exists else f"{self.display_path} (which does not exist)"


class Profiles:
    """The profiles of both files, either of which may be missing. Immutable, and compared by ``is``.

    The paths are those for messages.
    """

    __slots__ = ("_config", "_credentials", "_merged")

    def __init__(
        self, config: Sections | None, credentials: Sections | None, config_path: str, credentials_path: str
    ) -> None:
        self._config = _File(config_path, config is not None, config or _NO_SECTIONS)
        self._credentials = _File(credentials_path, credentials is not None, credentials or _NO_SECTIONS)
        self._merged: dict[str, Profile | None] = {}

    def find(self, name: str, source: str | None = None) -> Profile:
        """Return a profile, even if lines in it cannot be parsed. Raise ``ProfileNotFoundError`` if it is missing."""
        if (profile := self.get(name)) is not None:
            return profile
        message, hint = _not_found("profile", name, self._config, self._credentials)
        raise ProfileNotFoundError(message, profile=name, source=source, hint=hint)

    def get(self, name: str) -> Profile | None:
        """Return a profile; None if neither file has it. Unlike ``find`` this does not search for similar names."""
        if name not in self._merged:
            self._merged[name] = self._merge("profile", name, self._config, self._credentials)
        return self._merged[name]

    def describe_location(self, name: str) -> str:
        """Return where a profile is, or the files that do not contain it, for messages."""
        profile = self.get(name)
        if profile is None or not profile.origins:
            return f"{self._config} and {self._credentials}"
        return f"profile {display_name(name)} ({', '.join(profile.origins)})"

    def find_section(
        self, kind: Literal["sso-session", "services"], reference: Setting, referrer: Profile, source: str | None = None
    ) -> Profile:
        """Return the section that a setting of ``referrer`` refers to, or raise ``InvalidConfigurationError``."""
        section = self._merge(kind, reference.value, self._config)
        if section is not None:
            return section
        message, hint = _not_found(kind, reference.value, self._config)
        message = f"{message}; profile {display_name(referrer.name)} refers to it ({reference.origin})"
        raise InvalidConfigurationError(message, source=source, hint=hint)

    def names(self) -> list[str]:
        """Return the names of all profiles that can be parsed, in the order of the files, the config file first."""
        files = (self._config, self._credentials)
        return list(dict.fromkeys(name for file in files for name in file.sections.stored["profile"]))

    def other_diagnostics(self, used: Collection[tuple[SectionKind, str]] = ()) -> Iterator[FileDiagnostic]:
        """Yield the diagnostics of all sections except those, by kind and name, that are used."""
        for file in (self._config, self._credentials):
            for diagnostic in file.sections.all_diagnostics():
                if (diagnostic.kind, diagnostic.name) not in used:
                    yield FileDiagnostic(file.display_path, *diagnostic)

    def __repr__(self) -> str:
        return f"Profiles({len(self.names())} in {self._config} and {self._credentials})"

    def _merge(self, kind: SectionKind, name: str, *files: _File) -> Profile | None:
        diagnostics = [diagnostic for file in files for diagnostic in file.diagnostics(kind, name)]
        origins = [
            f"{file.display_path}:{section.line}"
            for file in files
            if (section := file.sections.section(kind, name)) is not None
        ]
        if not origins and not any(diagnostic.is_fatal for diagnostic in diagnostics):
            return None
        merged = merge_files(*(file.profile(kind, name) for file in files))
        if merged.unused_keys is not None:
            diagnostics.append(FileDiagnostic(*merged.unused_keys, kind, name, *_UNUSED_KEYS, is_fatal=False))
        diagnostics += [FileDiagnostic(*line, kind, name, *_NO_VALUE, is_fatal=True) for line in merged.without_value]
        return Profile(kind, name, merged.settings, merged.nested, tuple(origins), tuple(diagnostics))


def _not_found(kind: SectionKind, name: str, *files: _File) -> tuple[str, str | None]:
    """Return message and hint of the error that these files have no section of that kind and name."""
    message = f"{kind} {display_name(name)} could not be found in {' or '.join(map(str, files))}"
    if ignored := [diagnostic for file in files for diagnostic in file.diagnostics(kind, name)]:
        return "; ".join((message, *(one.summary for one in ignored))), ignored[0].fix
    similar = _similar(name, [known for file in files for known in file.sections.stored[kind]])
    return message, f"did you mean {' or '.join(map(display_name, similar))}?" if similar else None


def _similar(name: str, known: list[str]) -> list[str]:
    """Return at most three names that may have been meant, first those that differ only in case or blanks."""
    if len(name) > _MAX_COMPARED_LENGTH:
        return []
    normalized = name.strip().lower()
    known = [other for other in known if len(other) <= _MAX_COMPARED_LENGTH]
    same = [other for other in known if other.strip().lower() == normalized]
    if len(known) > _MAX_COMPARED:
        known = [other for other in known if abs(len(other) - len(name)) <= 3 and other[:1].lower() == normalized[:1]]
    from difflib import get_close_matches  # takes milliseconds to import, and is needed for a missing name only

    return list(dict.fromkeys([*same, *get_close_matches(name, known[:_MAX_COMPARED])]))[:3]
