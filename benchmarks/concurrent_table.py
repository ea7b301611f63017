"""What became of the callers, as tables: one for each scenario, a line for each peer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .concurrent import Played
from .report import amount, columns
from .scenarios import SCENARIOS, Scenario

SHOWN, MANY = 1_000, 10_000  # callers: of these the waits are shown, of those only what becomes of so many


def tables(played: Sequence[Played], cap: float) -> str:
    """Return a table for each scenario that was played."""
    blocks = [f"Many callers of one source at once; who was not served after {cap:g} s, is shown as that stands."]
    for scenario in SCENARIOS:
        mine = [one for one in played if one.scenario == scenario.name]
        if mine:
            blocks.append(_table(scenario, mine))
    return "\n\n".join(blocks)


def _table(scenario: Scenario, played: Sequence[Played]) -> str:
    counts = sorted({one.callers for one in played})
    by_peer = {peer: {one.callers: one for one in played if one.peer == peer} for peer in _in_order(played)}
    head = ["", "calls of " + " · ".join(f"{count:,}" for count in counts)]
    if SHOWN in counts:
        head += [f"{SHOWN:,} callers: served", "p50", "p99", "max", "all in"]
    if MANY in counts:
        head += [f"{MANY:,} callers: served", "p99", "all in", "memory each"]
    lines, reasons = [head], []
    for peer, mine in by_peer.items():
        first = next(iter(mine.values()))
        if first.reason is not None and all(one.reason is not None for one in mine.values()):
            reasons.append(f"    {peer}: n/a, {first.reason}")
        else:
            lines.append([peer, *_cells(mine, counts)])
    upstream = f"the upstream answers in {scenario.latency * 1e3:.0f} ms"
    return "\n".join([f"{scenario.name}: {scenario.says} ({upstream})", columns(lines), *reasons, *_others(by_peer)])


def _cells(mine: dict[int, Played], counts: Sequence[int]) -> list[str]:
    cells = [" · ".join(f"{mine[count].calls:,}" if count in mine else "" for count in counts)]
    if SHOWN in counts:
        one = mine[SHOWN]
        cells += [_served(one), *map(_time, (one.p50, one.p99, one.longest)), _until(one)]
    if MANY in counts:
        one = mine[MANY]
        memory = "" if one.memory is None else f"{one.memory / 1024:.1f} KiB"
        cells += [_served(one), _time(one.p99), _until(one), memory]
    return cells


def _served(one: Played) -> str:
    return "n/a" if one.reason is not None else f"{one.served:,}"


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else amount(seconds, "s")


def _until(one: Played) -> str:
    return "not in time" if one.endings.get("waits") else _time(one.seconds)


def _others(by_peer: dict[str, dict[int, Played]]) -> Iterable[str]:
    """Say how asks ended that were not served."""
    for peer, mine in by_peer.items():
        told = [
            f"{count:,} callers: " + ", ".join(f"{number:,} × {ending}" for ending, number in sorted(unserved.items()))
            for count, one in sorted(mine.items())
            if (unserved := {ending: number for ending, number in one.endings.items() if ending != "served"})
        ]
        told += [f"{count:,} callers: {one.reason}" for count, one in mine.items() if one.reason and len(told)]
        if told:
            yield f"    {peer}, asks not served: {'; '.join(told)}"


def _in_order(played: Iterable[Played]) -> list[str]:
    return list(dict.fromkeys(one.peer for one in played))
