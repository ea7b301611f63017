"""Providers are sent to processes of ``multiprocessing``, which resolve credentials by themselves."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Started as a program, because ``multiprocessing`` starts processes and keeps descriptors until its own process ends.
PROGRAM = """
import asyncio, json, multiprocessing, os, sys
import anycreds

async def count_calls():
    with open(os.environ["CALLS"], "a") as file:
        print(os.getpid(), file=file)
    return anycreds.Credentials("AKID", "unused", account_id=os.environ["WORKER"])

def use(provider, times):
    os.environ["WORKER"] = "child"
    return [asyncio.run(provider()).account_id for _ in range(times)]

def fail(provider):
    os.environ.pop("AWS_ACCESS_KEY_ID", None)
    asyncio.run(provider())

if __name__ == "__main__":
    os.environ["WORKER"] = "parent"
    provider = anycreds.create_credential_chain(anycreds.from_token_file(), count_calls).expire_after(600)
    provider = anycreds.cached(provider)
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        accounts = [pool.apply(use, (provider, 2)) for _ in range(3)]
        try:
            pool.apply(fail, (anycreds.create_credential_chain(anycreds.from_env()),))
        except anycreds.NoCredentialsError as error:
            attempts = [attempt.provider for attempt in error.attempts]
    own = asyncio.run(provider()).account_id
    print(json.dumps([accounts, own, attempts]))
"""


@pytest.mark.realtime
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_tasks_of_a_process_share_the_calls_of_a_provider(method: str, tmp_path: Path) -> None:
    """A process gets a provider with three tasks and calls its source once; an error comes back as it was."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    program, calls = tmp_path / "program.py", tmp_path / "calls"
    program.write_text(PROGRAM)
    environ = {**os.environ, "CALLS": str(calls), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(program), method], env=environ, capture_output=True, timeout=30, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    accounts, own, attempts = json.loads(done.stdout)
    assert accounts == [["child", "child"]] * 3
    assert (own, attempts) == ("parent", ["environment variables"])
    assert len(calls.read_text().split()) == len(set(calls.read_text().split())) == 2
