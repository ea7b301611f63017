"""Cache hits: every library returns fresh credentials that it got from the container endpoint.

Each peer has its own process, and they take turns in several rounds. A figure is the mean of many consecutive calls,
including the loop around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from .peer_figures import PeerFigure
from .peer_turns import PeerTurns
from .peers import Peer
from .upstream import upstream
from .workers.jobs import Job

BENCHMARK = WHAT = "hits"
AWAITS = 2_000  # per sample: at least a fifth of a millisecond, well above the clock's resolution
MAX_SAMPLES = 100  # per turn
ROUNDS, TURN = 5, 0.06  # seconds
QUICK_ROUNDS, QUICK_TURN = 1, 0.02


def run(peers: Sequence[Peer], progress: Callable[[str], None], quick: bool) -> Iterator[PeerFigure]:
    """Measure cache hits of each peer. ``progress`` is called with the next step."""
    progress("hits")
    job = Job(kind="hit", callers=AWAITS, calls=MAX_SAMPLES)
    turn = QUICK_TURN if quick else TURN
    with upstream() as source, ExitStack() as stack:
        all_turns = [
            PeerTurns(peer, source.environ, job, peer.missing or peer.cannot.get("container"), turn)
            for peer in peers
            if BENCHMARK in peer.benchmarks
        ]
        for one in all_turns:
            stack.callback(one.end)
        for one in all_turns:
            one.warm_up()
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for one in all_turns:
                one.run()
    for one in all_turns:
        yield one.figures.compared(BENCHMARK, WHAT, one.peer.name)
