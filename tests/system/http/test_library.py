"""Tests which HTTP library calls AWS services: httpx2 where it is installed, otherwise httpx."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from anycreds._system.http import library
from support.http_libraries import INSTALLED
from support.rows import each_row

CHOOSE = "from anycreds._system.http import library; import sys; print(library.chosen.__name__, *sys.modules)"
# A role from STS, at an address that refuses connections.
CALL = """
import anycreds, anyio, sys
config = anycreds.ClientConfig(endpoint_url="https://127.0.0.1:1", max_attempts=1)
try:
    anyio.run(anycreds.from_web_token("arn:aws:iam::1:role/x", "token", client_config=config), backend=sys.argv[1])
except anycreds.RetrievalError as error:
    assert "refused" in str(error), error
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"httpx", "httpx2", "httpcore", "httpcore2"}))
"""


def run_program(program: str, *arguments: str, path: Path | str = "") -> list[str]:
    """Return the words that a program prints in a new process, which imports from this folder first."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(path), *filter(None, sys.path)))}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split()


@each_row(
    "version, is_used",
    [
        ("2.12.0", True),
        ("2.16.2.dev1", True),
        ("2.11.9", False),
        ("1.12.0", False),
        ("3.0.0", False),
        ("2", False),
        ("unknown.x", False),
        (None, False),
    ],
)
def test_release_of_httpx2(version: str | None, is_used: bool) -> None:
    """A release of httpx2 that this library was not tested with is not used, even if the program has imported it."""
    imported = ModuleType("httpx2")
    if version is not None:
        imported.__dict__["__version__"] = version
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "httpx2", imported)
        assert library.choose().__name__ == ("httpx2" if is_used else "httpx")


@pytest.mark.parametrize(
    ("before", "installed", "expected"),
    [
        ("", "__version__ = '2.12.0'", "httpx2"),
        ("", "raise ImportError", "httpx"),
        ("import httpx", "__version__ = '2.12.0'", "httpx"),
        ("import httpx, httpx2", "__version__ = '2.12.0'", "httpx2"),
    ],
    ids=["installed", "not installed", "httpx imported", "both imported"],
)
def test_imported_library_comes_first(before: str, installed: str, expected: str, tmp_path: Path) -> None:
    """httpx2 is imported if it is installed, unless the program has imported httpx only."""
    (tmp_path / "httpx2.py").write_text(installed, encoding="utf-8")
    chosen, *modules = run_program(f"{before}\n{CHOOSE}", path=tmp_path)
    assert chosen == expected
    assert ("httpx" in modules) == (expected == "httpx" or "httpx" in before)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_one_library_is_loaded(name: str, backend: str) -> None:
    """A call of a service loads one HTTP library with its core, and not the other one."""
    if name not in INSTALLED:
        pytest.skip(f"{name} is not installed")
    program = f"import httpx\n{CALL}" if name == "httpx" else CALL
    assert run_program(program, backend) == [name.replace("httpx", "httpcore"), name]
