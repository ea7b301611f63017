"""The libraries that are compared, one file each. The files are discovered automatically.

A peer's file has ``PEERS``, a tuple of ``Peer``. A Python peer also has ``setup(loop)``, which creates what a program
creates once (as documented by the library, with its defaults) and returns what all callers share: a function without
arguments that returns the access key id of valid credentials. The environment configures their source. Both are
``async def`` for tasks, and plain functions for threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple


class AdvisoryWindow(NamedTuple):
    """When credentials are in the advisory window: their lifetime, and the time after they arrived (seconds)."""

    lifetime: float
    after: float


class Peer(NamedTuple):
    """One library on one event loop."""

    name: str
    worker: tuple[str, ...]
    """The command of the process that runs jobs from its standard input; see ``benchmarks.workers``."""
    packages: tuple[str, ...]
    """The Python packages whose versions are reported."""
    versions: Mapping[str, str] = {}
    """Other packages with their versions."""
    first: tuple[str, ...] | None = None
    """The command of the shortest program that gets credentials once and exits."""
    missing: str | None = None
    """Why the peer cannot be run here."""
    advisory_window: AdvisoryWindow | None = None
    cannot: Mapping[str, str] = {}
    """Scenarios and sources that the peer does not support, each with the reason."""
    is_baseline: bool = False
    """Whether this is a baseline instead of a library."""
    benchmarks: tuple[str, ...] = ("concurrent", "cold", "hits", "fresh")
    """The benchmarks in which the peer takes part."""


def python_peer(module: str, on: str) -> tuple[str, ...]:
    """Return the command of a Python peer: its module, and what it runs on."""
    return (sys.executable, "-m", "benchmarks.workers", module.rpartition(".")[2], on)


def not_installed(*modules: str) -> str | None:
    """Return which of these modules are not installed, or None if all are."""
    lacking = [name for name in modules if find_spec(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


def all_peers() -> list[Peer]:
    """Return all peers, anycreds first and baselines last."""
    files = (import_module(f"{__name__}.{file.name}") for file in iter_modules([str(Path(__file__).parent)]))
    found: Iterable[Peer] = (peer for file in files for peer in file.PEERS)
    return sorted(found, key=lambda peer: (peer.is_baseline, not peer.name.startswith("anycreds")))
