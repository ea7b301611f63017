"""Try the providers of the default chain one by one, and record the result of each."""

from __future__ import annotations

import logging
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from ..._config.locations import ProfileSelection, select_profile
from ..._config.settings import first_set
from ..._config.shared_files import SharedFiles
from ..._core.attempts import ATTEMPT_TIMEOUT
from ..._core.credentials import Credentials
from ..._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError, ProfileNotFoundError
from ..._core.provider import NO_CONTEXT, Provider
from ..._factories import default_chain
from ..._factories.files import Files
from ..._providers.chain import IGNORED_KEYS
from ..._providers.service.endpoint_resolution import EndpointResolver, ResolvedEndpoint
from ..._system import threads
from ..._system.io import SystemIo
from ..._system.runtime import SystemRuntime
from .._mfa import prompt_for_mfa_code
from .._recursion_guard import recursion_guard

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

Outcome = Literal["found", "not configured", "failed", "not tried"]


class Source(NamedTuple):
    """One provider of the default chain, and what came of it."""

    entry: default_chain.ChainEntry
    outcome: Outcome
    milliseconds: float = 0.0
    error: CredentialsError | None = None
    locations: tuple[str, ...] = ()
    """Where the provider looked on this machine: first a setting, then what it refers to."""


class Explanation(NamedTuple):
    """Everything that is printed."""

    profile: ProfileSelection
    sources: tuple[Source, ...]
    credentials: Credentials | None
    region: ResolvedEndpoint | CredentialsError
    """The endpoint of AWS STS, as an example of how services are called."""
    notes: tuple[str, ...]
    failure: CredentialsError | None
    """The error of the provider that is configured but failed."""
    profile_names: tuple[str, ...]
    """The names of all profiles, if the selected one does not exist."""


def explain(profile: str | None) -> Explanation:
    """Try the default chain as a program does that uses it."""
    with _captured_warnings() as warnings:
        if not select_profile(profile, None, os.environ).is_explicit and first_set(os.environ, *_KEYS) is not None:
            return _run_without_event_loop(_explain(profile, warnings, seconds=None))
        import asyncio  # see _run_without_event_loop

        with recursion_guard():
            return asyncio.run(_explain(profile, warnings, ATTEMPT_TIMEOUT))


def _run_without_event_loop(coroutine: Coroutine[Any, Any, Explanation]) -> Explanation:
    """Run a coroutine that only reads files. Importing asyncio takes as long as everything else in this command.

    With a key variable set, the first provider returns or fails, and no other is tried. Most users who look have one.
    """
    before, threads.enabled = threads.enabled, False  # no event loop could be blocked by reading files
    try:
        coroutine.send(None)
    except StopIteration as stop:
        explanation: Explanation = stop.value
        return explanation
    finally:
        threads.enabled = before
        coroutine.close()
    raise RuntimeError("environment variables were awaited")


async def _explain(profile: str | None, warnings: list[str], seconds: float | None) -> Explanation:
    runtime = SystemRuntime()
    files = Files()
    shared = files()
    options = {"profile": profile, "files": files, "mfa_code_provider": prompt_for_mfa_code}
    without_profile, with_profile = default_chain.build_default_chain(runtime, options)
    async with runtime.open_io("explain", seconds) as io:
        selection = select_profile(profile, None, io.environ())
        providers = with_profile if selection.is_explicit else without_profile
        entries = default_chain.CHAIN_WITH_PROFILE if selection.is_explicit else default_chain.CHAIN_WITHOUT_PROFILE
        sources: list[Source] = []
        credentials: Credentials | None = None
        for entry, provider in zip(entries, providers, strict=True):
            if sources and sources[-1].outcome != "not configured":
                sources.append(Source(entry, "not tried"))
                continue
            credentials, source = await _try(io, entry, provider)
            sources.append(source)
        has_ignored_keys = any(one.entry is default_chain.ENVIRONMENT and one.outcome == "not tried" for one in sources)
        if has_ignored_keys and first_set(io.environ(), _KEYS[0]) is not None:
            warnings.append(IGNORED_KEYS % selection.name.origin)
        region = await _region(io, shared, profile, sources)
        error = next((source.error for source in sources if source.outcome == "failed"), None)
        is_missing = isinstance(error, ProfileNotFoundError) and error.profile == selection.name.value
        names = (await shared.profiles(io)).names() if is_missing else ()
    notes = tuple(dict.fromkeys(warnings))
    return Explanation(selection, tuple(sources), credentials, region, notes, error, tuple(names))


async def _try(io: SystemIo, entry: default_chain.ChainEntry, provider: Provider) -> tuple[Credentials | None, Source]:
    credentials, error = None, None
    outcome: Outcome = "found"
    started = io.monotonic()
    try:
        credentials = await provider._fetch(io, NO_CONTEXT)
    except CredentialsError as caught:
        error = caught.with_traceback(None)
        outcome = "not configured" if isinstance(error, NotConfiguredError) else "failed"
    milliseconds = (io.monotonic() - started) * 1000
    locations = tuple(await provider._describe_sources(io, NO_CONTEXT))
    return credentials, Source(entry, outcome, milliseconds, error, locations)


async def _region(
    io: SystemIo, files: SharedFiles, profile: str | None, sources: list[Source]
) -> ResolvedEndpoint | CredentialsError:
    # The region of the profile comes first only for credentials that the profile describes.
    is_profile_used = any(
        one.entry is default_chain.SHARED_FILES and one.outcome in ("found", "failed") for one in sources
    )
    resolver = EndpointResolver(files=files, profile=profile, profile_first=is_profile_used)
    try:
        # The error gets no provider name, because it is printed as one of the region.
        return await resolver.resolve(io, NO_CONTEXT, "sts", "")
    except InvalidConfigurationError as error:
        return error.with_traceback(None)


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """Collect the warnings of the library instead of printing them, except that no region is set, which is shown."""
    texts: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger, handler = logging.getLogger("anycreds"), Handler(logging.WARNING)
    handler.addFilter(lambda record: record.name != "anycreds.endpoints")
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
