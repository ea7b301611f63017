"""How the demo goes: which backends are played, what is printed where, and the exit status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import anyio

from ...testing import FakeAWS
from .._common import DONE, deliver
from . import text
from .checks import figures_of, verdict_on
from .json import document
from .scenarios import Act, MissedInstantError, Play, play
from .svg import draw

AS_PROMISED, OFF, WRONG_USE = range(3)
NO_TRIO = "trio is not installed, and so not shown. To get it: python -m pip install trio"
TOO_BUSY = "this machine was too busy to ask in time; try again, or with fewer --callers"


def show(callers: int, backends: Sequence[str], svg: Path | None, *, as_json: bool) -> int:
    """Play on those of the backends that are installed; tell it and judge. Return the exit status."""
    installed = [name for name in backends if name != "trio" or find_spec("trio") is not None]
    if not installed:
        return _complain(NO_TRIO, WRONG_USE)
    say = _silent if as_json else _say
    try:
        plays = _play_all(installed, callers, say, "" if len(installed) == len(backends) else NO_TRIO)
    except MissedInstantError:
        return _complain(TOO_BUSY, OFF)
    verdicts = [verdict_on(one) for one in plays]
    say(text.closing(verdicts))
    if as_json:
        _print(json.dumps(document(verdicts, callers), indent=2))
    status = AS_PROMISED
    for problem in [problem for verdict in verdicts for problem in verdict.problems]:
        status = _complain(problem, OFF)
    if svg is not None:
        try:
            svg.write_text(draw(plays, verdicts), encoding="utf-8")
        except OSError as error:
            return _complain(f"{svg} cannot be written: {error.strerror}", WRONG_USE)
        say(f"The picture is in {svg}.")
    return status


def _complain(problem: str, status: int) -> int:
    print(text.printable(f"anycreds demo: {problem}", sys.stderr.encoding), file=sys.stderr)
    return status


def _play_all(backends: list[str], callers: int, say: Callable[[str], None], note: str) -> list[Play]:
    plays = []
    with _own_environment(), FakeAWS.in_thread() as aws:
        say(text.opening(callers, aws.metadata_url))
        if note:
            say(f"\n{note}")
        for backend in backends:
            say(text.heading(backend))
            plays.append(anyio.run(play, aws, backend, callers, _teller(say), backend=backend))
    return plays


def _teller(say: Callable[[str], None]) -> Callable[[str | Act], None]:
    def tell(what: str | Act) -> None:
        say(text.waiting(what) if isinstance(what, str) else text.act(what, figures_of(what)))

    return tell


def _say(lines: str) -> None:
    _print(text.printable(lines, getattr(sys.stdout, "encoding", None)))


def _print(lines: str) -> None:
    status = deliver("demo", lines, as_json=False)
    if status != DONE:  # nobody can read it: what is left to play would be for nothing
        raise SystemExit(status)


def _silent(lines: str) -> None:
    """Say nothing."""


@contextmanager
def _own_environment() -> Iterator[None]:
    """Take what steers instance metadata out of the environment for a while.

    The endpoint is an option here and wins anyway, but ``AWS_EC2_METADATA_DISABLED`` counts everywhere by design, and a
    switch with a value that cannot be read is an error. The rest of the environment disturbs nothing.
    """
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_EC2_METADATA_")}
    try:
        yield
    finally:
        os.environ.update(taken)
