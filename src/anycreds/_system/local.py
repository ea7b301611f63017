"""Files on this machine, in one module, so that one thread imports all that they need."""

from __future__ import annotations

from . import detached
from .files import atomic_write, lock, read  # noqa: F401 - `LazyFileLock` uses it


class LocalMachine:
    """The functions behind the methods of ``Io`` that concern this machine."""

    read_file = staticmethod(read.read_file)
    read_private = staticmethod(read.read_private)
    write_private = staticmethod(atomic_write.write_private)
    run_detached = staticmethod(detached.run_detached)
