"""The comparison with other libraries counts what comes to the upstream, and says what cannot be played."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from support.run_benchmarks import run

CALLERS = 20


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Let some callers ask in a few scenarios, with all peers that are installed; give the tables and the JSON."""
    folder = tmp_path_factory.mktemp("comparing")
    done = run("--quick", "--only", "concurrent", "--callers", str(CALLERS), "--results", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    text = (folder / "results.txt").read_text(encoding="utf-8")
    assert text == done.stdout
    return text, json.loads((folder / "results.json").read_text(encoding="utf-8"))


def of(data: dict[str, Any], scenario: str, *peers: str) -> Iterable[dict[str, Any]]:
    """Return what became of peers in a scenario."""
    found = [one for one in data["concurrent"] if one["scenario"] == scenario and one["peer"] in peers]
    assert len(found) == len(peers), data["concurrent"]
    return found


OURS = ("anycreds on asyncio", "anycreds on trio")
FLOORS = ("one event on asyncio", "one event on trio")


def test_cold_callers_make_one_call(played: tuple[str, dict[str, Any]]) -> None:
    """All callers of ours and of the floor are served by one call, and waits and memory are told."""
    _, data = played
    for one in of(data, "cold", *OURS, *FLOORS):
        assert one["calls"] == 1
        assert one["served"] == one["callers"] == CALLERS
        assert one["endings"] == {"served": CALLERS}
        assert 0.04 < one["p50"] <= one["p99"] <= one["longest"] <= one["seconds"]
        assert one["waits"] == sorted(one["waits"])


def test_nobody_notices_an_outage(played: tuple[str, dict[str, Any]]) -> None:
    """While the set is good and the upstream is down, every ask of ours is served."""
    _, data = played
    for one in of(data, "outage", *OURS):
        assert one["endings"] == {"served": 5 * CALLERS}
        assert one["calls"] <= 1


def test_short_deadlines_are_met_in_the_end(played: tuple[str, dict[str, Any]]) -> None:
    """Callers that give up before a refresh has ended are served by the same refresh when they ask again."""
    _, data = played
    for one in of(data, "deadlines", *OURS):
        assert one["calls"] == 1
        assert one["served"] == CALLERS
        assert one["endings"]["gave up"] >= CALLERS
        assert one["p50"] > 0.5


def test_a_peer_is_shown_as_it_is(played: tuple[str, dict[str, Any]]) -> None:
    """Botocore is played, too: its threads race for cold credentials, and an outage leaves them without."""
    _, data = played
    (cold,) = of(data, "cold", "botocore in threads")
    assert cold["served"] == CALLERS
    assert cold["calls"] >= 1
    (outage,) = of(data, "outage", "botocore in threads")
    assert outage["served"] == 0
    assert outage["endings"]["waits"] > 0  # within the cap of a quick look: it tries again and again


def test_what_cannot_be_played_has_its_reason(played: tuple[str, dict[str, Any]]) -> None:
    """A peer that is not installed, or cannot do a thing, is named with the reason in the tables and the JSON."""
    text, data = played
    (deadlines,) = of(data, "deadlines", "botocore in threads")
    assert deadlines["reason"] == "a thread cannot be cancelled, nor a call given up"
    assert f"botocore in threads: n/a, {deadlines['reason']}" in text
    (javascript,) = of(data, "cold", "JavaScript SDK on node")
    assert javascript["reason"] is not None
    assert f"JavaScript SDK on node: n/a, {javascript['reason']}" in text


def test_the_upstream_is_no_bottleneck(played: tuple[str, dict[str, Any]]) -> None:
    """How many requests the servers answer is told, and is more than any Python client can make."""
    text, data = played
    assert "requests a second" in text
    assert data["rates"]["container endpoint"] > 2_000


def test_sources_are_asked_by_every_peer(tmp_path: Path) -> None:
    """Each peer that is installed resolves from the sources that lead to it, or it is said why not."""
    file = tmp_path / "cold.json"
    done = run("--quick", "--only", "cold", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(one["peer"], one["what"]): one for one in json.loads(file.read_text(encoding="utf-8"))["compared"]}
    for peer in (*OURS, "botocore in threads", "by hand on asyncio", "by hand on trio"):
        for source in ("file 100", "container"):
            one = found[peer, source]
            assert one["reason"] is None, one
            assert 0 < one["figure"]["least"] <= one["figure"]["median"] <= one["figure"]["most"]
    assert "nothing here goes over HTTP" in found["one httpx client on trio", "file 100"]["reason"]
