"""The shared files as one attempt sees them: read when they have changed, and each at most once."""

from __future__ import annotations

from collections.abc import Sequence

from ..._core.io import FileQuery, FileVersion, ReadFailure, Signature
from .direct import read_directly
from .read import FoundFile, read_in_thread, read_regular, signature_of


async def read_if_changed(wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
    """Return the current version of each file; None if it is still the known version. One thread at most reads them."""

    def read_all() -> list[FoundFile | ReadFailure]:
        return [read_regular(path, limit, known) for path, known in wanted]

    versions = read_at_once(wanted)
    return [_version(found) for found in await read_in_thread(read_all)] if versions is None else versions


def read_at_once(wanted: Sequence[FileQuery]) -> list[FileVersion | ReadFailure | None] | None:
    """Return what ``read_if_changed`` returns, if no thread is needed; else None."""
    found = read_directly(wanted)
    return None if found is None else [_version(one) for one in found]


class FileSnapshot:
    """The shared files as one attempt has seen them: each file is read at most once.

    All steps of an attempt then see the same state, even if another program writes meanwhile.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Signature | None, FileVersion | ReadFailure | None]] = {}

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        """Return the current version of each file; None if it is still the known version."""
        unread = self._unread(wanted)
        return self._versions(wanted, unread, await read_if_changed(unread, limit) if unread else [])

    def read_at_once(self, wanted: Sequence[FileQuery]) -> list[FileVersion | ReadFailure | None] | None:
        """Return what ``read_if_changed`` returns, if no thread is needed; else None."""
        unread = self._unread(wanted)
        found = read_at_once(unread) if unread else []
        return None if found is None else self._versions(wanted, unread, found)

    def _unread(self, wanted: Sequence[FileQuery]) -> list[FileQuery]:
        return [(path, known) for path, known in wanted if not self._is_known(path, known)]

    def _versions(
        self,
        wanted: Sequence[FileQuery],
        unread: Sequence[FileQuery],
        found: Sequence[FileVersion | ReadFailure | None],
    ) -> list[FileVersion | ReadFailure | None]:
        for (path, known), one in zip(unread, found, strict=True):
            self._seen[path] = (known, one)
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


def _version(found: FoundFile | ReadFailure) -> FileVersion | ReadFailure | None:
    if isinstance(found, ReadFailure):
        return found
    return None if found.is_known else FileVersion(found.content, signature_of(found.status))
