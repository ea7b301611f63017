"""Fresh processes: duration and peak memory to the first credentials, and duration to the error without any.

Whole processes are measured, from start to exit. All programs take turns: A B C A B C …. The first round is not
counted, because it reads files from the disk and compiles Python code; with ``quick`` it is the only one.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .peer_figures import PeerFigure, PeerSamples
from .peers import Peer, not_installed
from .program_process import TIME_LIMIT, ProgramResult, run_program
from .sources import SOURCES

BENCHMARK = "fresh"
ENVIRONMENT = SOURCES[0]
TIME, MEMORY = "first credentials, time", "first credentials, memory"
ROUNDS = 5
REFUSED_ROUNDS, QUICK_REFUSED_ROUNDS = 2, 1
SILENT_ROUNDS = 1  # not with ``quick``
LONG = 2.0  # seconds; a program that takes this long to find nothing is run once, since it mostly sleeps


class Program(NamedTuple):
    """A program to run."""

    name: str
    command: tuple[str, ...]
    reason: str | None = None
    """Why it cannot be run."""


def _python(name: str, code: str, *modules: str) -> Program:
    return Program(name, (sys.executable, "-c", code), not_installed(*modules))


BARE = _python("bare interpreter", "pass")
BASELINES = (
    BARE,
    _python("import asyncio", "import asyncio"),
    _python("import anyio", "import anyio", "anyio"),
    _python("import trio", "import trio", "trio"),
    Program("node alone", ("node", "-e", "0"), None if shutil.which("node") else "not installed: node"),
)
SLEEP = _python("a second's sleep", "import time; time.sleep(1)")


def run(peers: Sequence[Peer], progress: Callable[[str], None], quick: bool) -> Iterator[PeerFigure]:
    """Run all programs in each situation. ``progress`` is called with the next step."""
    peers = [peer for peer in peers if BENCHMARK in peer.benchmarks]
    with TemporaryDirectory() as home:
        progress("fresh, first credentials")
        environ = {**ENVIRONMENT.environ, "HOME": home}
        programs = [*_programs(peers, ENVIRONMENT.name), *BASELINES]
        yield from _first_credentials(programs, environ, range(1) if quick else range(-1, ROUNDS))
        progress("fresh, nothing configured, refused")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound but not listening, so connections are refused
            rounds = QUICK_REFUSED_ROUNDS if quick else REFUSED_ROUNDS
            yield from _no_credentials(
                "refused", [*_programs(peers, "refused"), BARE], _metadata_environ(unused, home), rounds
            )
        if not quick:
            progress("fresh, nothing configured, silent")
            with socket.create_server(
                ("127.0.0.1", 0), backlog=128
            ) as silent:  # connections are accepted, but get no response
                programs = [*_programs(peers, "silent"), SLEEP]
                yield from _no_credentials("silent", programs, _metadata_environ(silent, home), SILENT_ROUNDS)


def _programs(peers: Sequence[Peer], situation: str) -> Iterator[Program]:
    for peer in peers:
        no_program = None if peer.first else "no such program"
        yield Program(peer.name, peer.first or (), peer.missing or peer.cannot.get(situation) or no_program)


def _metadata_environ(metadata: socket.socket, home: str) -> dict[str, str]:
    """Return an environment that configures only an endpoint of EC2 metadata."""
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{metadata.getsockname()[1]}", "HOME": home}


def _first_credentials(programs: Sequence[Program], environ: Mapping[str, str], rounds: range) -> Iterator[PeerFigure]:
    """Measure programs that get credentials. Rounds below zero do not count."""
    times, peaks = ([PeerSamples(program.reason) for program in programs] for _ in range(2))
    for number in rounds:
        for program, time, peak in zip(programs, times, peaks, strict=True):
            if time.reason is None and (result := _result_of(program, environ, time)) is not None:
                if result.code:
                    time.reason = result.last_error_line or f"exited with code {result.code}"
                elif number >= 0:
                    time.add([result.seconds])
                    peak.add([result.memory])
            peak.reason = time.reason
    for program, time in zip(programs, times, strict=True):
        yield time.compared(BENCHMARK, TIME, program.name)
    for program, peak in zip(programs, peaks, strict=True):
        yield peak.compared(BENCHMARK, MEMORY, program.name, "bytes")


def _no_credentials(
    what: str, programs: Sequence[Program], environ: Mapping[str, str], rounds: int
) -> Iterator[PeerFigure]:
    """Measure programs that find no credentials."""
    times = [PeerSamples(program.reason) for program in programs]
    for _ in range(rounds):
        for program, time in zip(programs, times, strict=True):
            if time.reason or time.least > LONG:
                continue
            if (result := _result_of(program, environ, time)) is not None:
                if result.code == 0 and program not in (BARE, SLEEP):
                    time.reason = "found credentials although none are configured"
                else:
                    time.add([result.seconds])
    for program, time in zip(programs, times, strict=True):
        yield time.compared(BENCHMARK, what, program.name)


def _result_of(program: Program, environ: Mapping[str, str], figures: PeerSamples) -> ProgramResult | None:
    if (result := run_program(program.command, environ)) is None:
        figures.reason = f"did not exit within {TIME_LIMIT:.0f} s"
    return result
