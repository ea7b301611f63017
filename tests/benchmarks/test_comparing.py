"""The comparison with other libraries counts upstream requests, and reports what cannot be run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.run_benchmarks import run

pytestmark = pytest.mark.timeout(120)  # seconds: on a busy machine, many processes take long

CALLERS = 20


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Run a few scenarios and cold calls with all installed peers, and return the tables and the JSON.

    The two benchmarks run at the same time, because they mostly sleep or wait for processes to start.
    """
    folders = {name: tmp_path_factory.mktemp(name) for name in ("concurrent", "cold")}

    def compared(name: str) -> tuple[str, dict[str, Any]]:
        folder = folders[name]
        done = run("--quick", "--only", name, "--callers", str(CALLERS), "--results", str(folder))
        assert done.returncode == 0, done.stdout + done.stderr
        text = (folder / "results.txt").read_text(encoding="utf-8")
        assert text == done.stdout
        return text, json.loads((folder / "results.json").read_text(encoding="utf-8"))

    with ThreadPoolExecutor() as pool:
        (text, concurrent), (more, cold) = pool.map(compared, folders)
    return text + more, {**concurrent, "compared": cold["compared"], "rows": cold["rows"]}


def of(data: dict[str, Any], scenario: str, *peers: str) -> Iterable[dict[str, Any]]:
    """Return the results of peers in a scenario."""
    found = [one for one in data["concurrent"] if one["scenario"] == scenario and one["peer"] in peers]
    assert len(found) == len(peers), data["concurrent"]
    return found


OURS = ("anycreds on asyncio", "anycreds on trio")
BASELINES = ("one event on asyncio", "one event on trio")


def test_cold_callers_make_one_request(results: tuple[str, dict[str, Any]]) -> None:
    """All callers of anycreds and of the baseline get credentials by one request."""
    _, data = results
    for one in of(data, "cold", *OURS, *BASELINES):
        assert one["requests"] == 1
        assert one["served"] == one["callers"] == CALLERS
        assert one["outcomes"] == {"served": CALLERS}
        assert 0.04 < one["p50"] <= one["p99"] <= one["longest"] <= one["seconds"]
        assert one["waits"] == sorted(one["waits"])


def test_outage_with_valid_credentials(results: tuple[str, dict[str, Any]]) -> None:
    """During an outage every call of anycreds returns the credentials that are still valid."""
    _, data = results
    for one in of(data, "outage", *OURS):
        assert one["outcomes"] == {"served": 5 * CALLERS}
        assert one["requests"] <= 1


def test_timeouts_shorter_than_a_refresh(results: tuple[str, dict[str, Any]]) -> None:
    """Callers whose timeout is shorter than a refresh get its credentials when they call again."""
    _, data = results
    for one in of(data, "deadlines", *OURS):
        assert one["requests"] == 1
        assert one["served"] == CALLERS
        assert one["outcomes"]["timed out"] >= CALLERS
        assert one["p50"] > 0.5


def test_botocore_is_measured(results: tuple[str, dict[str, Any]]) -> None:
    """Botocore is measured too: an outage leaves its threads without credentials."""
    _, data = results
    (cold,) = of(data, "cold", "botocore in threads")
    assert cold["served"] == CALLERS
    assert cold["requests"] >= 1
    (outage,) = of(data, "outage", "botocore in threads")
    assert outage["served"] == 0
    assert outage["outcomes"]["waiting"] > 0  # it retries until the time limit


def test_missing_results_have_a_reason(results: tuple[str, dict[str, Any]]) -> None:
    """A peer that is not installed, or lacks a feature, is listed with the reason."""
    text, data = results
    (deadlines,) = of(data, "deadlines", "botocore in threads")
    assert deadlines["reason"] == "a thread cannot be cancelled, and a call has no timeout"
    assert f"botocore in threads: n/a, {deadlines['reason']}" in text
    (javascript,) = of(data, "cold", "JavaScript SDK on node")
    assert javascript["reason"] is not None
    assert f"JavaScript SDK on node: n/a, {javascript['reason']}" in text


def test_rate_of_the_upstream_is_reported(results: tuple[str, dict[str, Any]]) -> None:
    """The tables say how many requests per second the servers can handle."""
    text, data = results
    assert "requests per second" in text
    assert data["rates"]["container endpoint"] > 2_000
    assert data["rates"]["FakeAWS"] > 0


def test_cold_calls_of_every_peer(results: tuple[str, dict[str, Any]]) -> None:
    """Each installed peer makes cold calls to each source, or its reason is reported."""
    found = {(one["peer"], one["what"]): one for one in results[1]["compared"]}
    for peer in (*OURS, "botocore in threads", "by hand on asyncio", "by hand on trio"):
        for source in ("file 100", "container"):
            one = found[peer, source]
            assert one["reason"] is None, one
            assert 0 < one["figure"]["least"] <= one["figure"]["median"] <= one["figure"]["most"]
    assert "this source does not use HTTP" in found["one httpx client on trio", "file 100"]["reason"]
