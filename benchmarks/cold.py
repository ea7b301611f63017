"""Cold calls: in a warm process, a new session or provider gets its first credentials.

Each peer has its own process for each source, and they take turns in several rounds: A B C A B C …. Only one peer runs
at a time. Requests to the fake are counted: a peer that called another source than the configured one, or called it
more than once, is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from .measurement import Fake, fake_aws
from .peer_figures import PeerFigure
from .peer_turns import PeerTurns
from .peers import Peer
from .sources import SOURCES, Source, source_environment
from .workers.jobs import Job

BENCHMARK = "cold"
ROUNDS, TURN = 4, 0.06  # seconds: about 15 typical calls
QUICK_ROUNDS, QUICK_TURN = 2, 0.03
QUICK = ("file 100", "container")
MAX_CALLS = 40  # per turn; more do not improve the median


def run(peers: Sequence[Peer], progress: Callable[[str], None], quick: bool) -> Iterator[PeerFigure]:
    """Measure each source with each peer. ``progress`` is called with the next step."""
    peers = [peer for peer in peers if BENCHMARK in peer.benchmarks]
    with fake_aws() as fake:
        for source in SOURCES:
            if not quick or source.name in QUICK:
                progress(f"cold, {source.name}")
                yield from _run(source, peers, fake, quick)


def _run(source: Source, peers: Sequence[Peer], fake: Fake, quick: bool) -> Iterator[PeerFigure]:
    job = Job(kind="resolve", calls=MAX_CALLS)
    with source_environment(source, fake) as environ, ExitStack() as stack:
        all_turns = [
            PeerTurns(peer, environ, job, peer.missing or peer.cannot.get(source.name), QUICK_TURN if quick else TURN)
            for peer in peers
        ]
        for one in all_turns:
            stack.callback(one.end)
        for one in all_turns:
            one.warm_up()
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for one in all_turns:
                _turn(one, source, fake)
    for one in all_turns:
        yield one.figures.compared(BENCHMARK, source.name, one.peer.name)


def _turn(one: PeerTurns, source: Source, fake: Fake) -> None:
    before = source.requests(fake)
    calls = one.run()
    came = source.requests(fake) - before
    if source.route and not one.figures.reason and came != calls:
        one.fail(f"sent {came} requests to the source for {calls} calls")
