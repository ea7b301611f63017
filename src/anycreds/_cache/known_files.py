"""The files that cached credentials came from, in their versions, and when they are checked for new ones.

Plain values. ``changed_files`` makes the check. All times are in seconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .._core.io import FileQuery
    from .._core.used_files import FileVersions
    from .refresh_results import RefreshResult

# Between two checks: as long as the interval of the fast path, so that a hit never makes one.
CHECK_INTERVAL = 60.0


class KnownFiles(NamedTuple):
    """The files that the cached credentials came from."""

    used: tuple[FileQuery, ...] = ()  # in these versions
    seen: tuple[FileQuery, ...] = ()  # in their newest versions, whose refresh may not have ended, or have failed
    check_at: float = math.inf  # when they are due to be checked (monotonic)


NO_FILES = KnownFiles()


def files_after(known: KnownFiles, used: FileVersions, result: RefreshResult, now: float) -> KnownFiles:
    """Return the files to check after a refresh: those that it has used; if it has failed, those from before, too."""
    if result.cached is None:
        return NO_FILES
    if result.event in ("failed", "extended"):
        seen = tuple({**dict(known.seen), **used}.items())
        return KnownFiles(known.used, seen, now + CHECK_INTERVAL) if seen else NO_FILES
    files = tuple(used.items())
    return KnownFiles(files, files, now + CHECK_INTERVAL) if files else NO_FILES
