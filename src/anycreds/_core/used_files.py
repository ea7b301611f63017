"""The files whose content determines the credentials of an attempt, so that a cache can notice that they change.

A provider that reads its credentials, or what describes them, from a file calls ``use_files``. Files that are replaced
every hour while the credentials stay valid do not count: web identity tokens, and the tokens of containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .io import FileQuery, Signature

FileVersions: TypeAlias = "dict[str, Signature | None]"
"""The version of each file that was used, by its path; None if there was no such file."""

# Of the refresh that the current code is a part of; None outside a refresh. Work in other threads adds to it too.
_used: ContextVar[FileVersions | None] = ContextVar("anycreds_files", default=None)


def record_files() -> FileVersions:
    """Return where the files are recorded from now on that are used in the current context."""
    versions: FileVersions = {}
    _used.set(versions)
    return versions


def use_files(versions: Iterable[FileQuery]) -> None:
    """Record that the credentials depend on these versions of files."""
    used = _used.get()
    if used is not None:
        used.update(versions)


@contextmanager
def unrecorded_files() -> Iterator[None]:
    """Return a ``with`` for what the credentials do not depend on once the attempt has succeeded."""
    token = _used.set(None)
    try:
        yield
    finally:
        _used.reset(token)
