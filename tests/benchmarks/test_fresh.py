"""Fresh processes are compared with a bare interpreter, and the goals and the summary show their figures."""

from __future__ import annotations

import sys
from itertools import product
from typing import Any

from benchmarks.fresh import BARE, Program, first_credentials
from benchmarks.goals import rows
from benchmarks.measurement import fake_aws, span
from benchmarks.peer_figures import PeerFigure
from benchmarks.peers.anycreds import PEERS
from benchmarks.sources import SOURCES
from benchmarks.summary import FRESH, FRESH_CALLERS, SHOWN, tables

CONTAINER = next(source for source in SOURCES if source.name == "container")
OURS = "anycreds on asyncio"


def test_a_fresh_process_gets_its_credentials_by_one_request() -> None:
    """The time of a fresh process is beyond its bare interpreter's; one that makes no request has no figure."""
    ours = Program(OURS, PEERS[0].first or ())
    idle = Program("idle", (sys.executable, "-c", "pass"))
    with fake_aws() as fake:
        figures = list(first_credentials(CONTAINER, [BARE[0], ours, idle], fake, range(1)))
    found = {(one.what, one.peer): one for one in figures}
    time, memory = found["container", OURS], found["container, memory", OURS]
    assert time.figure is not None, time.reason
    assert time.figure.median > 0
    assert memory.figure is not None
    assert memory.figure.median > 2**20
    assert found["container", "idle"].reason == "sent 0 requests to the source"
    assert ("container", "bare interpreter") not in found


def figure(benchmark: str, what: str, peer: str, seconds: float) -> PeerFigure:
    """Return a figure that was measured once."""
    return PeerFigure(benchmark, what, peer, "s", span([seconds]))


def test_goals_of_first_calls() -> None:
    """Fresh processes are judged by their time on asyncio, cold calls by their ratio to the same exchanges by hand."""
    figures = [
        figure("fresh", "container", OURS, 0.109),
        figure("fresh", "imds", OURS, 0.111),
        figure("fresh", "imds", "anycreds on trio", 0.111),
        figure("cold", "container", OURS, 0.0019),
        figure("cold", "container", "by hand on asyncio", 0.001),
        figure("cold", "imds", OURS, 0.0023),
        figure("cold", "imds", "by hand on asyncio", 0.001),
        figure("cold", "role", OURS, 0.001),  # without a baseline there is no row
        figure("cold", "file 1", OURS, 0.0002),
    ]
    assert [(row.what, row.loop, row.met) for row in rows((), figures)] == [
        ("fresh process, container: beyond a bare interpreter", "asyncio", True),
        ("fresh process, imds: beyond a bare interpreter", "asyncio", False),
        ("cold call, container", "asyncio", True),
        ("cold call, imds", "asyncio", False),
        ("cold call, file 1", "asyncio", True),
        ("fresh process, imds: beyond a bare interpreter", "trio", None),
    ]


def concurrent(peer: str, scenario: str) -> dict[str, Any]:
    """Return the result of a scenario in which all callers are served by one request."""
    figures = {"callers": 1_000, "served": 1_000, "requests": 1, "p99": 0.0587, "reason": None}
    return {"peer": peer, "scenario": scenario, **figures}


def test_the_summary_has_both_tables() -> None:
    """The summary has a line per library: 1,000 callers by scenario, and its first credentials in a fresh process."""
    peers = (OURS, "awscrt on asyncio")
    fresh = [figure("fresh", source, peer, 0.0312) for peer, source in product(peers, FRESH)]
    missing = fresh[-1]._replace(figure=None, reason="n/a")
    data = {
        "concurrent": [concurrent(*one) for one in product(peers, (*SHOWN, FRESH_CALLERS))],
        "compared": [one.as_data() for one in (*fresh[:-1], missing)],
    }
    text = tables(data)
    assert text is not None
    lines = text.splitlines()
    assert lines[2] == f"| {OURS} |" + " all, 1 request, 58.7 ms |" * 6
    assert lines[-2] == f"| {OURS} |" + " 31.2 ms |" * 4 + " all, 1 request, 58.7 ms |"
    assert lines[-1] == "| awscrt on asyncio |" + " 31.2 ms |" * 3 + " – | all, 1 request, 58.7 ms |"
    assert tables({**data, "compared": []}) is None
