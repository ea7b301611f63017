"""The simulated fleet: a hundred hosts, and what spreads them. The benchmark has ten thousand."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from benchmarks.fleet import HOUR, Scenario, per
from benchmarks.fleet_rows import DAY, DURING_OUTAGE, OUTAGE, SPREAD

from benchmarks import fleet, fleet_rows, fleet_tables, report

pytestmark = pytest.mark.weak_error_references  # thousands of errors of one kind, which other tests search

HOSTS = 100


@pytest.fixture(autouse=True)
def no_log() -> Iterator[None]:
    """Write no warnings about the outage, as the benchmark does."""
    logger = logging.getLogger("anycreds")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def simulated(**changes: Any) -> fleet.Fleet:
    """Return the outcome of a scenario."""
    return anyio.run(fleet.simulate, Scenario(HOSTS)._replace(**changes))


@pytest.fixture(scope="module")
def days() -> dict[str, list[int]]:
    """Return the requests of a day by variant, in each five minutes after the first ones."""
    return {name: per(300, simulated(**changes).sent, 300, 24 * HOUR) for name, changes in DAY.items()}


def test_hosts_that_start_together_stay_together_by_default(days: dict[str, list[int]]) -> None:
    """Without random numbers all hosts call in the same minutes all day, and with the usual ones most still do."""
    assert max(days["no random numbers"]) == HOSTS
    assert max(days["default"]) > HOSTS / 2


def test_hosts_are_spread(days: dict[str, list[int]]) -> None:
    """With ``spread_first_refresh``, no five minutes have three times the mean, with this chance of few hosts."""
    counts = days["spread_first_refresh"]
    assert max(counts) < 3 * sum(counts) / len(counts)
    assert sum(counts) < 1.1 * sum(days["default"])


@pytest.mark.parametrize("options", [{}, SPREAD])
def test_calls_between_are_left_out_only_if_they_do_nothing(
    options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts whose callers call each second send the same requests as simulated, also in an outage and below a quota."""
    scenario = {"hosts": 4, "hours": 1.8, "outage": (0.4 * HOUR, 1.5 * HOUR), "quota": 2, "options": options}
    few = simulated(**scenario)
    monkeypatch.setattr(fleet, "next_refresh_in", lambda *_: 0.0)
    assert simulated(**scenario) == few
    assert len(few.sent) > 100


def test_outage() -> None:
    """In an outage hosts with sessions of an hour lose their credentials, and get new ones within seconds after it."""
    outcome = simulated(hours=5, outage=OUTAGE, options=SPREAD)
    begin, end = OUTAGE
    assert all(begin < at < end + 6 for at in outcome.recovered.values())
    assert 0 < len(outcome.recovered) < HOSTS / 4
    assert sum(outcome.answered[second] for second in range(int(begin), int(end))) == 0


def test_longer_sessions_outlast_the_outage() -> None:
    """With sessions of three hours, which are refreshed an hour before their end, no caller gets an error."""
    assert simulated(hours=5, outage=OUTAGE, **DURING_OUTAGE["… and sessions of 3 h"]).recovered == {}


def test_quota_is_respected() -> None:
    """STS answers no more requests in a second than its quota; the hosts share it without long gaps."""
    outcome = simulated(hours=0.1, quota=6)
    assert max(outcome.answered.values()) == 6
    assert sum(outcome.answered.values()) == HOSTS
    assert max(outcome.answered) < 30


def test_rows_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variant has a row with what the plot shows, and a line of a table; only a fleet of full size has a goal."""
    monkeypatch.setattr(fleet_rows, "QUICK_HOSTS", 20)
    rows = [*fleet_rows.measure("asyncio", quick=True), *fleet_rows.measure_outage("asyncio", quick=True)]
    assert [row.details["variant"] for row in rows] == [*DAY, *DURING_OUTAGE]
    assert [len(row.details["per_minute"]) for row in rows] == [24 * 60] * len(DAY) + [7 * 60] * len(DURING_OUTAGE)
    assert [row.goal for row in rows] == [None] * len(rows)
    texts = list(itertools.chain(*(row.notes for row in rows)))
    assert any(text.startswith("requests per second: mean 0.0") for text in texts)
    assert "hosts without credentials in the outage: 0" in texts
    text = fleet_tables.tables({"rows": [report.as_data(row) for row in rows]})
    assert text is not None
    assert "| no random numbers | 0 | 20 (46.4 × the mean) | 0.0 | 0 | 20 |" in text
    assert len(text.splitlines()) == 2 + len(DAY) + 1 + 2 + len(DURING_OUTAGE)
    assert fleet_tables.tables({"rows": []}) is None
