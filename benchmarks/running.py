"""What there is to measure, and how: ours beside floors, in a process each, and peers beside each other."""

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
    fresh,
    goals,
    hit,
    hits,
    imds,
    profiles,
    report,
    signing,
    silent,
    stall,
    waiters,
)
from .compared import Compared
from .concurrent import Played
from .measuring import LOOPS, ROOT, Row, fake_aws, here, plain_environ
from .peers import Peer, all_peers
from .scenarios import SCENARIOS, Scenario
from .upstream import rate_of, upstream
from .workers.jobs import CAP

COMPARING = {"hits": hits.play, "cold": cold.play, "fresh": fresh.play}
COMPARISONS = ("concurrent", *COMPARING)
BENCHMARKS = {
    "hit": hit.measure,
    "waiters": waiters.measure,
    "first_keys": first_keys.measure,
    "explain": explain.measure,
    "imds": imds.measure,
    "assume_role": assume_role.measure,
    "stall": stall.measure,
    "profiles": profiles.measure,
    "signing": signing.measure,
    "adapter_aiobotocore": adapter_aiobotocore.measure,
    "adapter_httpx": adapter_httpx.measure,
    "silent": silent.measure,
}
EVERYWHERE = {"hit", "waiters", "first_keys"}  # on uvloop, too, which is asyncio's loop written in C
LOOPLESS = {"explain", "profiles", "signing"}  # no event loop runs there, so it is measured once
LONGEST = 120.0  # seconds for one benchmark on one event loop; each takes some seconds
# What a quick look measures beside floors; what it plays, with how many callers, and when it gives a peer up (seconds).
QUICK = ("hit", "waiters", "first_keys", "imds", "assume_role", "profiles")
QUICK_SCENARIOS, QUICK_CALLERS, QUICK_CAP = ("cold", "outage", "deadlines"), (1_000,), 1.0


class Found(NamedTuple):
    """All that was measured."""

    peers: Sequence[Peer] = ()
    cap: float = CAP
    rates: Mapping[str, float] = {}
    """How many requests the servers here answer in a second."""
    played: Sequence[Played] = ()
    compared: Sequence[Compared] = ()
    rows: Sequence[Row] = ()
    failed: Sequence[str] = ()


def run(options: Namespace) -> Found:
    """Measure what the options say, and tell on the standard error what is being done."""
    names = options.only or [*COMPARISONS, *(QUICK if options.quick else BENCHMARKS)]
    compares = set(names) & set(COMPARISONS)
    found = Found(all_peers() if compares else (), QUICK_CAP if options.quick else CAP, _rates() if compares else {})
    if "concurrent" in names:
        found = found._replace(played=_concurrent(found, options))
    compared = [one for name in names if name in COMPARING for one in COMPARING[name](found.peers, _say, options.quick)]
    rows, failed = _beside_floors([name for name in names if name in BENCHMARKS], options)
    return found._replace(compared=compared, rows=[*goals.rows(found.played), *rows], failed=failed)


def work(options: Namespace) -> None:
    """Be the process of one benchmark on one event loop: print its rows as JSON."""
    rows = BENCHMARKS[options.only[0]](options.loop[0], quick=options.quick)
    json.dump([report.as_data(row) for row in rows], sys.stdout)


def _rates() -> dict[str, float]:
    with upstream() as fast, fake_aws() as fake:
        return {
            "container endpoint": rate_of(fast.url),
            "FakeAWS": rate_of(fake.container_url, fake.container_token),
        }


def _concurrent(found: Found, options: Namespace) -> list[Played]:
    chosen: Sequence[Scenario] = SCENARIOS
    if options.quick:
        chosen = [one._replace(callers=QUICK_CALLERS) for one in chosen if one.name in QUICK_SCENARIOS]
    if options.callers:
        chosen = [one._replace(callers=tuple(options.callers)) for one in chosen]
    with upstream() as source:
        return list(concurrent.play(found.peers, source, chosen, found.cap, _say))


def _beside_floors(names: Sequence[str], options: Namespace) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failed: list[str] = []
    for name, loop in _plan(names, options):
        _say(f"{name} on {loop}")
        try:
            rows += _in_own_process(name, loop, quick=options.quick)
        except (subprocess.SubprocessError, ValueError) as error:
            failed.append(f"{name} on {loop}: {type(error).__name__}")
    return rows, failed


def _plan(names: Sequence[str], options: Namespace) -> Iterator[tuple[str, str]]:
    for name in names:
        usual = [loop for loop in LOOPS if loop != "uvloop" or name in EVERYWHERE]
        loops = options.loop or usual[: 1 if options.quick else None]
        for loop in loops[:1] if name in LOOPLESS else loops:
            if here(loop):
                yield name, loop
            else:
                _say(f"{name} on {loop}: not installed")


def _in_own_process(name: str, loop: str, *, quick: bool) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks", "--worker", "--only", name, "--loop", loop]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        cwd=ROOT,
        env=plain_environ(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LONGEST,
    )
    return [report.from_data(data) for data in json.loads(done.stdout)]


_started = time.perf_counter()


def _say(what: str) -> None:
    """Tell what comes next, and how long all has taken so far."""
    print(f"{time.perf_counter() - _started:4.0f} s  {what}", file=sys.stderr, flush=True)
