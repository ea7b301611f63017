"""Asks the links of the default chain one by one, and notes what came of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from .._catalog import NAMED_CHAIN, UNNAMED_CHAIN, build_default_chain
from .._config.locations import Selected, selected
from .._config.settings import first
from .._errors import CredentialsError, NotConfiguredError
from .._provider import Caller
from .._shared_files import FileOptions, SharedFiles
from .._system.session import SystemWorld

if TYPE_CHECKING:
    from .._catalog import Link
    from .._credentials import Credentials
    from .._provider import Provider
    from .._system.session import Session

SKIPPED = "keys are set in the environment, but a profile is named ({origin}), so they are not used"


class Source(NamedTuple):
    """One link, and what came of it."""

    link: Link
    name: str
    outcome: Literal["found", "nothing", "failed", "not asked"]
    milliseconds: float = 0.0
    error: CredentialsError | None = None


class Region(NamedTuple):
    """Where AWS STS would be called, as an example of a service."""

    host: str
    origin: str


class Explanation(NamedTuple):
    """All that there is to tell."""

    profile: Selected
    sources: tuple[Source, ...]
    credentials: Credentials | None
    region: Region | CredentialsError
    notes: tuple[str, ...]


async def explain(profile: str | None) -> Explanation:
    """Look for credentials as a program does that uses the default chain."""
    world = SystemWorld()
    files = SharedFiles(FileOptions())
    unnamed, named = build_default_chain(world, {"profile": profile, "files": lambda: files})
    with _Notes() as notes:
        async with world.session() as io:
            choice = selected(profile, None, io.environ())
            if choice.named and first(io.environ(), "AWS_ACCESS_KEY_ID") is not None:
                notes.texts.append(SKIPPED.format(origin=choice.name.origin))
            links, providers = (NAMED_CHAIN, named) if choice.named else (UNNAMED_CHAIN, unnamed)
            sources: list[Source] = []
            found: Credentials | None = None
            for link, provider in zip(links, providers, strict=True):
                if found is not None or (sources and sources[-1].outcome in ("failed", "not asked")):
                    sources.append(Source(link, provider.name, "not asked"))
                    continue
                found, source = await _ask(io, link, provider)
                sources.append(source)
            region = await _region(io, files, profile)
    return Explanation(choice, tuple(sources), found, region, tuple(dict.fromkeys(notes.texts)))


async def _ask(io: Session, link: Link, provider: Provider) -> tuple[Credentials | None, Source]:
    begun = io.monotonic()
    found, error = None, None
    try:
        found = await provider._fetch(io, Caller())
    except CredentialsError as caught:
        error = caught.with_traceback(None)
    milliseconds = (io.monotonic() - begun) * 1000
    if found is not None:
        return found, Source(link, provider.name, "found", milliseconds)
    outcome: Literal["nothing", "failed"] = "nothing" if isinstance(error, NotConfiguredError) else "failed"
    return None, Source(link, provider.name, outcome, milliseconds, error)


async def _region(io: Session, files: SharedFiles, profile: str | None) -> Region | CredentialsError:
    from .._places import Places

    place = await Places(files=files, profile=profile).find(io, Caller(), "sts", "explain")
    return place if isinstance(place, CredentialsError) else Region(place.base.origin, place.origin)


class _Notes:
    """Collects what the library logs meanwhile as a warning, so that it is told in its place."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __enter__(self) -> Self:
        import logging

        texts = self.texts

        class Collector(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                if record.levelno >= logging.WARNING and record.name != "anycreds.places":  # the region is told anyway
                    texts.append(record.getMessage())

        self._logger, self._handler = logging.getLogger("anycreds"), Collector()
        self._logger.addHandler(self._handler)
        self._propagates, self._logger.propagate = self._logger.propagate, False
        return self

    def __exit__(self, *details: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.propagate = self._propagates
