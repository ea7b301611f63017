"""A fleet of hosts over a day, and in an outage of STS: the rows of what ``fleet`` simulates."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .fleet import HOUR, Fleet, Scenario, per, simulate
from .measurement import Row, run_on, span

HOSTS, QUICK_HOSTS = 10_000, 1_000
GOAL = 2.0  # times the mean, which includes what chance adds: by Poisson's law about a quarter here
OUTAGE = (175 * 60.0, 205 * 60.0)  # by default all hosts are due in it, and their credentials expire in it
END = 7 * HOUR  # of the simulated outage: more than three refreshes follow it
QUOTA_PER_HOST = 600 / HOSTS  # STS answers 600 requests per second and account in a region by default
CATCH_UP = 600  # seconds after an outage in which hosts call that have failed before: the longest backoff
SPREAD = {"spread_first_refresh": True}

DAY: dict[str, dict[str, Any]] = {
    "no random numbers": {"has_jitter": False},
    "default": {},
    "spread_first_refresh": {"options": SPREAD},
}
DURING_OUTAGE: dict[str, dict[str, Any]] = {
    "default": {},
    "spread_first_refresh": {"options": SPREAD},
    "… and refresh_window 30 min": {"options": {**SPREAD, "refresh_window": HOUR / 2}},
    "… and sessions of 3 h": {"options": SPREAD, "session": 3 * HOUR},
}


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of a day without faults."""
    hosts = _prepare(quick=quick)

    async def rows() -> list[Row]:
        return [_of_day(name, loop, hosts, await simulate(Scenario(hosts, **changes))) for name, changes in DAY.items()]

    return run_on(loop, rows)


def measure_outage(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of an outage of half an hour."""
    hosts = _prepare(quick=quick)
    shared: dict[str, Any] = {"hours": END / HOUR, "outage": OUTAGE, "quota": QUOTA_PER_HOST * hosts}

    async def rows() -> list[Row]:
        return [
            _of_outage(name, loop, hosts, await simulate(Scenario(hosts, **shared, **changes)))
            for name, changes in DURING_OUTAGE.items()
        ]

    return run_on(loop, rows)


def _prepare(*, quick: bool) -> int:
    logging.getLogger("anycreds").setLevel(logging.CRITICAL)  # else each failed attempt is a warning
    return QUICK_HOSTS if quick else HOSTS


def _of_day(name: str, loop: str, hosts: int, fleet: Fleet) -> Row:
    minutes, rates = per(60, fleet.sent, 60, 24 * HOUR), _rates(fleet.sent, 60, 24 * HOUR)
    peak, mean = max(minutes), sum(minutes) / len(minutes)
    return Row(
        what=f"{hosts:,} hosts, 24 h, {name}: busiest minute",
        loop=loop,
        unit="requests",
        ours=span([peak]),
        baseline=span([round(mean, 1)]),
        baseline_is="the mean minute; both without the first one, in which all hosts start",
        kind="ratio",
        judged=span([peak / mean]),
        goal=GOAL if name == "spread_first_refresh" and hosts == HOSTS else None,
        notes=(f"requests per second: {_shown(rates)}", f"in the first second: {fleet.sent[0]:,}"),
        details={"variant": name, "hosts": hosts, **rates, "per_minute": per(60, fleet.sent, 0, 24 * HOUR)},
    )


def _of_outage(name: str, loop: str, hosts: int, fleet: Fleet) -> Row:
    begin, end = OUTAGE
    peak = span([max(per(1, fleet.sent, end, end + 60))])
    details = {
        "variant": name,
        "hosts": hosts,
        **_rates(fleet.sent, begin, end),
        **_recovery(fleet),
        "outage": list(OUTAGE),
        "per_minute": per(60, fleet.sent, 0, END),
        "around_end": per(1, fleet.sent, end - 30, end + 60),
    }
    notes = (
        f"hosts without credentials in the outage: {details['denied']:,}",
        f"all hosts had credentials {details['recovered']:.0f} s after it",
        f"requests per second in the outage: {_shown(details)}",
        f"busiest minute, from 10 min after the outage on: {details['echo']:.2f} × the mean",
        f"all hosts had credentials {_start_seconds(fleet.answered, hosts)} s after the start",
    )
    what = f"{hosts:,} hosts, outage, {name}: busiest second after it"
    return Row(what, loop, "requests", peak, None, "", "value", peak, None, notes, details)


def _recovery(fleet: Fleet) -> dict[str, float]:
    """Return how many hosts lost their credentials, when the last one had new ones, and the busiest minute later."""
    begin, end = OUTAGE
    recovered = [at - end for at in fleet.recovered.values() if at >= begin]
    later = per(60, fleet.sent, end + CATCH_UP, END)
    echo = max(later) * len(later) / max(sum(later), 1)
    return {"denied": len(recovered), "recovered": max(recovered, default=0.0), "echo": echo}


def _rates(sent: Counter[int], begin: float, end: float) -> dict[str, float]:
    """Return the requests per second."""
    seconds = per(1, sent, begin, end)
    p99 = sorted(seconds)[int(len(seconds) * 0.99)]
    return {"mean": round(sum(seconds) / len(seconds), 2), "p99": p99, "most": max(seconds)}


def _shown(rates: Mapping[str, Any]) -> str:
    return f"mean {rates['mean']:,.1f}, p99 {rates['p99']:,}, most {rates['most']:,}"


def _start_seconds(answered: Counter[int], hosts: int) -> int:
    """Return after how many seconds STS had answered as many requests as there are hosts."""
    seconds = total = 0
    while total < hosts:
        total += answered[seconds]
        seconds += 1
    return seconds
