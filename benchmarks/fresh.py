"""Fresh processes: from nothing to the first credentials, and to the error where there are none.

Whole processes are measured, start and end included, and their peak memory. All take turns: A B C A B C …. With
everybody alike the first round is not counted, as files come from the disk then, and Python compiles; with ``quick`` it
is the only one.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .compared import Compared, Figures
from .peers import Peer, not_installed
from .sources import SOURCES
from .spawning import CAP, Ended, spawned

BENCHMARK = "fresh"
ENVIRONMENT = SOURCES[0]
TIME, MEMORY = "first credentials, time", "first credentials, memory"
ROUNDS = 5
REFUSED_ROUNDS, QUICK_REFUSED_ROUNDS = 2, 1
SILENT_ROUNDS = 1  # not with ``quick``
LONG = (
    2.0  # seconds; who takes as long to find nothing is not started again, as most of that is sleep and always the same
)


class Program(NamedTuple):
    """What is started."""

    name: str
    command: tuple[str, ...]
    reason: str | None = None
    """Why it is not."""


def _python(name: str, code: str, *modules: str) -> Program:
    return Program(name, (sys.executable, "-c", code), not_installed(*modules))


BARE = _python("bare interpreter", "pass")
FLOORS = (
    BARE,
    _python("import asyncio", "import asyncio"),
    _python("import anyio", "import anyio", "anyio"),
    _python("import trio", "import trio", "trio"),
    Program("node alone", ("node", "-e", "0"), None if shutil.which("node") else "not installed: node"),
)
SLEEP = _python("a second's sleep", "import time; time.sleep(1)")


def play(peers: Sequence[Peer], say: Callable[[str], None], quick: bool) -> Iterator[Compared]:
    """Start everything, in each situation. ``say`` is told what comes next."""
    peers = [peer for peer in peers if BENCHMARK in peer.plays]
    with TemporaryDirectory() as home:
        say("fresh, first credentials")
        environ = {**ENVIRONMENT.environ, "HOME": home}
        programs = [*_programs(peers, ENVIRONMENT.name), *FLOORS]
        yield from _first(programs, environ, range(1) if quick else range(-1, ROUNDS))
        say("fresh, nothing configured, refused")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # kept, and not listened to: so it is refused, and nobody else can have it
            rounds = QUICK_REFUSED_ROUNDS if quick else REFUSED_ROUNDS
            yield from _nothing("refused", [*_programs(peers, "refused"), BARE], _leading_to(nobody, home), rounds)
        if not quick:
            say("fresh, nothing configured, silent")
            with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:  # the system accepts; nobody answers
                programs = [*_programs(peers, "silent"), SLEEP]
                yield from _nothing("silent", programs, _leading_to(silent, home), SILENT_ROUNDS)


def _programs(peers: Sequence[Peer], situation: str) -> Iterator[Program]:
    for peer in peers:
        no_program = None if peer.first else "it has no such program"
        yield Program(peer.name, peer.first or (), peer.missing or peer.cannot.get(situation) or no_program)


def _leading_to(metadata: socket.socket, home: str) -> dict[str, str]:
    """Return an environment in which there is nothing but an endpoint of EC2 metadata."""
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{metadata.getsockname()[1]}", "HOME": home}


def _first(programs: Sequence[Program], environ: Mapping[str, str], rounds: range) -> Iterator[Compared]:
    """Let them get credentials. Rounds below zero do not count."""
    times, peaks = ([Figures(program.reason) for program in programs] for _ in range(2))
    for number in rounds:
        for program, time, peak in zip(programs, times, peaks, strict=True):
            if time.reason is None and (ended := _ended(program, environ, time)) is not None:
                if ended.code:
                    time.reason = ended.last_words or f"ended with {ended.code}"
                elif number >= 0:
                    time.add([ended.seconds])
                    peak.add([ended.memory])
            peak.reason = time.reason
    for program, time in zip(programs, times, strict=True):
        yield time.compared(BENCHMARK, TIME, program.name)
    for program, peak in zip(programs, peaks, strict=True):
        yield peak.compared(BENCHMARK, MEMORY, program.name, "bytes")


def _nothing(what: str, programs: Sequence[Program], environ: Mapping[str, str], rounds: int) -> Iterator[Compared]:
    """Let them find out that there are no credentials."""
    times = [Figures(program.reason) for program in programs]
    for _ in range(rounds):
        for program, time in zip(programs, times, strict=True):
            if time.reason or time.least > LONG:
                continue
            if (ended := _ended(program, environ, time)) is not None:
                if ended.code == 0 and program not in (BARE, SLEEP):
                    time.reason = "it found credentials where there are none"
                else:
                    time.add([ended.seconds])
    for program, time in zip(programs, times, strict=True):
        yield time.compared(BENCHMARK, what, program.name)


def _ended(program: Program, environ: Mapping[str, str], figures: Figures) -> Ended | None:
    if (ended := spawned(program.command, environ)) is None:
        figures.reason = f"had not ended after {CAP:.0f} s"
    return ended
