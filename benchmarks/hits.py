"""A hit: every library is asked for a set that is fresh, which it has from the container endpoint and could refresh.

Each peer has a process of its own, and they take turns, in several rounds. A figure is the mean of many asks, one after
another, the loop around them included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from .compared import Compared
from .peers import Peer
from .turns import Turns
from .upstream import upstream
from .workers.jobs import Job

BENCHMARK = WHAT = "hits"
AWAITS = 2_000  # in one sample: the fastest take a fifth of a millisecond, which no clock's grain disturbs
MOST_SAMPLES = 100  # in one turn
ROUNDS, TURN = 5, 0.06  # seconds
QUICK_ROUNDS, QUICK_TURN = 1, 0.02


def play(peers: Sequence[Peer], say: Callable[[str], None], quick: bool) -> Iterator[Compared]:
    """Ask each peer again and again. ``say`` is told what comes next."""
    say("hits")
    job = Job(kind="hit", callers=AWAITS, asks=MOST_SAMPLES)
    turn = QUICK_TURN if quick else TURN
    with upstream() as source, ExitStack() as stack:
        everyone = [
            Turns(peer, source.environ, job, peer.missing or peer.cannot.get("container"), turn)
            for peer in peers
            if BENCHMARK in peer.plays
        ]
        for one in everyone:
            stack.callback(one.end)
        for one in everyone:
            one.warm_up()
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for one in everyone:
                one.play()
    for one in everyone:
        yield one.figures.compared(BENCHMARK, WHAT, one.peer.name)
