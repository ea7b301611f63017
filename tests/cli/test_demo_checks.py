"""The demo judges and tells what was measured: in figures, as text and as a picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from anycreds._cli.demo import BACKENDS, MOST_CALLERS
from anycreds._cli.demo import text as _demo_text
from anycreds._cli.demo.checks import PROMISES, Figures, Verdict, Waits, verdict_on
from anycreds._cli.demo.svg import draw
from cli.demo_runs import WRONG, perfect, spoil

SVG = "{http://www.w3.org/2000/svg}"

SPOILED = {
    "two cold refreshes": ["cold start: 2 upstream calls instead of 1", "cold start: 6 HTTP requests instead of 3"],
    "asked while fresh": ["fresh: 1 upstream calls instead of 0", "fresh: 2 HTTP requests instead of 0"],
    "no advisory refresh": ["advisory window: 0 upstream calls instead of 1", "advisory window: no new set came"],
    "token not kept": ["expiry: 3 HTTP requests instead of 2"],
    "waits in the advisory window": ["advisory window: a task waited for 0.300 s"],
    "ended set served": ["expiry: not all tasks were served the new set"],
    "sets differ": ["cold start: not all tasks were served the new set"],
    "a task fails": ["expiry: 999 tasks were served instead of 1000; one failed: metadata: status 500"],
    "a task is forgotten": ["999 tasks were served instead of 1000; 1 were still waiting"],
    "cancelled in vain": ["cold start: 99 cancelled tasks left instead of 100"],
    "cancelled too late": ["cold start: a cancelled task left after 0.375 s, not within"],
    "nothing came": ["not played, for want of a set: fresh, advisory window, expiry"],
}


@pytest.mark.parametrize("callers", [1, 2, 10, 1000])
def test_what_is_as_promised_is_found_so(callers: int) -> None:
    """One refresh for all, none while fresh, nobody waiting in the advisory window: there is nothing to complain of."""
    verdict = verdict_on(perfect("trio", callers))
    assert verdict.problems == ()
    assert [act.upstream_calls for act in verdict.acts] == [1, 0, 1, 1]
    assert [act.http_requests for act in verdict.acts] == [3, 0, 2, 2]


@pytest.mark.parametrize("how", WRONG)
def test_what_is_off_is_told(how: str) -> None:
    """Each figure that is not as promised is told in a sentence that names backend and act."""
    problems = verdict_on(spoil(perfect("trio"), how)).problems
    assert all(problem.startswith("trio") for problem in problems)
    assert all(any(expected in problem for problem in problems) for expected in SPOILED[how]), problems


def test_the_largest_figures_fit_80_columns() -> None:
    """The summary of the most tasks that may be asked for is not wider than 80 columns, be it good or bad."""
    figures = Figures(PROMISES[0], MOST_CALLERS, MOST_CALLERS, MOST_CALLERS // 10, 1, 3, Waits(0, 0, 0, 0), 0.1, ())
    for problems in ((), ("something",)):
        told = _demo_text.closing([Verdict(backend, (figures,) * 4, problems) for backend in BACKENDS])
        assert max(map(len, told.splitlines())) <= 80


def test_a_poor_terminal_gets_plain_letters() -> None:
    """Where bars and Greek letters cannot be printed, others stand for them, one for one."""
    verdict = verdict_on(perfect())
    told = "\n".join(_demo_text.act(*both) for both in zip(perfect().acts, verdict.acts, strict=True))
    plain = _demo_text.printable(told, "ascii")
    assert plain.isascii()
    assert "?" not in plain
    assert [len(line) for line in plain.splitlines()] == [len(line) for line in told.splitlines()]
    assert _demo_text.printable(told, "utf-8") == told


def test_the_bars_show_who_waited_when() -> None:
    """All wait until their bar ends, the cancelled leave early, and each request stands where it happened."""
    cold = perfect().acts[0]
    told = _demo_text.act(cold, verdict_on(perfect()).acts[0]).splitlines()[-3:]
    served, cancelled, upstream = (line[13:] for line in told)  # 10 ms a column, after the names
    assert served == "█" * 45
    assert cancelled == "█" * 8
    assert re.fullmatch(r"├─* token ─*┤├─* role list ─*┤├─* role ─*┤", upstream)
    assert len(upstream) == 45


@pytest.mark.parametrize("callers", [1, 10, 10_000])
def test_the_picture_is_sound(callers: int) -> None:
    """The SVG is well-formed, has both backends, stays within its edges, and does not grow with the callers."""
    plays = [perfect(backend, callers) for backend in BACKENDS]
    picture = draw(plays, [verdict_on(play) for play in plays])
    assert len(picture) < 150_000
    root = ET.fromstring(picture)
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"trio", "asyncio", "cold start", "fresh", "advisory window", "expiry", "set 3"} <= set(words)
    assert words.count("as promised") == 2
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in root.iter():
        for names, limit in ((("x", "x1", "x2", "cx"), width), (("y", "y1", "y2", "cy"), height)):
            assert all(0 <= float(element.attrib[name]) <= limit for name in names if name in element.attrib)


def test_the_picture_shows_failures_too() -> None:
    """Whatever went wrong can be drawn, and is called so."""
    plays = [spoil(perfect("trio"), how) for how in WRONG]
    root = ET.fromstring(draw(plays, [verdict_on(play) for play in plays]))
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert words.count("not as promised") == len(plays)
