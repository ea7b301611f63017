"""A ``FileLock`` that is imported when it is entered."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import preload

if TYPE_CHECKING:
    from ..._core.io import WriteFailure


class LazyFileLock:
    """An ``async with`` like ``FileLock``.

    A class, because an event loop that ends closes the generator of an ``asynccontextmanager``, and so releases a lock
    that detached work still needs.
    """

    __slots__ = ("_arguments", "_lock")

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    async def __aenter__(self) -> WriteFailure | None:
        await preload.preload(("anycreds._system.local",))
        from .lock import FileLock

        self._lock = FileLock(*self._arguments)
        return await self._lock.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._lock.__aexit__(kind, error, traceback)
