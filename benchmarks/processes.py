"""The process of a peer, from outside: started, told what to do, listened to, and ended whatever it does."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from types import TracebackType
from typing import Any, Self

from .measuring import ROOT, plain_environ
from .peers import Peer
from .workers.jobs import Job

MOST_START = 30.0  # seconds: node and botocore take one
MOST_OVER = 15.0  # seconds beyond its time for a peer to say how far it came

MOST_END = 1.0  # seconds from the end of its output to that of the process


class WorkerError(Exception):
    """A peer's process did not do what it was told."""


class Worker:
    """One process of a peer. Without a job it waits until it is given one."""

    def __init__(self, peer: Peer, job: Job | None, environ: Mapping[str, str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in ``end``
        self._process = subprocess.Popen(
            peer.worker,
            cwd=ROOT,
            env=plain_environ(**environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._is_ready = True
        if job is not None:
            self.give(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def has_ended(self) -> bool:
        """Tell whether the process has come to its end, as it should: some do only one job."""
        return self._process.poll() == 0

    def give(self, job: Job) -> None:
        """Let it do a job."""
        self._say(job.line())

    def wait_until_ready(self, after: float) -> None:
        """Wait until it has what it is to have before. ``after``: it is to rest for so many seconds then."""
        self._is_ready = self._line(MOST_START + after) is not None

    def go(self, cap: float) -> dict[str, Any]:
        """Give the sign to begin, and return what it tells at the end. Raises ``WorkerError``."""
        if self._is_ready:
            self._say("go")
        return self.result(cap)

    def result(self, seconds: float) -> dict[str, Any]:
        """Return what it tells at the end. ``seconds``: about how long it may take. Raises ``WorkerError``."""
        told = self._line(seconds + MOST_OVER)
        if not isinstance(told, dict):
            raise WorkerError(self._last_words())
        return told

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            print(line, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            self._is_ready = False  # it has ended; why shows when it is asked for its result

    def _line(self, within: float) -> Any:
        assert self._process.stdout is not None
        watch = Timer(within, self._process.kill)
        watch.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        return json.loads(line) if line else None

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(MOST_END)  # its output has ended, and so it is about to
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"ended with {self._process.returncode} and without a word"
