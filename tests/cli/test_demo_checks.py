"""The demo compares measurements with the promises of the cache, and prints both."""

from __future__ import annotations

import pytest

from anycreds._cli.demo import BACKENDS, MAX_CALLERS
from anycreds._cli.demo.checks import broken_promises, expected_result, measured_result
from anycreds._cli.demo.report import HEADING, document, row
from cli.demo_samples import MISTAKES, correct_run, incorrect_run

REPORTED = {
    "two cold refreshes": ["cold start: upstream calls: 2; expected 1", "cold start: http requests: 6; expected 3"],
    "a refresh while fresh": ["fresh: upstream calls: 1; expected 0", "fresh: http requests: 2; expected 0"],
    "no advisory refresh": [
        "advisory window: upstream calls: 0; expected 1",
        "advisory window: no new credentials were received",
    ],
    "IMDS token not cached": ["expired: http requests: 3; expected 2"],
    "wait in the advisory window": ["advisory window: longest wait: 0.300 s; expected at most 0.150 s"],
    "expired credentials": ["expired: not all callers got the new credentials"],
    "different credentials": ["cold start: not all callers got the new credentials"],
    "a caller fails": ["expired: returned: 999; expected 1000", "expired: a caller failed: metadata: status 500"],
    "a caller is lost": ["expired: returned: 999; expected 1000"],
    "cancellation without effect": ["cold start: cancelled: 99; expected 100"],
    "slow cancellation": ["cold start: slowest cancellation: 0.375 s; expected at most 0.101 s"],
    "no credentials": ["not run, because no credentials were received: fresh, advisory window, expired"],
}


@pytest.mark.parametrize("callers", [1, 2, 10, 1000])
def test_correct_run_has_no_broken_promise(callers: int) -> None:
    """A run with one refresh where one is due, and no wait for valid credentials, is accepted."""
    run = correct_run("trio", callers)
    assert broken_promises(run) == []
    results = [measured_result(scenario) for scenario in run.scenarios]
    assert [result.upstream_calls for result in results] == [1, 0, 1, 1]
    assert [result.http_requests for result in results] == [3, 0, 2, 2]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_broken_promise_is_reported(mistake: str) -> None:
    """Each figure that differs from the promise is reported in a sentence that names backend and scenario."""
    broken = broken_promises(incorrect_run(mistake, "trio"))
    assert all(sentence.startswith("trio") for sentence in broken)
    assert all(any(expected in sentence for sentence in broken) for expected in REPORTED[mistake]), broken


def test_table_fits_80_columns() -> None:
    """The table has at most 80 columns, also with the largest figures, and its columns are aligned."""
    scenario = correct_run(callers=1).scenarios[0]
    line = row(scenario._replace(callers=scenario.callers * MAX_CALLERS))
    for backend in BACKENDS:
        assert len(HEADING.format(backend).strip("\n")) == len(line) <= 80


def test_json_document_has_the_timeline_of_every_caller() -> None:
    """The document has figures, expectations, and one entry for each caller, in seconds since the first call."""
    found = document([correct_run("trio", 20), incorrect_run("slow cancellation", callers=20)], 20)
    assert (found["callers"], found["ok"]) == (20, False)
    trio, asyncio = found["backends"]
    assert (trio["problems"], len(asyncio["problems"])) == ([], 1)
    cold = trio["scenarios"][0]
    assert cold["expected"] == expected_result("cold", 20)._asdict()
    assert cold["measured"]["cancelled"] == 2
    assert len(cold["called_at"]) == len(cold["ended_at"]) == len(cold["outcome"]) == 20
    assert (cold["called_at"][0], cold["ended_at"][1], cold["outcome"][0]) == (0.0, 0.450001, "cancelled")
    assert cold["requests"][1] == {"route": "role list", "at": 0.15}
    assert trio["credentials"][0] == {"received_at": 0.46, "expires_at": 3.0}
