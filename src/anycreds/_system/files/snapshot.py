"""What one attempt has seen of the files that all its steps ask for: it looks at each once.

A look takes a thread, and with it several turns of the event loop, which are long where thousands of tasks run. And all
steps of an attempt see the same state, though somebody may be writing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..._core.io import FileQuery, FileVersion, ReadFailure, Signature
from . import read as files


class OneLook:
    """The looks of one attempt."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Signature | None, FileVersion | ReadFailure | None]] = {}

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        """Return versions of files other than those that are known; None: there is no other."""
        unseen = [(path, known) for path, known in wanted if not self._tells(path, known)]
        if unseen:
            for (path, known), found in zip(unseen, await files.read_if_changed(unseen, limit), strict=True):
                self._seen[path] = (known, found)
        return [self._seen_of(path, known) for path, known in wanted]

    def _tells(self, path: str, known: Signature | None) -> bool:
        """Tell whether it was looked at, and what was seen says all to who knows this version."""
        if path not in self._seen:
            return False
        unchanged_since, found = self._seen[path]
        return found is not None or unchanged_since == known

    def _seen_of(self, path: str, known: Signature | None) -> FileVersion | ReadFailure | None:
        found = self._seen[path][1]
        return None if isinstance(found, FileVersion) and found.signature == known else found
