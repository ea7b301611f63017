"""The command line itself: its verbs, its help, and what it says to what it does not understand."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable

import pytest

from anycreds.__main__ import main
from anycreds._cli import demo


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


def test_without_a_verb_the_help_is_shown() -> None:
    """``python -m anycreds`` shows the verbs on stderr, prints nothing, and fails as wrong use does."""
    done = run_module()
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: anycreds" in done.stderr
    assert demo.SUMMARY in done.stderr


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` of a verb names all of its options, on stdout, with status 0."""
    with pytest.raises(SystemExit) as end:
        main(["demo", "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr()
    assert all(option in shown.out for option in ("--callers", "--backend", "--json", "--svg"))
    assert shown.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing"], ["'nothing'", "demo"]),
        (["--profile"], ["--profile", "--help, explain, export, process, exec, serve, demo"]),
        (["demo", "--colour"], ["--colour", "--backend, --callers, --help, --json, --svg"]),
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
        (["demo", "--svg", "not/there/x.svg"], ["'not/there/x.svg'", "cannot be written", "No such file"]),
        (["demo", "--svg", "."], ["cannot be written", "Is a directory"]),
        (["demo", "--svg", "a\0b"], ["cannot be written"]),
        (["demo", "--svg"], ["--svg"]),
    ],
)
def test_what_is_not_understood_is_told_in_one_line(
    arguments: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong input ends at once with status 2, and one line on stderr that says what was wrong or what there is."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = capsys.readouterr()
    assert (end.value.code, shown.out) == (2, "")
    assert shown.err.count("\n") == 1
    assert all(part in shown.err for part in told)


def interrupt(arguments: Namespace) -> int:
    raise KeyboardInterrupt


def interrupt_in_group(arguments: Namespace) -> int:
    raise BaseExceptionGroup("tasks", [KeyboardInterrupt()])


@pytest.mark.parametrize("run", [interrupt, interrupt_in_group])
def test_an_interrupt_is_no_traceback(run: Callable[[Namespace], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C ends with the status that shells know for it, also when a task group has wrapped it."""
    monkeypatch.setattr(demo, "run", run)
    assert main(["demo"]) == 130


def test_a_closed_pipe_is_no_traceback() -> None:
    """If the reader of the output has gone, as ``head`` does, the program ends in silence."""
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


def test_other_verbs_do_not_pay_for_the_demo() -> None:
    """Knowing the demo's options loads neither the fakes nor an HTTP library."""
    script = (
        "import sys; from anycreds._cli.main import run\n"
        "try: run(['demo', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'anycreds.testing', 'h11', 'httpx', 'trio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
