"""Reads the two shared files of all AWS tools as profiles. A file is read again only if it has changed.

A failed read is never cached, so a file that appears is found by the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from os import PathLike
from typing import NamedTuple

from .._core.errors import ConfigParseError, InvalidConfigurationError
from .._core.io import FileQuery, FileVersion, ImmediateIo, Io, ReadFailure, Signature
from .._core.logs import log
from .._core.used_files import use_files
from .locations import FILE_LIMIT, Location, Locations, select_profile, shared_file_locations
from .parser import read_in_steps
from .parser.sections import FileKind, Sections
from .profiles import FileDiagnostic, Profiles
from .service_settings import MissingSection, ProfileView
from .settings import first_set

NAME = "shared files"
# Parsing this much takes a millisecond. Larger files are parsed in a thread, so that they do not block the event loop.
PARSED_AT_ONCE = 64 * 1024
# At most so many diagnostics are logged at a time; a file with more is not a shared file.
MAX_LOGGED = 20

_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class FileOptions(NamedTuple):
    """The user's options for the files."""

    filepath: str | PathLike[str] | None = None
    """The credentials file; None for ``AWS_SHARED_CREDENTIALS_FILE``, otherwise ``~/.aws/credentials``."""
    config_filepath: str | PathLike[str] | None = None
    """The config file; None for ``AWS_CONFIG_FILE``, otherwise ``~/.aws/config``."""
    ignore_cache: bool = False
    """Read both files at every call, even if they have not changed."""


class _ParsedFile(NamedTuple):
    signature: Signature
    sections: Sections


class _Lookup(NamedTuple):
    """Where the files are, which of them to read, and which versions are known."""

    locations: Locations
    files: list[tuple[FileKind, Location, _ParsedFile | None]]
    queries: list[FileQuery]


