"""Notices that files have changed which cached credentials came from: by their signature, once a minute at most.

Only a caller makes a check, when the interval of the fast path has ended. No thread and no task waits for changes.

A file that is missing, empty or unreadable has not changed: many programs truncate or delete a file before they write
it, and it contains no other credentials. Each new version makes one refresh due, whatever comes of it.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING

from .._core.errors import CredentialsError
from .._core.logs import log
from .._core.provider import active_calls
from .known_files import CHECK_INTERVAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.io import FileQuery, FileVersion, ReadFailure
    from .._core.provider import Provider
    from .state import CacheState

# Seconds until the next check after one that took too long. Each may leave a thread behind that a disk keeps hanging.
INTERVAL_AFTER_TIMEOUT = 10 * 60.0
# Seconds for a check in the background. A local disk takes milliseconds.
CHECK_TIMEOUT = 10.0


async def check_files(state: CacheState, provider: Provider) -> None:
    """Make the check if one is due. Where reading may wait, it runs in the background."""
    known = _postpone(state, CHECK_INTERVAL)
    if known is None:
        return
    found = state.runtime.read_at_once(known)
    if found is not None:
        _apply(state, known, found)
        return
    await state.runtime.preload()
    context = copy_context()
    context.run(active_calls.set, ())  # no call waits for the check
    name = f"anycreds file check: {state.source.name}"
    state.runtime.spawn_system_task(partial(_check, state, provider, known), _do_nothing, name, context)


async def _check(state: CacheState, provider: Provider, known: tuple[FileQuery, ...]) -> None:
    from .._config.locations import FILE_LIMIT

    try:
        async with state.runtime.open_io(state.source.name, CHECK_TIMEOUT) as io:
            found = await io.read_if_changed(known, FILE_LIMIT)
    except CredentialsError as error:
        log("cache", "debug", "%s: its files could not be checked: %s", state.source.name, error)
        _postpone(state, INTERVAL_AFTER_TIMEOUT, force=True)
        return
    if _apply(state, known, found):
        with suppress(CredentialsError):
            await provider()  # starts the refresh, so that callers need not


def _do_nothing() -> None:
    """Nothing waits for a check."""


def _postpone(state: CacheState, seconds: float, *, force: bool = False) -> tuple[FileQuery, ...] | None:
    """Set the time of the next check. Return the files, or None if no check is due; with ``force``, one always is."""
    now = state.runtime.monotonic()
    with state._lock:
        known = state.snapshot.files
        is_due = force or now >= known.check_at
        if is_due and known.seen:
            state.snapshot = state.snapshot._replace(files=known._replace(check_at=now + seconds))
    state._deferred.run()
    return known.seen if is_due else None


def _apply(state: CacheState, known: tuple[FileQuery, ...], found: Sequence[FileVersion | ReadFailure | None]) -> bool:
    """Make a refresh due, and end the backoff, if a file has a new version. Return whether one has."""
    from .._core.io import FileVersion  # imported already by what has used the files

    new = {
        path: version.signature
        for (path, _), version in zip(known, found, strict=True)
        if isinstance(version, FileVersion) and version.content
    }
    if not new:
        return False
    now = state.runtime.monotonic()
    with state._lock:
        cached, files = state.snapshot.cached, state.snapshot.files
        # Otherwise a refresh has ended since, with versions of its own, or the credentials were invalidated.
        is_current = cached is not None and files.seen is known
        if cached is not None and is_current:
            seen = tuple((path, new.get(path, version)) for path, version in known)
            state.snapshot = state.snapshot._replace(
                cached=cached._replace(recheck_at=now),
                failure=None,
                rejection=None,
                files=files._replace(seen=seen),
            )
            state.fast_path = state._no_fast_path
    state._deferred.run()
    log("cache", "info", "%s: changed: %s", state.source.name, ", ".join(new))
    return is_current
