"""The shared files as one attempt has seen them: each file is read at most once.

All steps of an attempt then see the same state, even if another program writes meanwhile. And a read needs a thread and
several turns of the event loop, which are long where thousands of tasks run.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..._core.io import FileQuery, FileVersion, ReadFailure, Signature
from . import read as files


class FileSnapshot:
    """The files that one attempt has read."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Signature | None, FileVersion | ReadFailure | None]] = {}

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        """Return the current version of each file; None if it is still the known version."""
        unread = [(path, known) for path, known in wanted if not self._is_known(path, known)]
        if unread:
            for (path, known), found in zip(unread, await files.read_if_changed(unread, limit), strict=True):
                self._seen[path] = (known, found)
        return [self._version_if_changed(path, known) for path, known in wanted]

    def _is_known(self, path: str, known: Signature | None) -> bool:
        """Return whether what was seen of a file is enough for a caller that has this version of it."""
        if path not in self._seen:
            return False
        unchanged_since, found = self._seen[path]
        return found is not None or unchanged_since == known

    def _version_if_changed(self, path: str, known: Signature | None) -> FileVersion | ReadFailure | None:
        found = self._seen[path][1]
        return None if isinstance(found, FileVersion) and found.signature == known else found
