"""Many processes of one machine that need the same role at the same moment: how many requests STS gets."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from anycreds.testing import FakeAWS

from .measurement import PROGRAMS, Row, plain_environ, span

PROCESSES, QUICK_PROCESSES = 40, 8
LATENCY = 0.05  # seconds: about the response time of STS
CONFIG = "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/Shared\ncredential_source = Environment\n"


class Round(NamedTuple):
    """What happened when all processes needed credentials."""

    requests: int
    seconds: float
    """Until all had some."""
    different: int
    """The number of different credentials that they had."""


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    count = QUICK_PROCESSES if quick else PROCESSES
    start, expiration = _rounds(loop, "disk", count, 2)
    [alone], [botocore] = _rounds(loop, "memory", count, 1), _rounds(loop, "botocore", count, 1)
    notes = (f"without disk_cached: {alone.requests} requests", *_notes(start))
    return [
        _row(f"{count} processes that start: requests for one role", loop, start, botocore, notes),
        _row(f"{count} processes at an expiration: requests", loop, expiration, None, _notes(expiration)),
    ]


def _notes(found: Round) -> Sequence[str]:
    return (f"all had credentials after {found.seconds:.2f} s", f"different credentials: {found.different}")


def _row(what: str, loop: str, found: Round, botocore: Round | None, notes: Sequence[str]) -> Row:
    figure = span([found.requests])
    return Row(
        what=what,
        loop=loop,
        unit="requests",
        ours=figure,
        baseline=None if botocore is None else span([botocore.requests]),
        baseline_is="" if botocore is None else "botocore with the cache of the AWS CLI",
        kind="exact",
        judged=figure,
        goal=1,
        notes=tuple(notes),
        details={"seconds": found.seconds, "different": found.different},
    )


def _rounds(loop: str, kind: str, count: int, rounds: int) -> list[Round]:
    """Start the processes, let all of them need credentials at once, some times, and return what happened."""
    found = []
    with FakeAWS.in_thread(latency=LATENCY) as aws, _started(aws, loop, kind, count) as programs:
        for _ in range(rounds):
            before, started = aws.count("assume role"), perf_counter()
            for program in programs:
                print(file=program.stdin, flush=True)
            keys = {_line(program) for program in programs}
            found.append(Round(aws.count("assume role") - before, perf_counter() - started, len(keys)))
    return found


@contextmanager
def _started(aws: FakeAWS, loop: str, kind: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the processes within ``with``, in a home directory of their own."""
    command = [sys.executable, str(PROGRAMS / "shared_role.py"), loop, kind]
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        config = Path(home) / "config"
        config.write_text(CONFIG)
        environ = {**aws.key_environ(), **aws.service_environ(), "AWS_REGION": "us-east-1", "HOME": home}
        environ |= {"AWS_CONFIG_FILE": str(config), "AWS_DEFAULT_REGION": "us-east-1"}
        programs = [
            stack.enter_context(
                subprocess.Popen(
                    command, env=plain_environ(**environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(count)
        ]
        for program in programs:
            _line(program)
        yield programs


def _line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()
