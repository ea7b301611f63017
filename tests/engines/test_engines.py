"""Providers on engines that send work to other processes: Dask, Ray and Spark. Run it with ``nox -s engines``."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anycreds import Credentials, cached

ENGINE = os.environ.get("ANYCREDS_ENGINE", "")
if not ENGINE:
    pytest.skip("needs Dask, Ray or Spark: run `nox -s engines`", allow_module_level=True)

# obstore wants credentials with six minutes of lifetime; where the first ones have less, it asks for others once.
EXTRA_CALLS = {"s3fs": 0, "obstore": 1}


@pytest.mark.realtime
@pytest.mark.timeout(300)
def test_workers_resolve_credentials_by_themselves(tmp_path: Path) -> None:
    """Each worker process calls the source once, and once more per rotation; no task fails, and no secret is sent."""
    report = run(tmp_path / "token")
    print(json.dumps(report))  # noqa: T201 - the figures of this run
    assert report["jobs"].keys() == ({"s3fs"} if ENGINE == "spark" else {"s3fs", "obstore"})
    for job, figures in report["jobs"].items():
        assert (figures["tasks"], figures["wrong"], figures["other_calls"]) == (96, 0, 0)
        assert figures["calls"] == [1 + EXTRA_CALLS[job] + rotations for rotations in figures["rotations"]]
        assert 1 in figures["rotations"]
    assert report["rejected_requests"] == 0
    assert report["pickled_providers"] > 0
    assert report["pickled_secrets"] == 0
    assert report["failure"].startswith("option authorization_token_file names '/missing/token', which cannot be read")


async def keys() -> Credentials:
    """Return access keys."""
    return Credentials("AKIDMINE", "not-a-secret")


def test_cloudpickle_sends_local_functions() -> None:
    """The engines' pickler sends a provider with a function that pickle itself cannot send."""
    cloudpickle = pytest.importorskip("cloudpickle")
    provider = cached(lambda: keys())  # noqa: PLW0108 - it has to be local
    data = cloudpickle.dumps(provider)
    del provider
    assert asyncio.run(pickle.loads(data)()).access_key_id == "AKIDMINE"


def run(token_file: Path) -> Any:
    """Run the job of the engine in a program of its own, and return its report."""
    program = Path(__file__).with_name(f"{ENGINE}_job.py")
    path = [Path(__file__).parents[1], *sys.path]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, program, token_file], env=environ, capture_output=True, timeout=280, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
