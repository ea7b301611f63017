"""The two files that every AWS tool reads, as profiles. A file is read again when it has changed, and only then.

A failed read is never remembered, so that a file which appears is seen at the next call.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from os import PathLike
from typing import NamedTuple

from .._core.errors import InvalidConfigurationError
from .._core.io import FileVersion, Io, ReadFailure, Signature
from .._core.logs import log
from .locations import Location, locations, selected
from .parser import read
from .parser.sections import FileKind, Sections
from .profiles import Note, Profiles, merge
from .service_settings import ProfileView

NAME = "shared files"
# A hundred times what 10,000 profiles take up; what is larger is some other file.
FILE_LIMIT = 16 * 1024 * 1024
# Up to this size parsing takes a millisecond; beyond, it is done in a thread, so that the event loop runs on.
PARSED_AT_ONCE = 64 * 1024
# So many bad lines are logged; a file with more has another trouble.
MOST_TOLD = 20


class FileOptions(NamedTuple):
    """What a program says about the files."""

    filepath: str | PathLike[str] | None = None
    """The credentials file."""
    config_filepath: str | PathLike[str] | None = None
    ignore_cache: bool = False
    """Read both files at every call, changed or not."""


class _Known(NamedTuple):
    signature: Signature
    sections: Sections


class SharedFiles:
    """Reads the files for one provider, and remembers what it has read."""

    __slots__ = ("_known", "_options", "_told")

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._known: dict[str, _Known] = {}
        self._told: set[tuple[str, int]] = set()

    async def profiles(self, io: Io) -> Profiles | InvalidConfigurationError:
        """Return the profiles of both files as they are now."""
        options = self._options
        places = locations(io.environ(), io.home_directory, options.filepath, options.config_filepath, NAME)
        for place in places:
            if isinstance(place, InvalidConfigurationError):
                return place
        there = [place for place in places if isinstance(place, Location)]
        versions = iter(await io.read_if_changed([(place.path, self._signature(place)) for place in there], FILE_LIMIT))
        found: list[Sections | None] = []
        names: list[str] = []
        kinds: tuple[FileKind, FileKind] = ("config", "credentials")
        for kind, place in zip(kinds, places, strict=True):
            sections = None
            if isinstance(place, Location):
                sections = await self._sections(io, place, kind, next(versions))
            if isinstance(sections, InvalidConfigurationError):
                return sections
            found.append(sections)
            names.append(place.shown if isinstance(place, Location) else f"~/.aws/{kind}")
        return merge(found[0], found[1], names[0], names[1])

    async def view(
        self, io: Io, caller_profile: str | None, profile: str | None = None
    ) -> ProfileView | InvalidConfigurationError:
        """Return what the selected profile says about services. A profile that does not exist says nothing."""
        profiles = await self.profiles(io)
        if isinstance(profiles, InvalidConfigurationError):
            return profiles
        return view_of(profiles, selected(profile, caller_profile, io.environ()).name.value)

    def tell(self, notes: Iterable[Note]) -> None:
        """Log, once each, which lines were not understood, though nothing that is used here depends on them."""
        for note in islice(notes, MOST_TOLD):
            if (place := (note.path, note.problem.line)) not in self._told:
                self._told.add(place)
                log("shared_files", "warning", "%s", note)

    def _signature(self, place: Location) -> Signature | None:
        """Return that of the version that is known."""
        known = None if self._options.ignore_cache else self._known.get(place.path)
        return None if known is None else known.signature

    async def _sections(
        self, io: Io, place: Location, kind: FileKind, version: FileVersion | ReadFailure | None
    ) -> Sections | InvalidConfigurationError | None:
        if version is None:
            return self._known[place.path].sections
        if isinstance(version, ReadFailure):
            return self._unreadable(version, place)
        if len(version.content) <= PARSED_AT_ONCE:
            sections = _sections_in(version, place, kind)
        else:
            sections = await io.run_in_thread(_sections_in, version, place, kind)
        if not isinstance(sections, InvalidConfigurationError):
            self._known[place.path] = _Known(version.signature, sections)
        return sections

    def _unreadable(self, problem: ReadFailure, place: Location) -> InvalidConfigurationError | None:
        """Return the error for a file that cannot be read; None: it is not there, and nobody insists on it."""
        if problem.is_missing and not place.origin.startswith("option"):
            return None
        return InvalidConfigurationError(f"{place.shown} {problem.detail} ({place.origin})", source=NAME)


def view_of(profiles: Profiles, name: str) -> ProfileView | InvalidConfigurationError:
    """Return what a profile says about services, with the ``services`` section that it refers to."""
    profile = profiles.look(name)
    if profile is None:
        return ProfileView()
    if (problem := profile.error(NAME)) is not None:
        return problem
    named = profile.settings.get("services")
    if named is None:
        return ProfileView(profile)
    services = profiles.find_section("services", named.value, NAME)
    if isinstance(services, InvalidConfigurationError):
        message = f"{services.message}, and profile {profile.name!r} names it ({named.origin})"
        services = InvalidConfigurationError(message, source=NAME, hint=services.hint)
    return ProfileView(profile, services)


def _sections_in(version: FileVersion, place: Location, kind: FileKind) -> Sections | InvalidConfigurationError:
    try:
        return read(version.content.decode("utf-8"), kind)
    except UnicodeDecodeError as error:
        line = version.content.count(b"\n", 0, error.start) + 1
    return InvalidConfigurationError(f"{place.shown}:{line} is not UTF-8 text ({place.origin})", source=NAME)
