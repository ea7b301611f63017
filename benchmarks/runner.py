"""Runs the selected benchmarks: comparisons with baselines, each in its own process, and comparisons of peers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from . import (
    adapter_aiobotocore,
    adapter_httpx,
    assume_role,
    cold,
    concurrent,
    explain,
    first_keys,
    fleet_rows,
    fresh,
    goals,
    hit,
    hits,
    loops,
    profiles,
    report,
    roles,
    shared_disk,
    signing,
    silent,
    stall,
    waiters,
)
from .concurrent import ScenarioResult
from .measurement import LOOPS, ROOT, Row, fake_aws, is_installed, plain_environ
from .peer_figures import PeerFigure
from .peers import Peer, all_peers
from .scenarios import SCENARIOS, Scenario
from .upstream import measure_rate, upstream
from .workers.jobs import TIME_LIMIT

COMPARED_BY_PEER = {"hits": hits.run, "cold": cold.run, "fresh": fresh.run}
COMPARISONS = ("concurrent", *COMPARED_BY_PEER)
BENCHMARKS = {
    "hit": hit.measure,
    "waiters": waiters.measure,
    "loops": loops.measure,
    "first_keys": first_keys.measure,
    "explain": explain.measure,
    "assume_role": assume_role.measure,
    "roles": roles.measure,
    "stall": stall.measure,
    "profiles": profiles.measure,
    "signing": signing.measure,
    "adapter_aiobotocore": adapter_aiobotocore.measure,
    "adapter_httpx": adapter_httpx.measure,
    "silent": silent.measure,
    "shared_disk": shared_disk.measure,
    "fleet": fleet_rows.measure,
    "fleet_outage": fleet_rows.measure_outage,
}
ON_UVLOOP = {"hit", "waiters", "first_keys"}  # these also run on uvloop, which is asyncio's loop in C
# These run no event loop, or in virtual time without tasks, so they are measured once.
WITHOUT_LOOP = {"explain", "profiles", "signing", "fleet", "fleet_outage"}
BENCHMARK_TIMEOUT = 300.0  # seconds for one benchmark on one event loop; ``fleet_outage`` takes a minute, others less
# --quick: benchmarks with a baseline; scenarios, number of callers and time limit per peer (seconds).
QUICK = ("hit", "waiters", "first_keys", "assume_role", "profiles")
QUICK_SCENARIOS, QUICK_CALLERS, QUICK_TIME_LIMIT = ("cold", "outage", "deadlines"), (1_000,), 1.5
QUICK_PAUSE = 0.05  # seconds between the calls of a caller
RATE_SECONDS, QUICK_RATE_SECONDS = 0.5, 0.1


class Measurements(NamedTuple):
    """The results of a run."""

    peers: Sequence[Peer] = ()
    time_limit: float = TIME_LIMIT
    rates: Mapping[str, float] = {}
    """Requests per second of the benchmark servers."""
    results: Sequence[ScenarioResult] = ()
    compared: Sequence[PeerFigure] = ()
    rows: Sequence[Row] = ()
    failed: Sequence[str] = ()


def run(options: Namespace) -> Measurements:
    """Run the selected benchmarks, and print progress to the standard error."""
    names = options.only or [*COMPARISONS, *(QUICK if options.quick else BENCHMARKS)]
    compares = set(names) & set(COMPARISONS)
    found = Measurements(
        all_peers() if compares else (),
        QUICK_TIME_LIMIT if options.quick else TIME_LIMIT,
        _rates(QUICK_RATE_SECONDS if options.quick else RATE_SECONDS) if compares else {},
    )
    if "concurrent" in names:
        found = found._replace(results=_concurrent(found, options))
    compared = [
        one
        for name in names
        if name in COMPARED_BY_PEER
        for one in COMPARED_BY_PEER[name](found.peers, _progress, options.quick)
    ]
    rows, failed = _measure_baselines([name for name in names if name in BENCHMARKS], options)
    return found._replace(compared=compared, rows=[*goals.rows(found.results, compared), *rows], failed=failed)


def run_worker(options: Namespace) -> None:
    """Run one benchmark on one event loop in this process, and print its rows as JSON."""
    rows = BENCHMARKS[options.only[0]](options.loop[0], quick=options.quick)
    json.dump([report.as_data(row) for row in rows], sys.stdout)


def _rates(seconds: float) -> dict[str, float]:
    with upstream() as fast, fake_aws() as fake:
        return {
            "container endpoint": measure_rate(fast.url, seconds=seconds),
            "FakeAWS": measure_rate(fake.container_url, fake.container_token, seconds=seconds),
        }


def _concurrent(found: Measurements, options: Namespace) -> list[ScenarioResult]:
    chosen: Sequence[Scenario] = SCENARIOS
    if options.quick:
        chosen = [
            one._replace(callers=QUICK_CALLERS, pause=min(one.pause, QUICK_PAUSE))
            for one in chosen
            if one.name in QUICK_SCENARIOS
        ]
    if options.callers:
        chosen = [one._replace(callers=tuple(options.callers)) for one in chosen]
    with upstream() as source:
        return list(concurrent.run(found.peers, source, chosen, found.time_limit, _progress))


def _measure_baselines(names: Sequence[str], options: Namespace) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failed: list[str] = []
    for name, loop in _plan(names, options):
        _progress(f"{name} on {loop}")
        try:
            rows += _in_own_process(name, loop, quick=options.quick)
        except (subprocess.SubprocessError, ValueError) as error:
            failed.append(f"{name} on {loop}: {type(error).__name__}")
    return rows, failed


def _plan(names: Sequence[str], options: Namespace) -> Iterator[tuple[str, str]]:
    for name in names:
        usual = [loop for loop in LOOPS if loop != "uvloop" or name in ON_UVLOOP]
        loops = options.loop or usual[: 1 if options.quick else None]
        for loop in loops[:1] if name in WITHOUT_LOOP else loops:
            if is_installed(loop):
                yield name, loop
            else:
                _progress(f"{name} on {loop}: not installed")


def _in_own_process(name: str, loop: str, *, quick: bool) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks", "--worker", "--only", name, "--loop", loop]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        cwd=ROOT,
        env=plain_environ(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=BENCHMARK_TIMEOUT,
    )
    return [report.from_data(data) for data in json.loads(done.stdout)]


_started = time.perf_counter()


def _progress(what: str) -> None:
    """Print the elapsed time and the next step."""
    print(f"{time.perf_counter() - _started:4.0f} s  {what}", file=sys.stderr, flush=True)
