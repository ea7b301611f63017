"""The command line itself: its commands, its help, and its errors for wrong use."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable

import pytest

import anycreds
from anycreds.__main__ import main
from anycreds._cli import demo
from anycreds._cli.main import COMMANDS


def run_module(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m anycreds``."""
    return subprocess.run(
        [sys.executable, "-m", "anycreds", *arguments],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,  # seconds, for a new interpreter on a busy machine; it needs less than one
        check=False,
    )


def test_without_command_the_help_is_printed() -> None:
    """``python -m anycreds`` prints the help on stderr, and exits with 2."""
    done = run_module()
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: anycreds" in done.stderr
    assert "commands:" in done.stderr
    assert all(summary.split()[0] in done.stderr for summary in COMMANDS.values())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` prints the version of the package."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"anycreds {anycreds.__version__}\n"


def test_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` of a command prints all of its options on stdout, and exits with 0."""
    with pytest.raises(SystemExit) as end:
        main(["demo", "--help"])
    assert end.value.code == 0
    output = capsys.readouterr()
    assert all(option in output.out for option in ("--callers", "--backend", "--json"))
    assert output.err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nothing"], ["'nothing'", "demo"]),
        (["--profile"], ["--profile", "--help, --version, explain, export, process, exec, serve, demo"]),
        (["demo", "--colour"], ["--colour", "--backend, --callers, --help, --json"]),
        (["demo", "--call", "3"], ["--call", "--callers"]),
        (["demo", "more"], ["more", "--callers"]),
        (["demo", "a\nb", "\x1b[31m"], ["'a\\nb' '\\x1b[31m'", "--callers"]),
        (["demo", "--backend", "curio"], ["'curio'", "trio", "asyncio"]),
        (["demo", "--callers", "0"], ["'0'", "from 1 to 100,000"]),
        (["demo", "--callers", "-1"], ["--callers"]),
        (["demo", "--callers", "abc"], ["'abc'", "from 1 to 100,000"]),
        (["demo", "--callers", "1e3"], ["'1e3'"]),
        (["demo", "--callers", "100001"], ["'100001'"]),
        (["demo", "--callers", "9" * 5000], ["from 1 to 100,000"]),
        (["demo", "--callers", "\u0663"], ["from 1 to 100,000"]),
    ],
)
def test_wrong_use_is_reported_in_one_line(
    arguments: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong use exits with 2, and one line on stderr says what is wrong and what is expected."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    output = capsys.readouterr()
    assert (end.value.code, output.out) == (2, "")
    assert output.err.count("\n") == 1
    assert all(part in output.err for part in expected)


def interrupt(arguments: Namespace) -> int:
    raise KeyboardInterrupt


def interrupt_in_group(arguments: Namespace) -> int:
    raise BaseExceptionGroup("tasks", [KeyboardInterrupt()])


@pytest.mark.parametrize("run", [interrupt, interrupt_in_group])
def test_interrupt_exits_without_traceback(run: Callable[[Namespace], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C exits with the status that shells expect, also if a task group has wrapped the exception."""
    monkeypatch.setattr(demo, "run", run)
    assert main(["demo"]) == 130


def test_closed_pipe_exits_without_traceback() -> None:
    """If the reader of the output has closed the pipe, as ``head`` does, nothing is printed on stderr."""
    script = (
        "import sys; from anycreds._cli import demo; from anycreds.__main__ import main;"
        f"demo.run = lambda arguments: print('x' * {1 << 20}); sys.exit(main(['demo']))"
    )
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_only_the_used_command_is_imported() -> None:
    """A command imports no other command: neither the fake services of the demo, nor the HTTP server."""
    script = (
        "import sys; from anycreds._cli.main import run\n"
        "try: run(['export', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'anycreds.testing', 'anycreds._cli.serve', 'h11', 'httpx', 'trio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
