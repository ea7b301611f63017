"""The shared files, for all providers that one factory makes. Their parser is imported only if a file exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

from .._config.locations import FILE_LIMIT, Location, shared_file_locations

if TYPE_CHECKING:
    import os

    from .._config.service_settings import ProfileView
    from .._config.shared_files import SharedFiles
    from .._core.io import FileVersion, Io, ReadFailure

    Path: TypeAlias = str | os.PathLike[str] | None

_NAME = "shared files"


class Files:
    """Both shared files. The arguments are those of ``FileOptions``."""

    __slots__ = ("_missing_in", "_options", "_shared")

    def __init__(self, filepath: Path = None, config_filepath: Path = None, ignore_cache: bool = False) -> None:
        self._options = filepath, config_filepath, ignore_cache
        self._shared: SharedFiles | None = None
        self._missing_in: ref[Io] | None = None

    def __call__(self) -> SharedFiles:
        """Return what reads them, always the same object. The first call imports it, so a thread makes it."""
        if self._shared is None:
            from .._config.shared_files import FileOptions, SharedFiles

            shared = SharedFiles(FileOptions(*self._options))
            self._shared = self._shared or shared  # another thread may have been first
        return self._shared

    async def are_missing(self, io: Io) -> bool:
        """Return whether there are no files, and none that must exist: the same for all steps of one attempt."""
        if self._missing_in is not None and self._missing_in() is io:
            return True
        files = self._locations(io)
        found = await io.read_if_changed([(location.path, None) for location in files], FILE_LIMIT)
        return self._note(io, files, found)

    def are_missing_now(self, io: Io) -> bool:
        """Return what ``are_missing`` returns; False if that has to wait."""
        if self._missing_in is not None and self._missing_in() is io:
            return True
        files = self._locations(io)
        found = io.read_at_once([(location.path, None) for location in files])
        return found is not None and self._note(io, files, found)

    def _locations(self, io: Io) -> list[Location]:
        filepath, config_filepath, _ = self._options
        locations = shared_file_locations(io.environ(), io.home_directory, filepath, config_filepath, _NAME)
        return [location for _, location in locations.files()]

    def _note(self, io: Io, files: list[Location], found: list[FileVersion | ReadFailure | None]) -> bool:
        for location, version in zip(files, found, strict=True):
            if not (location.may_be_missing and getattr(version, "is_missing", False)):
                return False
        self._missing_in = ref(io)
        return True

    async def view(self, io: Io, client_profile: str | None, profile: str | None = None) -> ProfileView:
        """Return the settings of the selected profile; see ``ProfileViews``."""
        if self._shared is None and await self.are_missing(io):
            from .._config.service_settings import ProfileView

            return ProfileView()
        shared = await io.run_in_thread(self) if self._shared is None else self._shared
        return await shared.view(io, client_profile, profile)
