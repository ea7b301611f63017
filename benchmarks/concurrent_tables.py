"""Tables of the results of concurrent callers: one per scenario, with a line per peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .concurrent import ScenarioResult
from .report import amount, columns
from .scenarios import SCENARIOS, Scenario

SHOWN, MANY = 1_000, 10_000  # numbers of callers with detailed and with short results


def tables(results: Sequence[ScenarioResult], time_limit: float) -> str:
    """Return a table for each scenario that was run."""
    blocks = [f"Concurrent callers of one source; results after at most {time_limit:g} s."]
    for scenario in SCENARIOS:
        mine = [one for one in results if one.scenario == scenario.name]
        if mine:
            blocks.append(_table(scenario, mine))
    return "\n\n".join(blocks)


def _table(scenario: Scenario, results: Sequence[ScenarioResult]) -> str:
    counts = sorted({one.callers for one in results})
    by_peer = {peer: {one.callers: one for one in results if one.peer == peer} for peer in _in_order(results)}
    head = ["", "requests for " + " · ".join(f"{count:,}" for count in counts)]
    if SHOWN in counts:
        head += [f"{SHOWN:,} callers: served", "p50", "p99", "max", "total time"]
    if MANY in counts:
        head += [f"{MANY:,} callers: served", "p99", "total time", "memory per caller"]
    lines, reasons = [head], []
    for peer, mine in by_peer.items():
        first = next(iter(mine.values()))
        if first.reason is not None and all(one.reason is not None for one in mine.values()):
            reasons.append(f"    {peer}: n/a, {first.reason}")
        else:
            lines.append([peer, *_cells(mine, counts)])
    upstream = f"upstream latency {scenario.latency * 1e3:.0f} ms"
    return "\n".join(
        [f"{scenario.name}: {scenario.description} ({upstream})", columns(lines), *reasons, *_unserved(by_peer)]
    )


def _cells(mine: dict[int, ScenarioResult], counts: Sequence[int]) -> list[str]:
    cells = [" · ".join(f"{mine[count].requests:,}" if count in mine else "" for count in counts)]
    if SHOWN in counts:
        one = mine[SHOWN]
        cells += [_served(one), *map(_time, (one.p50, one.p99, one.longest)), _duration(one)]
    if MANY in counts:
        one = mine[MANY]
        memory = "" if one.memory is None else f"{one.memory / 1024:.1f} KiB"
        cells += [_served(one), _time(one.p99), _duration(one), memory]
    return cells


def _served(one: ScenarioResult) -> str:
    return "n/a" if one.reason is not None else f"{one.served:,}"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else amount(seconds, "s")


def _duration(one: ScenarioResult) -> str:
    return "not finished" if one.outcomes.get("waiting") else _time(one.seconds)


def _unserved(by_peer: dict[str, dict[int, ScenarioResult]]) -> Iterable[str]:
    """Yield the outcomes of calls that were not served."""
    for peer, mine in by_peer.items():
        outcomes = [
            f"{count:,} callers: "
            + ", ".join(f"{number:,} × {outcome}" for outcome, number in sorted(unserved.items()))
            for count, one in sorted(mine.items())
            if (unserved := {outcome: number for outcome, number in one.outcomes.items() if outcome != "served"})
        ]
        outcomes += [f"{count:,} callers: {one.reason}" for count, one in mine.items() if one.reason and len(outcomes)]
        if outcomes:
            yield f"    {peer}, calls not served: {'; '.join(outcomes)}"


def _in_order(results: Iterable[ScenarioResult]) -> list[str]:
    return list(dict.fromkeys(one.peer for one in results))
