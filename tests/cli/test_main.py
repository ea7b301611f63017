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


def test_version_option_prints_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` prints the version of the package."""
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"anycreds {anycreds.__version__}\n"


def test_help_option_prints_the_options_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` of a command prints all of its options on stdout, and exits with 0."""
    with pytest.raises(SystemExit) as end:
        main(["demo", "--help"])
    assert end.value.code == 0
    output = capsys.readouterr()
    assert all(option in output.out for option in ("--callers", "--backend", "--json"))
    assert output.err == ""


WRONG_USE: dict[str, list[tuple[list[str], list[str]]]] = {
    "no command": [
        (["nothing"], ["'nothing'", "demo"]),
        (["--profile"], ["--profile", "--help, --version, explain, export, process, exec, serve, demo"]),
    ],
    "demo": [
        (["--colour"], ["--colour", "--backend, --callers, --help, --json"]),
        (["--call", "3"], ["--call", "--callers"]),
        (["more"], ["more", "--callers"]),
        (["a\nb", "\x1b[31m"], ["'a\\nb' '\\x1b[31m'", "--callers"]),
        (["--backend", "curio"], ["'curio'", "trio", "asyncio"]),
        (["--callers", "0"], ["'0'", "from 1 to 100,000"]),
        (["--callers", "-1"], ["--callers"]),
        (["--callers", "abc"], ["'abc'", "from 1 to 100,000"]),
        (["--callers", "1e3"], ["'1e3'"]),
        (["--callers", "100001"], ["'100001'"]),
        (["--callers", "9" * 5000], ["from 1 to 100,000"]),
        (["--callers", "\u0663"], ["from 1 to 100,000"]),
    ],
    "export": [
        (["--format", "yaml"], ["'yaml'", "process", "env", "json", "powershell"]),
        (["--profile", ""], ["--profile", "''"]),
        (["--profile", " "], ["--profile", "' '"]),
        (["--profile", "a\0b"], ["--profile", "name of a profile"]),
        (["dev"], ["dev", "--format, --help, --json, --profile"]),
    ],
    "explain": [(["--profile", ""], ["--profile", "''"])],
    "process": [(["--format", "env"], ["--format", "--help, --json, --profile"])],
    "serve": [
        (["--port", "80"], ["'80'", "1024", "65535"]),
        (["--port", "65536"], ["'65536'", "1024"]),
        (["--port", "x"], ["'x'", "1024"]),
        (["--for", "0"], ["'0'", "30s, 15m, 8h or 1d"]),
        (["--for", "-1"], ["--for"]),
        (["--for", "1w"], ["'1w'", "15m"]),
        (["--for", "\u0663"], ["15m"]),
        (["--for", "9" * 5000], ["15m"]),
        (["--profile", ""], ["''"]),
        (["now"], ["now", "--for, --help, --json"]),
    ],
}
if os.name == "posix":
    WRONG_USE["serve"] += [
        (["--parent", "0"], ["'0'", "process"]),
        (["--parent", "999999999"], ["'999999999'", "running process"]),
        (["--background", "--until-eof"], ["--background", "--until-eof"]),
    ]


@pytest.mark.parametrize("command", WRONG_USE)
def test_wrong_use_is_reported_in_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use exits with 2, and one line on stderr says what is wrong and what is expected."""
    for arguments, expected in WRONG_USE[command]:
        with pytest.raises(SystemExit) as end:
            main(arguments if command == "no command" else [command, *arguments])
        output = capsys.readouterr()
        assert (arguments, end.value.code, output.out) == (arguments, 2, "")
        assert (arguments, output.err.count("\n")) == (arguments, 1)
        assert all(part in output.err for part in expected), (arguments, output.err)


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
