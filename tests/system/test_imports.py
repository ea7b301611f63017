"""Tests which modules the import of the library and credentials from environment variables load, in new processes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Modules that cost time or memory, which access keys in environment variables do not need.
HEAVY = ("httpx", "httpcore", "h11", "trio", "ssl", "xml", "email", "http", "urllib.request", "json", "dataclasses",
         "idna", "certifi", "subprocess", "multiprocessing", "tempfile", "pickle")  # fmt: skip
LOOPS = ("asyncio", "trio", "uvloop", "ssl", "logging", "socket", "concurrent", "selectors")
FINISH = "import json, sys; print(json.dumps(sorted(sys.modules)))"
KEYS = "{'AWS_ACCESS_KEY_ID': 'AKID', 'AWS_SECRET_ACCESS_KEY': 'shh'}"


def loaded_by(program: str) -> set[str]:
    """Return the modules that are loaded at the end of a program."""
    program += "\nimport sys\nnames = sorted(sys.modules)\nimport json\nprint(json.dumps(names))\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=20)
    return set(json.loads(done.stdout))


def matching(names: set[str], heavy: tuple[str, ...]) -> set[str]:
    """Return those modules that are heavy, or in a heavy package."""
    return {name for name in names if name in heavy or name.startswith(tuple(f"{one}." for one in heavy))}


def test_import_alone() -> None:
    """``import anycreds`` loads no event loop, no anyio, no HTTP library and no other heavy module."""
    names = loaded_by("import anycreds") - loaded_by("pass")
    assert "anycreds" in names
    assert matching(names, (*HEAVY, *LOOPS, "anyio")) == set()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("provider", ["from_env(environ={0})", "cached(anycreds.from_env(environ={0}))"])
def test_keys_from_the_environment(backend: str, provider: str) -> None:
    """Access keys in environment variables load nothing heavy beyond what anyio loads for any coroutine."""
    wait = "async def main():\n    with anyio.move_on_after(9):\n        anyio.Event()\n        await anyio.sleep(0)"
    base = loaded_by(f"import anyio\n{wait}\nanyio.run(main, backend='{backend}')")
    call = f"async def main():\n    return await anycreds.{provider.format(KEYS)}()"
    names = loaded_by(
        f"import anycreds, anyio\n{call}\nassert anyio.run(main, backend='{backend}').access_key_id == 'AKID'"
    )
    assert matching(names - base, HEAVY) == set()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_events_without_observer(backend: str) -> None:
    """The classes of events are imported for an observer or a log of debug records, and for nothing else."""
    call = "anyio.run(anycreds.cached(anycreds.from_env(environ={0}){1}), backend='{2}')"
    debug = "logging.basicConfig(level=logging.DEBUG, stream=open(os.devnull, 'w'))"
    for setup, option, is_needed in (
        ("", "", False),
        ("", ", observer=id", True),
        (debug, "", True),
        (debug.replace("DEBUG", "INFO"), "", False),
    ):
        program = f"import anycreds, anyio, logging, os\n{setup}\n{call.format(KEYS, option, backend)}"
        assert ("anycreds._core.events" in loaded_by(program)) == is_needed, (setup, option)


def test_import_without_testing_and_command_line() -> None:
    """``import anycreds`` loads neither the fakes nor the command line."""
    names = loaded_by("import anycreds")
    assert matching(names, ("anycreds.testing", "anycreds._cli")) == set()
