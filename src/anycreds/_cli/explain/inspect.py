"""Asks the links of the default chain one by one, and notes what came of each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..._config.locations import ProfileSelection, select_profile
from ..._config.settings import first_set
from ..._config.shared_files import FileOptions, SharedFiles
from ..._core.errors import CredentialsError, NotConfiguredError, ProfileNotFoundError
from ..._core.logs import told_to
from ..._core.provider import ClientContext
from ..._factories.default_chain import NAMED_CHAIN, UNNAMED_CHAIN, build_default_chain
from ..._system import threads
from ..._system.io import SystemRuntime

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from ..._core.credentials import Credentials
    from ..._core.provider import Provider
    from ..._factories.default_chain import Link
    from ..._system.io import SystemIo

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
SKIPPED = "keys are set in the environment, but a profile is named ({origin}), so they are not used"


class Source(NamedTuple):
    """One link, and what came of it."""

    link: Link
    name: str
    outcome: Literal["found", "nothing", "failed", "not asked"]
    milliseconds: float = 0.0
    error: CredentialsError | None = None
    places: tuple[str, ...] = ()
    """Where it looked, as found on this machine: the place first, and then what that leads to."""


class Region(NamedTuple):
    """Where AWS STS would be called, as an example of a service."""

    host: str
    origin: str


class Explanation(NamedTuple):
    """All that there is to tell."""

    profile: ProfileSelection
    sources: tuple[Source, ...]
    credentials: Credentials | None
    region: Region | CredentialsError
    notes: tuple[str, ...]
    known: tuple[str, ...] = ()
    """The names of all profiles, if the one that is meant is missing."""

    @property
    def failure(self) -> CredentialsError | None:
        """The error of the source that is configured and failed."""
        return next((source.error for source in self.sources if source.outcome == "failed"), None)


def explain(profile: str | None) -> Explanation:
    """Look for credentials as a program does that uses the default chain."""
    if not select_profile(profile, None, os.environ).is_explicit and first_set(os.environ, *_KEYS) is not None:
        return _without_loop(_explain(profile))
    import asyncio

    explanation = asyncio.run(_explain(profile))
    if explanation.failure is None:
        return explanation
    from .._profiles import known, selected_name
    from .._recursion_guard import explained

    error = explanation.failure
    if isinstance(error, ProfileNotFoundError) and error.profile == selected_name(profile):
        return explanation._replace(known=tuple(known()))
    better = explained(error, profile)
    sources = [source._replace(error=better) if source.error is error else source for source in explanation.sources]
    return explanation._replace(sources=tuple(sources))


def _without_loop(explaining: Coroutine[Any, Any, Explanation]) -> Explanation:
    """Return what a coroutine gives that waits for files only.

    Whatever is in the environment, the source behind it is not asked. Most people who look have keys there, and an
    event loop takes longer to load than all the rest.
    """
    enabled, threads.enabled = threads.enabled, False  # nothing else runs here that would have to go on
    try:
        explaining.send(None)
    except StopIteration as stop:
        explanation: Explanation = stop.value
        return explanation
    finally:
        threads.enabled = enabled
        explaining.close()
    raise RuntimeError("the keys of the environment were waited for")


async def _explain(profile: str | None) -> Explanation:
    runtime = SystemRuntime()
    shared = SharedFiles(FileOptions())
    unnamed, named = build_default_chain(runtime, {"profile": profile, "files": lambda: shared})
    texts: list[str] = []

    def note(part: str, level: str, text: str) -> None:
        if level in ("warning", "error") and part != "places":  # the region is told anyway
            texts.append(text)

    with told_to(note):
        async with runtime.open_io("explain") as io:
            choice = select_profile(profile, None, io.environ())
            if choice.is_explicit and first_set(io.environ(), _KEYS[0]) is not None:
                texts.append(SKIPPED.format(origin=choice.name.origin))
            links, providers = (NAMED_CHAIN, named) if choice.is_explicit else (UNNAMED_CHAIN, unnamed)
            sources: list[Source] = []
            found: Credentials | None = None
            for link, provider in zip(links, providers, strict=True):
                if found is not None or (sources and sources[-1].outcome in ("failed", "not asked")):
                    sources.append(Source(link, provider.name, "not asked"))
                    continue
                found, source = await _ask(io, link, provider)
                sources.append(source)
            region = await _region(io, shared, profile)
    return Explanation(choice, tuple(sources), found, region, tuple(dict.fromkeys(texts)))


async def _ask(io: SystemIo, link: Link, provider: Provider) -> tuple[Credentials | None, Source]:
    begun = io.monotonic()
    found, error = None, None
    try:
        found = await provider._fetch(io, ClientContext())
    except CredentialsError as caught:
        error = caught.with_traceback(None)
    milliseconds = (io.monotonic() - begun) * 1000
    places = tuple(await provider._describe_sources(io, ClientContext()))
    if found is not None:
        return found, Source(link, provider.name, "found", milliseconds, places=places)
    outcome: Literal["nothing", "failed"] = "nothing" if isinstance(error, NotConfiguredError) else "failed"
    return None, Source(link, provider.name, outcome, milliseconds, error, places)


async def _region(io: SystemIo, files: SharedFiles, profile: str | None) -> Region | CredentialsError:
    from ..._providers.service.endpoint_resolution import EndpointResolver

    nobody = ""  # asks: an error has no name in front, as it is told as the region's
    place = await EndpointResolver(files=files, profile=profile).resolve(io, ClientContext(), "sts", nobody)
    return place if isinstance(place, CredentialsError) else Region(place.base.origin, place.origin)
