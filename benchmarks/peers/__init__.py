"""Who is compared: one file each, and nothing else to say of a library. Every file here is found by itself.

A peer's file has ``PEERS``, a tuple of ``Peer``. If it is played in Python, it also has ``opened(loop)``, which makes
what a program makes once, in the way of the library's documentation and with its defaults, and returns what all callers
share: a function without arguments that gives the access key id of valid credentials. Where they come from is in the
environment. Both are ``async def`` for tasks, and plain functions for threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple


class Ahead(NamedTuple):
    """A set that is good, and due for a refresh: how long it lives, and how long after it came that is so (seconds)."""

    life: float
    after: float


class Peer(NamedTuple):
    """One library on one event loop."""

    name: str
    worker: tuple[str, ...]
    """How the process is started that does as its standard input says; see ``benchmarks.workers``."""
    packages: tuple[str, ...]
    """Whose releases make a difference, of those that Python knows."""
    versions: Mapping[str, str] = {}
    """The others, with their releases."""
    first: tuple[str, ...] | None = None
    """How a process is started that gets credentials once, as short as such a program can be, and ends."""
    missing: str | None = None
    """Why it cannot be played here."""
    ahead: Ahead | None = None
    cannot: Mapping[str, str] = {}
    """What it cannot do, each with the reason: names of scenarios and of sources."""
    is_floor: bool = False
    """No library, but the least that a program could do."""
    plays: tuple[str, ...] = ("concurrent", "cold", "hits", "fresh")
    """The benchmarks in which it takes part. A floor is one of some only."""


def python_peer(module: str, on: str) -> tuple[str, ...]:
    """Return how a peer that is played in Python is started: its file, and what it runs on."""
    return (sys.executable, "-m", "benchmarks.workers", module.rpartition(".")[2], on)


def not_installed(*modules: str) -> str | None:
    """Say which of these modules are not installed; None: all are."""
    lacking = [name for name in modules if find_spec(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


def all_peers() -> list[Peer]:
    """Return all there are, the libraries first, each file in the order of its own."""
    files = (import_module(f"{__name__}.{file.name}") for file in iter_modules([str(Path(__file__).parent)]))
    found: Iterable[Peer] = (peer for file in files for peer in file.PEERS)
    return sorted(found, key=lambda peer: (peer.is_floor, not peer.name.startswith("anycreds")))
