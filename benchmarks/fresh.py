"""Fresh processes: time and peak memory to the first credentials of a source, and time to the error without any.

Whole processes are measured, from start to exit. All programs take turns: A B C A B C …. The first round is not
counted, because it reads files from the disk and compiles Python code; with ``quick`` it is the only one. A program
that gets credentials is compared with the median of the bare interpreter of its language.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .measurement import Fake, Span, fake_aws
from .peer_figures import PeerFigure, PeerSamples
from .peers import Peer, not_installed
from .program_process import TIME_LIMIT, ProgramResult, run_program
from .sources import SOURCES, Source, source_environment

BENCHMARK, NOTHING = "fresh", "nothing"
FIRST = tuple(source for source in SOURCES if source.name in ("environment", "container", "imds", "role"))
QUICK_FIRST = FIRST[:1]
WITH_MEMORY = ("environment", "container")  # without and with exchanges
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


BARE = (
    _python("bare interpreter", "pass"),
    Program("node alone", ("node", "-e", "0"), None if shutil.which("node") else "not installed: node"),
)
IMPORTS = (
    _python("import asyncio", "import asyncio"),
    _python("import anyio", "import anyio", "anyio"),
    _python("import trio", "import trio", "trio"),
)
SLEEP = _python("a second's sleep", "import time; time.sleep(1)")
BASELINES = (*BARE, *IMPORTS, SLEEP)


def run(peers: Sequence[Peer], progress: Callable[[str], None], quick: bool) -> Iterator[PeerFigure]:
    """Run all programs in each situation. ``progress`` is called with the next step."""
    peers = [peer for peer in peers if BENCHMARK in peer.benchmarks]
    with fake_aws() as fake:
        for source in QUICK_FIRST if quick else FIRST:
            progress(f"fresh, {source.name}")
            programs = [*BARE, *_programs(peers, source.name), *(() if source.route else IMPORTS)]
            yield from first_credentials(source, programs, fake, range(1) if quick else range(-1, ROUNDS))
    with TemporaryDirectory() as home:
        progress("fresh, nothing configured, refused")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound but not listening, so connections are refused
            rounds = QUICK_REFUSED_ROUNDS if quick else REFUSED_ROUNDS
            programs = [*_programs(peers, "refused"), *BARE]
            yield from _no_credentials("refused", programs, _metadata_environ(unused, home), rounds)
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


def first_credentials(source: Source, programs: Sequence[Program], fake: Fake, rounds: range) -> Iterator[PeerFigure]:
    """Measure programs that get credentials; the bare interpreters come first. Rounds below zero do not count."""
    times, peaks = ([PeerSamples(program.reason) for program in programs] for _ in range(2))
    with source_environment(source, fake) as environ:
        for number in rounds:
            for program, time, peak in zip(programs, times, peaks, strict=True):
                result = None if time.reason else _first_of(source, program, environ, fake, time)
                if result is not None and number >= 0:
                    time.add([result.seconds])
                    peak.add([result.memory])
                peak.reason = time.reason
    bare: dict[str, Span] = {}  # by the command of the interpreter
    for program, time in zip(programs, times, strict=True):
        one = time.compared(BENCHMARK, source.name, program.name)
        if program not in BARE:
            yield one._replace(figure=one.figure and one.figure.beyond(bare[program.command[0]].median))
        elif one.figure:
            bare[program.command[0]] = one.figure
    if source.name in WITH_MEMORY:
        for program, peak in zip(programs, peaks, strict=True):
            yield peak.compared(BENCHMARK, f"{source.name}, memory", program.name, "bytes")


def _first_of(
    source: Source, program: Program, environ: Mapping[str, str], fake: Fake, figures: PeerSamples
) -> ProgramResult | None:
    """Run a program once. If it does not get credentials of the source by one request, record the reason."""
    before = source.requests(fake)
    if (result := _result_of(program, environ, figures)) is None:
        return None
    came = source.requests(fake) - before
    if result.code:
        figures.reason = result.last_error_line or f"exited with code {result.code}"
    elif came != 1 and source.route and program not in BASELINES:
        figures.reason = f"sent {came} requests to the source"
    return None if figures.reason else result


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
                if result.code == 0 and program not in BASELINES:
                    time.reason = "found credentials although none are configured"
                else:
                    time.add([result.seconds])
    for program, time in zip(programs, times, strict=True):
        yield time.compared(NOTHING, what, program.name)


def _result_of(program: Program, environ: Mapping[str, str], figures: PeerSamples) -> ProgramResult | None:
    if (result := run_program(program.command, environ)) is None:
        figures.reason = f"did not exit within {TIME_LIMIT:.0f} s"
    return result
