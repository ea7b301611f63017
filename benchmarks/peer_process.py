"""The process of a peer: starting it, sending it jobs, reading its results, and killing it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from threading import Timer
from types import TracebackType
from typing import Any, Self

from .measurement import ROOT, plain_environ
from .peers import Peer
from .workers.jobs import Job

START_TIMEOUT = 30.0  # seconds: node and botocore take one
RESULT_TIMEOUT = 15.0  # seconds beyond the time limit for a peer to print its results
EXIT_TIMEOUT = 1.0  # seconds from the end of its output to its exit


class WorkerError(Exception):
    """A peer's process failed to do its job."""


class Worker:
    """One process of a peer. Without a job it waits for one."""

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
            self.send_job(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def has_exited(self) -> bool:
        """Whether the process has exited without an error: some do only one job."""
        return self._process.poll() == 0

    def send_job(self, job: Job) -> None:
        """Send a job to the process."""
        self._send(job.line())

    def wait_until_ready(self, after: float) -> None:
        """Wait until the process is ready to start. ``after`` is the delay of the job in seconds."""
        self._is_ready = self._read_line(START_TIMEOUT + after) is not None

    def start(self, time_limit: float) -> dict[str, Any]:
        """Start the callers, and return the results. Raises ``WorkerError``."""
        if self._is_ready:
            self._send("go")
        return self.result(time_limit)

    def result(self, seconds: float) -> dict[str, Any]:
        """Return the results. ``seconds`` is the expected duration. Raises ``WorkerError``."""
        result = self._read_line(seconds + RESULT_TIMEOUT)
        if not isinstance(result, dict):
            raise WorkerError(self._last_error_line())
        return result

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            print(line, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            self._is_ready = False  # it has exited; ``result`` raises the error

    def _read_line(self, within: float) -> Any:
        assert self._process.stdout is not None
        watch = Timer(within, self._process.kill)
        watch.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        return json.loads(line) if line else None

    def _last_error_line(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_TIMEOUT)  # its output has ended, so it is about to exit
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"exited with code {self._process.returncode} without an error message"
