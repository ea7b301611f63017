"""Children that are forked while a thread imports what the first call of the process needs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from anycreds._system import fork

pytestmark = pytest.mark.realtime

# The module "slow" stands for those that a thread imports, and says when it is being imported.
SLOW_MODULE = """
import os, time
os.write(1, b"importing ")
time.sleep(0.2)
"""
PROGRAM = """
import os, sys, threading, time
import anyio
import anycreds
from anycreds._system.preload import preload

FORKS = 4

async def main():
    await preload(("slow",), for_waiting=False)

def call_in_child():
    threading.Timer(5, os._exit, (9,)).start()  # a child that hangs
    anyio.run(main, backend=sys.argv[1])
    os._exit(0)

def fork():
    while "slow" not in sys.modules:
        time.sleep(0.001)
    children = []
    for _ in range(FORKS):
        child = os.fork()
        if child == 0:
            call_in_child()
        children.append(child)
    for child in children:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), end=" ")

forking = threading.Thread(target=fork)
forking.start()
anyio.run(main, backend=sys.argv[1])
forking.join()
"""
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


@can_fork
@pytest.mark.fault("C07")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_children_forked_during_an_import_work(loop: str, tmp_path: Path) -> None:
    """A child that is forked while a thread imports has the module, and its own calls do not hang."""
    (tmp_path / "slow.py").write_text(SLOW_MODULE)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM, loop]  # Python 3.12 warns of a fork with threads
    done = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["importing", "0", "0", "0", "0"], "")


def test_fork_waits_for_imports_of_ours_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork waits for no import that the program has begun itself: its code may run for long inside one."""
    importing, released = threading.Event(), threading.Event()

    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "no_such_module_of_the_program":
                importing.set()
                released.wait(10)

    def load() -> None:
        with pytest.raises(ImportError):
            __import__("no_such_module_of_the_program")

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.setattr(fork, "IMPORT_TIMEOUT", 30.0)
    thread = threading.Thread(target=load)
    thread.start()
    assert importing.wait(10)
    fork._wait_for_imports()
    released.set()
    thread.join(10)


@pytest.mark.parametrize(
    ("module", "caller", "waits"),
    [
        ("ssl", "anycreds._system.http.tls", True),  # OpenSSL holds locks while it makes a context
        ("ssl", "program", False),
        ("json", "anycreds._system.http.tls", False),
    ],
)
def test_what_a_fork_waits_for(module: str, caller: str, *, waits: bool) -> None:
    """A fork waits for work of ours with locks of OpenSSL, and for nothing else."""
    found: list[bool] = []

    def note() -> None:
        found.append(fork._imports_for_us(sys._getframe(1)))

    names: dict[str, object] = {"__name__": module, "note": note}
    exec("def work(): note()", names)
    exec("work()", {"__name__": caller, "work": names["work"]})
    assert found == [waits]


def test_fork_does_not_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork goes on after a while, since the import may wait for something that the forking thread holds."""
    importing, released = threading.Event(), threading.Event()

    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "no_such_module_of_ours":
                importing.set()
                released.wait(10)

    def load_lazily() -> None:
        """Import, as anyio does when one of its names is needed."""
        __import__("no_such_module_of_ours")

    def load() -> None:
        with pytest.raises(ImportError):
            exec("load()", {"__name__": "anycreds._system.preload", "load": load_lazily})

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.setattr(fork, "IMPORT_TIMEOUT", 0.05)
    thread = threading.Thread(target=load)
    thread.start()
    assert importing.wait(10)
    fork._wait_for_imports()
    assert thread.is_alive()
    released.set()
    thread.join(10)
    fork._wait_for_imports()
