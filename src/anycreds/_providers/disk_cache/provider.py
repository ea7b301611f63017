"""Credentials in a file that processes share, so that only one of them calls the source when they are due.

* The file is read at every attempt. Credentials in it that are not due are the result. Those that the caller wants to
  replace (``Io.unwanted``) are as good as none, whatever their lifetime is.
* Otherwise the file is locked, read again, and the source is called if another process has not stored new ones
  meanwhile. The lock is the kernel's, so it ends with its process.
* While another process has the lock, or if the source fails, credentials that are due and still valid are the result.
* The file is a cache and nothing more: whatever is wrong with it is logged, and the source is called.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._config.locations import Location, resolve_path
from ..._config.settings import Setting
from ..._core.credentials import Credentials, fingerprint_of
from ..._core.disk_cache_key import KEY_HINT, DiskCacheKey
from ..._core.errors import CredentialsError, InvalidConfigurationError, ProviderTimeoutError, strip_frames
from ..._core.events import CacheWriteFailed
from ..._core.io import Io, PrivateFile, ReadFailure, Runtime
from ..._core.logs import log, notify
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError
from .entry import DiskCacheEntry, format_entry, is_temporary, parse_entry
from .settings import DiskCacheSettings, own_name

# Bytes. An entry has two KiB; parsing a much larger file would block the event loop for milliseconds.
MAX_FILE_SIZE = 64 * 1024
# Seconds to wait for the lock. A call of STS with all its retries takes up to 15 s, but hardly ever more than one.
LOCK_SECONDS = 10.0
_MEMORY_ONLY = "the credentials are cached in memory only"


class _DiskAttempt(NamedTuple):
    """What all steps of one attempt need."""

    io: Io
    context: ClientContext
    key: DiskCacheKey
    file: Location


class DiskCachedProvider(Provider):
    """The provider of ``disk_cached``."""

    __slots__ = ("_settings", "_source", "_warned")

    def __init__(self, runtime: Runtime, source: Provider, settings: DiskCacheSettings) -> None:
        super().__init__(
            source.name, runtime, may_prompt_user=source._may_prompt_user, context_fields=source._context_fields
        )
        self._source = source
        self._settings = settings
        self._warned: set[str] = set()

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        key = await self._find_key(io, context)
        file = self._file(io, key) if key.name else None
        if file is None:
            return await self._source._fetch(io, context)
        attempt = _DiskAttempt(io, context, key, file)
        entry = await self._read(attempt)
        if entry is not None and not self._is_due(attempt, entry):
            return self._use(attempt, entry)
        return await self._refresh(attempt, LOCK_SECONDS if entry is None else 0.0)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        directory = resolve_path(self._settings.directory, io.environ(), io.home_directory, self.name)
        return [f"cache in {directory.display_path}", *await self._source._describe_sources(io, context)]

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._source._allows_stale(credentials)

    async def _find_key(self, io: Io, context: ClientContext) -> DiskCacheKey:
        found, key = await self._source._disk_cache_key(io, context), self._settings.key
        if key is None:
            if found is None:
                message = "the AWS CLI has no name for these credentials in its cache, and disk_cached() has no key"
                raise InvalidConfigurationError(message, source=self.name, hint=KEY_HINT)
            return found
        if found is not None and found.name:
            return found._replace(name=own_name(key, found.name))
        fields = (getattr(context, name) if name in self._context_fields else None for name in context._fields)
        return DiskCacheKey(own_name(key, *fields), self.name, may_prompt_user=self._may_prompt_user)

    def _file(self, io: Io, key: DiskCacheKey) -> Location | None:
        """Return the location of an entry; None if the home directory is not known."""
        directory = self._settings.directory
        path = Setting(f"{directory.value.rstrip('/')}/{key.name}.json", directory.origin)
        try:
            return resolve_path(path, io.environ(), io.home_directory, self.name)
        except InvalidConfigurationError as error:
            self._warn(f"{error}; {_MEMORY_ONLY}")
            return None

    async def _read(self, attempt: _DiskAttempt) -> DiskCacheEntry | None:
        """Return the entry if it is valid and of use to the caller; None, after a warning, for an unusable file."""
        now = attempt.io.time()
        try:
            found = await attempt.io.read_private(attempt.file.path, MAX_FILE_SIZE, follow_link=False)
            if isinstance(found, ReadFailure) and found.is_missing:
                return None
            entry = _parse(found, now, attempt.key.source)
        except (InvalidValueError, ProviderTimeoutError) as error:
            self._warn(f"{attempt.file.display_path}, which is not used: {error}")
            return None
        is_unwanted = fingerprint_of(entry.credentials) in attempt.io.unwanted
        return entry if entry.is_valid(now) and not is_unwanted else None

    def _is_due(self, attempt: _DiskAttempt, entry: DiskCacheEntry) -> bool:
        return entry.is_due(attempt.io.time(), may_prompt_user=attempt.key.may_prompt_user)

    def _use(self, attempt: _DiskAttempt, entry: DiskCacheEntry) -> Credentials:
        attempt.io.prompts_user = attempt.io.prompts_user or attempt.key.may_prompt_user
        log("disk_cache", "debug", "%s: using the credentials in %s", self.name, attempt.file.display_path)
        return entry.credentials

    async def _refresh(self, attempt: _DiskAttempt, seconds: float) -> Credentials:
        """Return new credentials, of the source or of another process, for which it waits for at most ``seconds``."""
        async with attempt.io.file_lock(attempt.file.path, seconds) as failure:
            is_busy = failure is not None and failure.is_busy
            entry = await self._read(attempt)  # even without the lock: its holder may have written
            if entry is not None and (is_busy or not self._is_due(attempt, entry)):
                return self._use(attempt, entry)
            try:
                credentials = await self._source._fetch(attempt.io, attempt.context)
            except CredentialsError as error:
                if entry is None or not entry.is_valid(attempt.io.time()):
                    raise
                strip_frames(error)
                log("disk_cache", "warning", "%s; using the credentials in %s", error, attempt.file.display_path)
                return self._use(attempt, entry)
            if is_temporary(credentials):
                await self._write(attempt, credentials, None if failure is None else failure.detail)
            return credentials

    async def _write(self, attempt: _DiskAttempt, credentials: Credentials, lock_failure: str | None) -> None:
        """Write an entry, unless the file could not be locked."""
        file, detail = attempt.file, lock_failure
        if detail is None:
            content = format_entry(credentials, attempt.key.provider_type)
            failure = await attempt.io.write_private(file.path, content, follow_link=False)
            detail = None if failure is None else failure.detail
        if detail is None:
            self._warned.clear()
            return
        self._warn(f"{file.display_path} {detail}; {_MEMORY_ONLY}")
        notify(CacheWriteFailed(self.name, file.display_path, detail))

    def _warn(self, message: str) -> None:
        """Log what is wrong with a file, once until an entry is written."""
        if message not in self._warned:
            self._warned.add(message)
            log("disk_cache", "warning", "%s: %s", self.name, message)


def _parse(found: PrivateFile | ReadFailure, now: float, source: str) -> DiskCacheEntry:
    if isinstance(found, ReadFailure):
        raise InvalidValueError(f"it {found.detail}")
    if found.is_accessible_to_others:
        raise InvalidValueError("it is accessible to other users")
    return parse_entry(found.content, found.modified_at, now, source)
