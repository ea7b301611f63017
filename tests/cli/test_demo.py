"""``demo`` measures the cache on both backends, and exits with 1 if a promise is broken."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from anycreds import Credentials
from anycreds.__main__ import main
from anycreds._cache.refresh_results import FIRST_BACKOFF
from anycreds._cache.refresh_windows import NOT_URGENT, ClockReading, schedule
from anycreds._cli import demo
from anycreds._cli._common import CommandError
from anycreds._cli.demo import checks, scenarios
from anycreds._cli.demo.scenarios import Run
from anycreds._core.durations import to_datetime
from anycreds.testing import FakeAWS
from cli.demo_samples import correct_run, incorrect_run


def replace_measurements(monkeypatch: pytest.MonkeyPatch, measure: Callable[[str, int], Run]) -> None:
    """Let the demo report these runs instead of measuring."""

    async def run_scenarios(aws: FakeAWS, backend: str, callers: int) -> Run:
        return measure(backend, callers)

    monkeypatch.setattr(demo, "run_scenarios", run_scenarios)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_broken_promise_exits_with_1(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo exits with 1, and reports the broken promise on stderr, with and without ``--json``."""
    replace_measurements(monkeypatch, lambda backend, n: incorrect_run("no advisory refresh", backend, n))
    assert main(["demo", "--backend", "asyncio", *options]) == 1
    output = capsys.readouterr()
    assert "anycreds demo: broken promise: asyncio, advisory window: upstream calls: 0; expected 1\n" in output.err
    assert "All promises hold" not in output.out
    if options:
        assert json.loads(output.out)["ok"] is False


@pytest.mark.parametrize("callers", [1, 10, 10_000])
def test_text_fits_80_columns(
    callers: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line of the output has at most 80 columns of ASCII, and both backends have a table."""
    replace_measurements(monkeypatch, correct_run)
    assert main(["demo", "--callers", str(callers)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80 and "http" not in line] == []
    assert all(line.isascii() for line in lines)
    assert [line.split()[0] for line in lines if "upstream calls" in line] == ["trio", "asyncio"]
    assert lines[-1] == "All promises hold: one refresh for all callers, no wait for valid credentials."


@pytest.mark.anyio
async def test_late_calls_repeat_the_scenarios_with_longer_lifetimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the scenarios are repeated with longer lifetimes, at most twice; then an error says why."""
    lifetimes: list[float] = []
    late = 2

    class Runner:
        def __init__(self, aws: FakeAWS, backend: str, callers: int) -> None:
            lifetimes.append(aws.lifetime)

        async def run(self) -> Run:
            if len(lifetimes) <= late:
                raise TimeoutError
            return correct_run("trio")

    monkeypatch.setattr(scenarios, "Runner", Runner)
    assert (await scenarios.run_scenarios(FakeAWS(), "trio", 10)).backend == "trio"
    assert lifetimes == [lifetimes[0], 2 * lifetimes[0], 4 * lifetimes[0]]
    late = 100
    with pytest.raises(CommandError, match="too busy"):
        await scenarios.run_scenarios(FakeAWS(), "trio", 10)


def test_busy_machine_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the calls are late each time, one line says so, and the exit status is 1."""

    class LateRunner:
        def __init__(self, *_: object) -> None: ...

        async def run(self) -> Run:
            raise TimeoutError

    monkeypatch.setattr(scenarios, "Runner", LateRunner)
    assert main(["demo", "--json"]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert "too busy" in output.err


def test_without_trio_the_output_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without trio the demo runs on asyncio and says how to install trio; ``--backend trio`` exits with 2."""
    monkeypatch.setattr(demo, "find_spec", lambda _: None)
    replace_measurements(monkeypatch, correct_run)
    assert main(["demo", "--callers", "10"]) == 0
    text = capsys.readouterr().out
    assert "python -m pip install trio" in text
    assert "\ntrio " not in text
    assert "\nasyncio " in text
    assert main(["demo", "--backend", "trio"]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert "python -m pip install trio" in output.err


HOSTILE_ENVIRONMENT = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_EC2_METADATA_V1_DISABLED": "perhaps",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5",
    "AWS_PROFILE": "elsewhere",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
}


@pytest.mark.realtime
def test_both_backends_keep_the_promises(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On trio and asyncio, over sockets, all callers share one refresh, although some are cancelled.

    Proxies, profiles and disabled metadata in the environment change nothing.
    """
    for name, value in HOSTILE_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(scenarios, "LIFETIME", 1.8)  # seconds: the shortest with more than one between two refreshes
    for module in (scenarios, checks):
        monkeypatch.setattr(module, "LATENCY", 0.03)
    status = main(["demo", "--callers", "20", "--json"])
    output = capsys.readouterr()
    assert (status, output.err) == (0, "")
    found = json.loads(output.out)
    assert (found["callers"], found["ok"]) == (20, True)
    assert [backend["backend"] for backend in found["backends"]] == ["trio", "asyncio"]
    for backend in found["backends"]:
        assert [one["scenario"] for one in backend["scenarios"]] == ["cold", "fresh", "advisory", "expired"]
        measured = [one["measured"] for one in backend["scenarios"]]
        assert [one["upstream_calls"] for one in measured] == [1, 0, 1, 1]
        assert [one["http_requests"] for one in measured] == [3, 0, 2, 2]
        assert [(one["returned"], one["cancelled"]) for one in measured] == [(18, 2), (20, 0), (20, 0), (20, 0)]
        assert all(0 <= one["median_wait"] <= one["longest_wait"] for one in measured)
        assert measured[0]["median_wait"] > 0.08  # three responses of 0.03 s each, less the drift of the clocks
        assert measured[3]["median_wait"] > 0.05
        assert len(backend["credentials"]) == 3


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_calls_are_made_in_the_window_of_their_scenario(jitter: float) -> None:
    """For every jitter of the cache, each scenario calls within the refresh window that it is about."""
    lifetime = scenarios.LIFETIME
    cached = schedule(
        Credentials("AKIATEST", "canary-secret", expiration=to_datetime(lifetime)), ClockReading(0.0, 0.0), jitter
    )
    assert not cached.refresh_due(ClockReading(*[scenarios.ADVISORY_BEGINS * lifetime * 0.999] * 2))
    calls = ClockReading(*[scenarios.CALL_AT * lifetime] * 2)
    assert cached.refresh_due(calls)
    assert cached.urgency(calls) == NOT_URGENT
    assert cached.urgency(ClockReading(*[scenarios.MANDATORY_BEGINS * lifetime * 0.999] * 2)) == NOT_URGENT
    assert scenarios.CALL_AT * lifetime > FIRST_BACKOFF
