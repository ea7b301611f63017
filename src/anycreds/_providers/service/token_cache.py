"""A token in a JSON file that other programs use too, such as the AWS CLI and other SDKs.

It is read without trust, refreshed by one process at a time, and written back with all that is not understood here. A
token that was refreshed is never thrown away because it cannot be written: it is then kept in memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from ..._config.locations import Location, resolve_path
from ..._config.settings import Setting
from ..._core.errors import CredentialsError, InvalidConfigurationError, LoginRequiredError
from ..._core.events import CacheWriteFailed
from ..._core.io import Io, PrivateFile, ReadFailure, WriteFailure
from ..._core.logs import log
from ..._core.observer import notify
from ..._core.validation import InvalidValueError
from ..._wire.json import parse_object
from ..._wire.text import decode_utf8

T = TypeVar("T")
Document: TypeAlias = Mapping[str, Any]
Refresh: TypeAlias = Callable[[T], Awaitable[Document | CredentialsError]]

# A few tokens of some KiB each. What is larger is another file, and would keep the event loop busy for milliseconds.
LIMIT = 64 * 1024
# An exchange with all its repetitions takes up to 15 s, but hardly ever more than one. Then it is better to go on: the
# service tells who is too late, and what another process has written meanwhile is adopted all the same.
LOCK_SECONDS = 10.0
# As in JavaScript and Rust: a service that refuses one refresh is not asked for another at once.
PAUSE = 30.0
# A refresh token is good for one refresh, and its successor is in the answer: whoever is cancelled waits so long
# for it and for the file: less than a flight has for its clean-up, which is 2 s.
_FINISHING = 1.5
# The AWS CLI and JavaScript rewrite the file in place: for a moment it is empty, or half of it is missing.
_TORN = 0.05
# Where a program that knows no lock was faster with the same refresh token, this is when its new token is in the file.
_SIBLING = (0.0, 0.05, 0.1, 0.2)


class Held(NamedTuple, Generic[T]):
    """A token, and the document that it comes from. It cannot be printed."""

    token: T
    document: Document
    in_file: Document
    """What the file holds. That is another document while what is kept in memory could not be written."""

    def __repr__(self) -> str:
        return "Held()"


class _Kept(NamedTuple):
    path: str
    replaced: Document
    document: Document

    def __repr__(self) -> str:
        return "_Kept()"


def token_file(io: Io, directory: Setting, name: str, source: str) -> Location | InvalidConfigurationError:
    """Return where a token is to be looked for. A leading ``~`` in the directory is the home directory."""
    path = Setting(f"{directory.value.rstrip('/')}/{name}", directory.origin)
    try:
        return resolve_path(path, io.environ(), io.home_directory, source)
    except InvalidConfigurationError as error:
        return error.with_traceback(None)


class TokenFiles(Generic[T]):
    """The token file of one provider. ``parse`` returns the token in a document, or raises ``InvalidValueError``."""

    __slots__ = ("_asked_at", "_failure", "_kept", "_name", "_parse", "_warned")

    def __init__(self, name: str, parse: Callable[[Document], T]) -> None:
        self._name = name
        self._parse = parse
        self._kept: _Kept | None = None
        self._asked_at: float | None = None
        self._failure: CredentialsError | None = None
        self._warned = False

    async def load(self, io: Io, file: Location) -> Held[T]:
        """Return the newest token.

        Raises ``InvalidValueError``, which names the file, if there is no valid token.

        That is what the file holds, read anew; but if a refreshed token could not be written, and the file still holds
        the one before, then it is the refreshed one.
        """
        found: Document | InvalidValueError | None
        try:
            found = await self._document(io, file)
        except InvalidValueError as error:
            found = error
        kept = self._kept
        if kept is not None and kept.path == file.path:
            if found == kept.replaced or isinstance(found, InvalidValueError):
                return self._held(file, kept.document, kept.replaced)
            if self._kept is kept:  # else another thread knows better
                self._kept = None  # somebody has signed in, signed out, or refreshed
        if found is None:
            raise InvalidValueError(f"{file.display_path} does not exist")
        if isinstance(found, InvalidValueError):
            raise InvalidValueError(f"{file.display_path} {found}")
        return self._held(file, found, found)

    async def renew(
        self, io: Io, file: Location, held: Held[T], is_enough: Callable[[T], bool], refresh: Refresh[T]
    ) -> T | CredentialsError:
        """Return a token that is new, or the error of the refresh.

        Raises ``InvalidValueError``, which names the file, if there is no valid token.

        Under a lock the file is read again. A token that is enough by now is taken; else ``refresh`` is awaited, once.
        It returns what has to change in the document, or an error: ``LoginRequiredError`` if the service has refused
        for good. Within 30 s of an attempt that has gone wrong its error is returned again, and of one that has gone
        well the token that is held.
        """
        if self._is_too_soon(io):
            return self._last(held)
        async with io.file_lock(file.path, LOCK_SECONDS) as problem:
            if problem is not None:
                log(
                    "token_files",
                    "warning",
                    "%s: %s %s; it goes on without",
                    self._name,
                    file.display_path,
                    problem.detail,
                )
            newest = await self.load(io, file)
            if is_enough(newest.token):
                return newest.token
            if self._is_too_soon(io):  # another event loop of this program has asked meanwhile
                return self._last(newest)
            return await io.shielded(self._ask(io, file, newest, is_enough, refresh), _FINISHING)

    async def _ask(
        self, io: Io, file: Location, held: Held[T], is_enough: Callable[[T], bool], refresh: Refresh[T]
    ) -> T | CredentialsError:
        try:
            changes = await refresh(held.token)
        except CredentialsError as error:
            return error.with_traceback(None)  # there is no client, for want of a bundle, say; so nobody was asked
        self._asked_at = io.monotonic()  # an attempt that was cancelled does not count: it has told nothing
        if not isinstance(changes, CredentialsError):
            self._failure = None
            return await self._write(io, file, held, changes)
        self._failure = changes._copy()  # the one that is raised gets a traceback
        sibling = await self._sibling(io, file, is_enough) if isinstance(changes, LoginRequiredError) else None
        return changes if sibling is None else sibling.token

    def _is_too_soon(self, io: Io) -> bool:
        return self._asked_at is not None and io.monotonic() - self._asked_at < PAUSE

    def _last(self, held: Held[T]) -> T | CredentialsError:
        return held.token if self._failure is None else self._failure._copy()

    async def _sibling(self, io: Io, file: Location, is_enough: Callable[[T], bool]) -> Held[T] | None:
        """Return the token of a program that was faster, if there is one."""
        for pause in _SIBLING:
            await io.sleep(pause)
            with suppress(InvalidValueError):
                held = await self.load(io, file)
                if is_enough(held.token):
                    return held
        return None

    async def _write(self, io: Io, file: Location, held: Held[T], changes: Document) -> T:
        """Keep a refreshed token. Nothing waits before it is in memory, and then on its way to the file."""
        new = self._held(file, {**held.document, **changes}, held.in_file)
        self._kept = _Kept(file.path, held.in_file, new.document)
        content = _content(new.document)
        problem = await io.write_private(file.path, content) if isinstance(content, bytes) else content
        if problem is not None:
            message = "%s: %s %s; the new token is kept in memory only"
            log("token_files", "warning", message, self._name, file.display_path, problem.detail)
            notify(CacheWriteFailed(self._name, file.display_path, problem.detail))
        return new.token

    async def _document(self, io: Io, file: Location) -> Document | None:
        """Return the JSON object in a file; None if there is no such file. Raise ``InvalidValueError`` for another."""
        content = await io.read_private(file.path, LIMIT)
        try:
            return self._read(content, file)
        except InvalidValueError:
            await io.sleep(_TORN)
        return self._read(await io.read_private(file.path, LIMIT), file)

    def _read(self, content: PrivateFile | ReadFailure, file: Location) -> Document | None:
        if isinstance(content, PrivateFile) and content.is_accessible_to_others and not self._warned:
            self._warned = True
            log("token_files", "warning", "%s: others can read %s; chmod 600 it", self._name, file.display_path)
        if isinstance(content, PrivateFile):
            return parse_object(decode_utf8(content.content))
        if content.is_missing:
            return None
        raise InvalidValueError(content.detail)

    def _held(self, file: Location, document: Document, in_file: Document) -> Held[T]:
        try:
            return Held(self._parse(document), document, in_file)
        except InvalidValueError as error:
            raise InvalidValueError(f"{file.display_path}: {error}") from None


def _content(document: Document) -> bytes | WriteFailure:
    import json  # only here: programs with plain environment keys never load it through us

    try:
        content = json.dumps(document, indent=2, allow_nan=False).encode()
        if len(content) <= LIMIT:
            return content
        # What was read was shorter, and must not grow beyond what is read again.
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return WriteFailure("would be too large to be read again")
    except ValueError:
        return WriteFailure("has a number without an end, which cannot be written as JSON")
