"""The cache of one token: a JSON file that other programs, such as the AWS CLI and other SDKs, read and refresh too.

A refresh token can be used once, and the response contains its successor. So two processes must not use the same one,
and a response must not be lost:

* A refresh holds a lock file. When it has the lock, it reads the token file again. If another process has stored a
  usable token meanwhile, that is the result. As long as a living process holds the lock, no other one refreshes: it may
  be suspended in the middle of a refresh, and goes on later. Only where locks do not work, a refresh goes on without.
* Programs that do not use the lock may still be faster. Then the service rejects the refresh token, and their new token
  appears in the file shortly after. So a rejection becomes an error only after the file was read a few times more.
* From the request to the write, a refresh runs detached from its caller: in another event loop, with the lock. So a
  cancelled caller leaves at once, and neither that nor the end of its event loop stops the refresh.
* The file is replaced only if it is still what the refresh has read. If the user has signed in or out meanwhile, or
  another process has written a token, that stays.
* A new token is stored in memory first, and then written to the file. If that fails, the token in memory is used for as
  long as the file contains the document that the new one replaces. Any other document, or none, is the work of another
  process or of the user, so the token in memory is dropped.
* Fields of the document that are unknown here are written back unchanged.
* The service is called at most once in 30 seconds. Meanwhile the last error is raised again, or the token is used that
  the last refresh returned.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Generic, NamedTuple, TypeVar

from ..._config.locations import Location
from ..._core.errors import LoginRequiredError, RetrievalError, strip_frames
from ..._core.events import CacheWriteFailed
from ..._core.io import Io, Signature
from ..._core.logs import log, notify
from ..._core.validation import InvalidValueError
from .token_file import Document, read_token_file, write_token_file

T = TypeVar("T")

# Seconds that a token must still be valid for, otherwise it is refreshed. All SDKs use 5 minutes.
REFRESH_BUFFER = 5 * 60.0
# Seconds between two refreshes, as in JavaScript and Rust.
REFRESH_COOLDOWN = 30.0
# Seconds to wait for the lock. A refresh with all its retries takes up to 15 s, but hardly ever more than one.
LOCK_SECONDS = 10.0
# Seconds before each reading of the file after a rejection.
_RACE_DELAYS = (0.0, 0.05, 0.1, 0.2)


class CachedToken(NamedTuple, Generic[T]):
    """A token, and the document that it was parsed from. Its repr shows neither."""

    file: Location
    token: T
    document: Document
    file_document: Document
    """The document in the file: an older one than ``document`` if that could not be written."""
    signature: Signature | None = None
    """The version of the file; None if the file could not be read."""

    def __repr__(self) -> str:
        return "CachedToken()"


class _LastRefresh(NamedTuple):
    time: float  # of the monotonic clock
    error: RetrievalError | None


class TokenCache(Generic[T]):
    """The token of the provider ``name``, in its file, and in memory while it cannot be written.

    ``parse`` returns the token in a document, or raises ``InvalidValueError``.
    """

    __slots__ = ("_has_warned", "_last_refresh", "_name", "_parse", "_pending")

    def __init__(self, name: str, parse: Callable[[Document], T]) -> None:
        self._name = name
        self._parse = parse
        self._pending: CachedToken[T] | None = None  # while its document is not in the file
        self._last_refresh: _LastRefresh | None = None
        self._has_warned = False

    async def load(self, io: Io, file: Location) -> CachedToken[T]:
        """Return the newest token. Raise ``InvalidValueError``, whose text names the file, if there is no valid one.

        The file is read at every call.
        """
        try:
            found = await read_token_file(io, file)
        except InvalidValueError as error:
            if (pending := self._pending_for(file)) is not None:
                return pending
            raise InvalidValueError(f"{file.display_path} {error}") from None
        if found is not None and found.is_accessible_to_others and not self._has_warned:
            self._has_warned = True
            self._warn("%s: %s %s; run chmod 600 on it", file, "is accessible to other users")
        document = None if found is None else found.document
        signature = None if found is None else found.signature
        pending = self._pending_for(file)
        if pending is not None and document == pending.file_document:
            return pending._replace(signature=signature)
        if pending is not None and self._pending is pending:  # otherwise another thread has stored a newer token
            self._pending = None
        if document is None:
            raise InvalidValueError(f"{file.display_path} does not exist")
        return CachedToken(file, self._parse_token(file, document), document, document, signature)

    async def refresh(
        self,
        io: Io,
        cached: CachedToken[T],
        is_usable: Callable[[T], bool],
        request: Callable[[Io, T], Awaitable[Document]],
    ) -> T:
        """Return a token that another process has refreshed and that needs no refresh, or refresh it.

        ``request`` sends the refresh request for a token, and returns the changes to the document. What it raises is
        raised here too, and again within the cooldown. It raises ``LoginRequiredError`` if the service rejects the
        token for good, and ``InvalidConfigurationError`` if no request can be sent. ``InvalidValueError`` says that
        there is no valid token any more; its text names the file.
        """
        if self._is_cooling_down(io):
            return cached.token
        async with AsyncExitStack() as stack:
            failure = await stack.enter_async_context(io.file_lock(cached.file.path, LOCK_SECONDS))
            if failure is not None:
                if failure.is_busy:
                    return await self._use_newer(io, cached.file, is_usable, failure.detail)
                self._warn("%s: %s %s; continuing without the lock", cached.file, failure.detail)
            lock = stack.pop_all()

            async def work(io: Io) -> T:
                async with lock:
                    return await self._refresh(io, cached.file, is_usable, request)

            return await io.run_detached(work)  # without a pause: an event loop that ends now would leave it locked

    async def _use_newer(self, io: Io, file: Location, is_usable: Callable[[T], bool], reason: str) -> T:
        """Return the token of the process that holds the lock, if it has written one. Otherwise raise an error."""
        newest = await self.load(io, file)
        if is_usable(newest.token):
            return newest.token
        raise RetrievalError(
            f"the token in {file.display_path} cannot be refreshed: its lock file {reason}",
            source=self._name,
            hint="if that process is suspended, let it go on or end it; if it hangs, end it",
        )

    async def _refresh(
        self,
        io: Io,
        file: Location,
        is_usable: Callable[[T], bool],
        request: Callable[[Io, T], Awaitable[Document]],
    ) -> T:
        cached = await self.load(io, file)
        if is_usable(cached.token):
            return cached.token
        if self._is_cooling_down(io):  # another event loop of this program has refreshed
            return cached.token
        try:
            changes = await request(io, cached.token)
        except RetrievalError as error:  # after any other exception, a cancellation too, the next call tries again
            self._last_refresh = _LastRefresh(io.monotonic(), error._copy())
            strip_frames(error)  # it may be dropped below, and then no boundary strips it
            if isinstance(error, LoginRequiredError):
                newer = await self._reload_after_race(io, file, is_usable)
                if newer is not None:
                    return newer
            raise
        self._last_refresh = _LastRefresh(io.monotonic(), None)
        return await self._store(io, cached, changes)

    def _is_cooling_down(self, io: Io) -> bool:
        """Return whether the last refresh was a moment ago. Raise its error again if it failed."""
        last = self._last_refresh
        if last is None or io.monotonic() - last.time >= REFRESH_COOLDOWN:
            return False
        if last.error is not None:
            raise last.error._copy()
        return True

    async def _reload_after_race(self, io: Io, file: Location, is_usable: Callable[[T], bool]) -> T | None:
        """Return the token of a program that has used the refresh token first; None if there is none."""
        for delay in _RACE_DELAYS:
            await io.sleep(delay)
            with suppress(InvalidValueError):
                cached = await self.load(io, file)
                if is_usable(cached.token):
                    return cached.token
        return None

    async def _store(self, io: Io, old: CachedToken[T], changes: Document) -> T:
        """Store a new token, in memory before the first await, then in the file. Return it.

        If the file contains another document meanwhile, or was deleted, ``load`` drops the new token.
        """
        file, document = old.file, {**old.document, **changes}
        token = self._parse_token(file, document)
        self._pending = CachedToken(file, token, document, old.file_document)
        failure = await write_token_file(io, file, document, old.signature)
        if failure is not None and failure.is_changed:
            self._warn("%s: %s %s during the refresh", file, failure.detail)
            newest = await self.load(io, file)
            if self._pending_for(file) is None:
                return newest.token
            # It has the same document, with other permissions for example, or cannot be read.
            failure = await write_token_file(io, file, document, newest.signature)
        if failure is not None:
            self._warn("%s: %s %s; the new token is cached in memory only", file, failure.detail)
            notify(CacheWriteFailed(self._name, file.display_path, failure.detail))
        return token

    def _pending_for(self, file: Location) -> CachedToken[T] | None:
        pending = self._pending
        return pending if pending is not None and pending.file.path == file.path else None

    def _parse_token(self, file: Location, document: Document) -> T:
        try:
            return self._parse(document)
        except InvalidValueError as error:
            raise InvalidValueError(f"{file.display_path}: {error}") from None

    def _warn(self, message: str, file: Location, detail: str) -> None:
        log("token_files", "warning", message, self._name, file.display_path, detail)