class SharedFiles:
    """Reads the files for one provider and caches what it has read."""

    __slots__ = ("_logged", "_merged", "_options", "_parsed")

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._parsed: dict[tuple[FileKind, str], _ParsedFile] = {}
        self._merged: tuple[tuple[str, str, int, int], Profiles] | None = None
        self._logged: set[tuple[str, int]] = set()

    async def profiles(self, io: Io, *, are_used: bool = True) -> Profiles:
        """Return the profiles of both files as they are now: the same object as long as both files are unchanged.

        So a caller can keep what it has computed from the profiles, and compare the object by ``is``. A file that
        cannot be read, and a missing one that an option names, raises ``InvalidConfigurationError``. With ``are_used``,
        the credentials of this attempt depend on the files.
        """
        lookup = self._lookup(io.environ(), io.home_directory)
        versions = await io.read_if_changed(lookup.queries, FILE_LIMIT)
        if are_used:
            use_files(_signatures(lookup.queries, versions))
        found: list[Sections | None] = []
        for (kind, location, known), version in zip(lookup.files, versions, strict=True):
            if isinstance(version, FileVersion) and len(version.content) > PARSED_AT_ONCE:
                steps = _parse_in_steps(version.content, location, kind)
                while (sections := await io.run_in_thread(next, steps)) is None:
                    pass
                found.append(self._keep(kind, location, version, sections))
            else:
                found.append(self._sections(kind, location, known, version))
        return self._merge(lookup, found)

    def profiles_at_once(self, io: ImmediateIo) -> Profiles | None:
        """Return what ``profiles`` returns, if that waits for nothing; else None."""
        environ = io.environ()
        if first_set(environ, "HOME") is None:
            return None  # the system's user database may be on a server
        lookup = self._lookup(environ, lambda: None)
        versions = io.read_at_once(lookup.queries)
        if versions is None:
            return None
        use_files(_signatures(lookup.queries, versions))
        found = [self._sections(*file, version) for file, version in zip(lookup.files, versions, strict=True)]
        return self._merge(lookup, found)

    def _lookup(self, environ: Mapping[str, str], home_directory: Callable[[], str | None]) -> _Lookup:
        options = self._options
        locations = shared_file_locations(environ, home_directory, options.filepath, options.config_filepath, NAME)
        # A version that has not changed since is taken from here: another thread may have replaced it by an older one.
        files = [(kind, location, self._known(kind, location)) for kind, location in locations.files()]
        queries = [(location.path, None if known is None else known.signature) for _, location, known in files]
        return _Lookup(locations, files, queries)

    def _merge(self, lookup: _Lookup, sections: Sequence[Sections | None]) -> Profiles:
        found = {kind: one for (kind, *_), one in zip(lookup.files, sections, strict=True)}
        config, credentials = found.get("config"), found.get("credentials")
        locations = lookup.locations
        config_path = locations.config.display_path if locations.config else "~/.aws/config"
        credentials_path = locations.credentials.display_path if locations.credentials else "~/.aws/credentials"
        # No other object can have one of these identities, because the profiles refer to the sections.
        identity = (config_path, credentials_path, id(config), id(credentials))
        merged = self._merged
        if merged is None or merged[0] != identity:
            merged = self._merged = identity, Profiles(config, credentials, config_path, credentials_path)
        return merged[1]

    async def view(self, io: Io, client_profile: str | None, profile: str | None = None) -> ProfileView:
        """Return the settings of service calls in the selected profile; an empty view if there is no such profile."""
        profiles = await self.profiles(io, are_used=False)
        return view_of(profiles, select_profile(profile, client_profile, io.environ()).name.value)

    def log_diagnostics(self, diagnostics: Iterable[FileDiagnostic]) -> None:
        """Log, once each, the lines that were ignored or that belong to sections which are not used."""
        for diagnostic in islice(diagnostics, MAX_LOGGED):
            if (reference := (diagnostic.path, diagnostic.line)) not in self._logged:
                self._logged.add(reference)
                log("shared_files", "warning", "%s", diagnostic)

    def _known(self, kind: FileKind, location: Location) -> _ParsedFile | None:
        """Return the cached version; None if there is none, or it must not be used."""
        return None if self._options.ignore_cache else self._parsed.get((kind, location.path))

    def _sections(
        self, kind: FileKind, location: Location, known: _ParsedFile | None, version: FileVersion | ReadFailure | None
    ) -> Sections | None:
        """Return the sections of a file; None if it does not exist and no option names it."""
        if version is None:
            assert known is not None  # only a known version can be unchanged
            return known.sections
        if isinstance(version, ReadFailure):
            if version.is_missing and location.may_be_missing:
                return None
            message = f"{location.display_path} {version.detail} ({location.origin})"
            raise InvalidConfigurationError(message, source=NAME)
        *_, sections = _parse_in_steps(version.content, location, kind)
        assert sections is not None  # the last step is the result
        return self._keep(kind, location, version, sections)

    def _keep(self, kind: FileKind, location: Location, version: FileVersion, sections: Sections) -> Sections:
        self._parsed[kind, location.path] = _ParsedFile(version.signature, sections)
        return sections


def view_of(profiles: Profiles, name: str) -> ProfileView:
    """Return the settings of service calls in a profile, with the ``services`` section that it refers to."""
    profile = profiles.get(name)
    if profile is None:
        return ProfileView()
    profile.check(NAME)
    reference = profile.settings.get("services")
    if reference is None:
        return ProfileView(profile)
    try:
        return ProfileView(profile, profiles.find_section("services", reference, profile, NAME))
    except InvalidConfigurationError as error:  # to be raised only if the section is needed
        return ProfileView(profile, MissingSection(error.message, error.hint, NAME))


def _signatures(
    queries: Sequence[FileQuery], versions: Sequence[FileVersion | ReadFailure | None]
) -> Iterator[FileQuery]:
    """Yield the current version of each file; None for one that could not be read."""
    for (path, known), version in zip(queries, versions, strict=True):
        yield path, known if version is None else getattr(version, "signature", None)


def _parse_in_steps(content: bytes, location: Location, kind: FileKind) -> Iterator[Sections | None]:
    """Yield the sections of a file, after None for each step; see ``read_in_steps``."""
    if content.startswith(_UTF_16_MARKS):
        path = location.display_path
        raise ConfigParseError(
            f"unable to parse {path}:1: the file is UTF-16 text; expected UTF-8 ({location.origin})",
            path=path,
            line=1,
            source=NAME,
            hint="save the file as UTF-8",
        )
    # A byte that is not UTF-8 becomes a lone surrogate, which the parser reports for the section that contains it.
    yield from read_in_steps(content.decode("utf-8", "surrogateescape"), kind)
