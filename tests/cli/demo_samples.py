"""Runs of the demo as the promises require them, written without any cache, and the same runs with one mistake each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from anycreds._cli.demo.callers import Caller
from anycreds._cli.demo.scenarios import LATENCY, Run, Scenario

ROUTES = {"cold": ["token", "role list", "role"], "fresh": [], "advisory": ["role list", "role"]}
ROUTES["expired"] = ROUTES["advisory"]


def correct_run(backend: str = "asyncio", callers: int = 1000) -> Run:
    """Return a run in which every promise holds."""
    scenarios = [
        correct_scenario("cold", 0.0, callers, "", "one"),
        correct_scenario("fresh", 0.5, callers, "one", "one"),
        correct_scenario("advisory", 2.0, callers, "one", "two"),
        correct_scenario("expired", 4.6, callers, "two", "three"),
    ]
    return Run(backend, scenarios, [("one", 0.46, 3.0), ("two", 2.3, 4.6), ("three", 4.9, 7.5)])


def correct_scenario(name: str, start: float, count: int, key_before: str, key_after: str) -> Scenario:
    requests = [(route, start + number * LATENCY) for number, route in enumerate(ROUTES[name])]
    waits = name in ("cold", "expired")
    wait = len(requests) * LATENCY if waits else 2e-6
    callers = []
    for number in range(count):
        called_at = start + number * 1e-6
        if name == "cold" and count > 1 and number % 10 == 0:
            cancelled_at = start + LATENCY / 2
            callers.append(Caller(called_at, cancelled_at + 0.001, cancelled_at, "cancelled"))
        else:
            key = key_after if waits else key_before
            callers.append(Caller(called_at, called_at + wait, None, "returned", key))
    return Scenario(name, callers, requests, key_before, key_after)


def with_scenario(run: Run, number: int, **changes: Any) -> Run:
    """Return the run with one scenario changed."""
    scenarios = list(run.scenarios)
    scenarios[number] = scenarios[number]._replace(**changes)
    return run._replace(scenarios=scenarios)


def with_caller(run: Run, number: int, caller: int, **changes: Any) -> Run:
    """Return the run with one caller of one scenario changed."""
    callers = list(run.scenarios[number].callers)
    callers[caller] = replace(callers[caller], **changes)
    return with_scenario(run, number, callers=callers)


def incorrect_run(mistake: str, backend: str = "asyncio", callers: int = 1000) -> Run:
    """Return a run with one of ``MISTAKES``."""
    run = correct_run(backend, callers)
    return MISTAKES[mistake](run, *run.scenarios)


MISTAKES: dict[str, Callable[[Run, Scenario, Scenario, Scenario, Scenario], Run]] = {
    "two cold refreshes": lambda run, cold, *_: with_scenario(run, 0, requests=[*cold.requests, *cold.requests]),
    "a refresh while fresh": lambda run, *four: with_scenario(run, 1, requests=four[3].requests),
    "no advisory refresh": lambda run, *four: with_scenario(run, 2, requests=[], key_after=four[2].key_before),
    "IMDS token not cached": lambda run, cold, *_: with_scenario(run, 3, requests=cold.requests),
    "wait in the advisory window": lambda run, *_: with_caller(run, 2, 0, ended_at=2.3),
    "expired credentials": lambda run, *_: with_caller(run, 3, 5, access_key_id="two"),
    "different credentials": lambda run, *_: with_caller(run, 0, 5, access_key_id="another"),
    "a caller fails": lambda run, *_: with_caller(
        run, 3, 5, outcome="failed", access_key_id="", error="metadata: status 500"
    ),
    "a caller is lost": lambda run, *_: with_caller(run, 3, 5, outcome="waiting", ended_at=None, access_key_id=""),
    "cancellation without effect": lambda run, *_: with_caller(
        run, 0, 0, outcome="returned", access_key_id="one", cancelled_at=None
    ),
    "slow cancellation": lambda run, *_: with_caller(run, 0, 0, ended_at=0.45),
    "no credentials": lambda run, *_: run._replace(scenarios=run.scenarios[:1]),
}
