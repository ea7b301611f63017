"""Runs cases with another SDK: a driver process reads one JSON line per case and writes one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from conformance.case_files import Case
from conformance.comparison import FIELDS, differences, kind_of_peer
from conformance.environment import prepared

RESULTS = pytest.StashKey[dict[str, dict[str, str]]]()
"""The result of each case by peer, for the summary at the end of the test run."""


class Peer:
    """The running driver of another SDK."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    def run_case(self, environ: Mapping[str, str], call: Mapping[str, Any], times: int) -> dict[str, Any]:
        """Make a call ``times`` times with this SDK, and return the outcome of the last one."""
        line = json.dumps({"environ": environ, "call": call, "times": times})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        response = self._process.stdout.readline()
        assert response, f"the driver of {self.name} has exited"
        return self._outcome(json.loads(response))

    def _outcome(self, response: Mapping[str, Any]) -> dict[str, Any]:
        if "credentials" in response:
            given = response["credentials"]
            # Some SDKs return an empty string for a missing field.
            return {"credentials": {name: given[name] for name in FIELDS if given.get(name) not in (None, "")}}
        error = response["error"]
        return {
            "error": kind_of_peer(self.name, error["name"], error["message"], continues=error["continues"]),
            "chain": "continues" if error["continues"] else "stops",
            "message": f"{error['name']}: {error['message']}",
        }


@contextmanager
def running(name: str, *command: str) -> Iterator[Peer]:
    """Run a driver inside the ``with`` block. Of the environment it gets only ``PATH``."""
    environ = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environ
    ) as process:
        try:
            yield Peer(name, process)
        finally:
            process.kill()


def botocore_command() -> tuple[str, ...]:
    """Return the command that runs the botocore driver."""
    return (sys.executable, str(Path(__file__).with_name("botocore_driver.py")))


def check(peer: Peer, case: Case, home: Path, portal: BlockingPortal, results: dict[str, str]) -> None:
    """Run a case with a peer, check that it agrees or differs as the case says, and record which."""
    if reason := case.skip(peer.name):
        results[case.name] = f"skipped: {reason}"
        pytest.skip(reason)
    entry = case.peer(peer.name)
    with prepared(case, home, portal) as environment:
        expect = environment.fill(case.expected(peer.name))
        ours = environment.fill(case.data["expect"])
        actual = peer.run_case(environment.variables, environment.call, environment.times)
        actual |= {"requests": environment.requests(), "files": environment.files(list(expect.get("files", {})))}
    if found := differences(expect, actual, exact=False):
        pytest.fail("\n".join(found), pytrace=False)
    if "differs" not in entry:
        results[case.name] = "agreed"
        return
    ours.pop("message_contains", None)
    if not differences(ours, actual, exact=False):
        pytest.fail(f"the SDKs agree, but the case expects a difference: {entry['differs']}", pytrace=False)
    results[case.name] = f"differs: {entry['differs']}"
