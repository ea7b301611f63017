"""What the demo measures where all is as promised, written down by the promises and not by any cache; and spoiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anycreds._cli.demo.callers import Call
from anycreds._cli.demo.checks import PROMISES, Promise
from anycreds._cli.demo.scenarios import LATENCY, Act, Life, Play, Span


def perfect(backend: str = "asyncio", callers: int = 1000) -> Play:
    """Return what the demo measures where all is as promised, by the promises and not by any cache."""
    began = dict(zip(("cold", "fresh", "advisory", "expired"), (0.0, 0.5, 2.0, 4.6), strict=True))
    sets = {"cold": ("", "one"), "fresh": ("one", "one"), "advisory": ("one", "two"), "expired": ("two", "three")}
    acts = [perfect_act(promise, began[promise.name], callers, *sets[promise.name]) for promise in PROMISES]
    lives = [Life("one", 0.46, 3.0), Life("two", 2.3, 4.6), Life("three", 4.9, 7.5)]
    return Play(backend, acts, lives)


def perfect_act(promise: Promise, began: float, callers: int, before: str, after: str) -> Act:
    spans = [
        Span(route, began + number * LATENCY, began + (number + 1) * LATENCY)
        for number, route in enumerate(promise.routes)
    ]
    wait = len(spans) * LATENCY if promise.waits else 2e-6
    cancelled = set(range(0, callers, 10)) if promise.name == "cold" and callers > 1 else set()
    calls = []
    for number in range(callers):
        asked = began + number * 1e-6
        if number in cancelled:
            calls.append(Call(asked, began + LATENCY / 2 + 0.001, "cancelled", cancelled_at=began + LATENCY / 2))
        else:
            calls.append(Call(asked, asked + wait, "served", after if promise.waits else before))
    return Act(promise.name, calls, spans, before, after)


def changed(play: Play, number: int, **changes: Any) -> Play:
    """Return the play with one act changed."""
    acts = list(play.acts)
    acts[number] = acts[number]._replace(**changes)
    return play._replace(acts=acts)


def with_call(play: Play, number: int, caller: int, **changes: Any) -> Play:
    """Return the play with one call of one act changed."""
    calls = list(play.acts[number].calls)
    calls[caller] = calls[caller]._replace(**changes)
    return changed(play, number, calls=calls)


def spoil(play: Play, how: str) -> Play:
    """Return the play with one thing wrong: one of ``WRONG``."""
    return WRONG[how](play, *play.acts)


WRONG: dict[str, Callable[[Play, Act, Act, Act, Act], Play]] = {
    "two cold refreshes": lambda play, cold, *_: changed(play, 0, upstream=[*cold.upstream, *cold.upstream]),
    "asked while fresh": lambda play, *acts: changed(play, 1, upstream=acts[3].upstream),
    "no advisory refresh": lambda play, *acts: changed(play, 2, upstream=[], after=acts[2].before),
    "token not kept": lambda play, cold, *_: changed(play, 3, upstream=cold.upstream),
    "waits in the advisory window": lambda play, *acts: with_call(play, 2, 0, ended=acts[2].calls[0].asked + 0.3),
    "ended set served": lambda play, *_: with_call(play, 3, 5, key="two"),
    "sets differ": lambda play, *_: with_call(play, 0, 5, key="another"),
    "a task fails": lambda play, *_: with_call(play, 3, 5, outcome="failed", key="", problem="metadata: status 500"),
    "a task is forgotten": lambda play, *_: with_call(play, 3, 5, outcome="forgotten", key=""),
    "cancelled in vain": lambda play, *_: with_call(play, 0, 0, outcome="served", key="one"),
    "cancelled too late": lambda play, cold, *_: with_call(play, 0, 0, ended=cold.calls[0].asked + 0.45),
    "nothing came": lambda play, *_: play._replace(acts=play.acts[:1]),
}
