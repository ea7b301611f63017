"""Plays cases with a peer: a driver in a process of its own, which gets a line for each call and answers with one."""

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

from conformance.case_files import Case
from conformance.comparison import FIELDS, kind_of_peer, problems
from conformance.environment import Stage, staged

RESULTS = pytest.StashKey[dict[str, dict[str, str]]]()
"""What the table at the end of a run shows: by peer and case, what became of it."""


class Peer:
    """A driver that runs."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    def play(self, stage: Stage) -> dict[str, Any]:
        """Let the peer make the call of a case, and tell what came."""
        line = json.dumps({"environ": stage.environ, "call": stage.call, "times": stage.times})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the driver of {self.name} has ended"
        return self._told(json.loads(answer))

    def _told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        if "credentials" in answer:
            given = answer["credentials"]
            # An empty text is how some say that there is none.
            return {"credentials": {name: given[name] for name in FIELDS if given.get(name) not in (None, "")}}
        error = answer["error"]
        return {
            "error": kind_of_peer(self.name, error["name"], error["message"], goes_on=error["goes_on"]),
            "chain": "goes on" if error["goes_on"] else "stops",
            "message": f"{error['name']}: {error['message']}",
        }


@contextmanager
def driving(name: str, *command: str) -> Iterator[Peer]:
    """Run a driver while the ``with`` lasts. It gets nothing of this environment but ``PATH``."""
    environ = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environ
    ) as process:
        try:
            yield Peer(name, process)
        finally:
            process.kill()


def driver_of_botocore() -> tuple[str, ...]:
    """Return the command that runs the driver of botocore."""
    return (sys.executable, str(Path(__file__).with_name("botocore_driver.py")))


def check(peer: Peer, case: Case, home: Path, results: dict[str, str]) -> None:
    """Play a case with a peer, and see that it agrees, or that it differs as is said; note which."""
    if reason := case.skip(peer.name):
        results[case.name] = f"skipped: {reason}"
        pytest.skip(reason)
    said = case.peer(peer.name)
    with staged(case, home) as stage:
        expect = stage.fill(case.expected(peer.name))
        ours = stage.fill(case.data["expect"])
        came = peer.play(stage)
        came |= {"requests": stage.requests(), "files": stage.files(list(expect.get("files", {})))}
    if found := problems(expect, came, exact=False):
        pytest.fail("\n".join(found), pytrace=False)
    if "differs" not in said:
        results[case.name] = "agreed"
        return
    ours.pop("says", None)
    if not problems(ours, came, exact=False):
        pytest.fail(f"it does not differ any more, though it should: {said['differs']}", pytrace=False)
    results[case.name] = f"differs: {said['differs']}"
