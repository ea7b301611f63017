"""Cold resolve: in a warm process, everything that stands between a program and its first credentials is made anew.

Each peer has a process of its own for each source, and they take turns, in several rounds: A B C A B C …. Whoever has
its turn has the fake and the machine for itself. Where there is something to count at the fake, it is counted: a peer
that asked another source than the one it was led to, or more than once, is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from .compared import Compared
from .measuring import Fake, fake_aws
from .peers import Peer
from .sources import SOURCES, Source, furnished
from .turns import Turns
from .workers.jobs import Job

BENCHMARK = "cold"
ROUNDS, TURN = 4, 0.06  # seconds: about 15 asks of the usual kind
QUICK_ROUNDS, QUICK_TURN = 2, 0.03
QUICK = ("file 100", "container")
MOST_ASKS = 40  # in one turn; more of what is that fast do not make its median better


def play(peers: Sequence[Peer], say: Callable[[str], None], quick: bool) -> Iterator[Compared]:
    """Ask each source of each peer. ``say`` is told what comes next."""
    peers = [peer for peer in peers if BENCHMARK in peer.plays]
    with fake_aws() as fake:
        for source in SOURCES:
            if not quick or source.name in QUICK:
                say(f"cold, {source.name}")
                yield from _play(source, peers, fake, quick)


def _play(source: Source, peers: Sequence[Peer], fake: Fake, quick: bool) -> Iterator[Compared]:
    job = Job(kind="resolve", asks=MOST_ASKS)
    with furnished(source, fake) as environ, ExitStack() as stack:
        everyone = [
            Turns(peer, environ, job, peer.missing or peer.cannot.get(source.name), QUICK_TURN if quick else TURN)
            for peer in peers
        ]
        for one in everyone:
            stack.callback(one.end)
        for one in everyone:
            one.warm_up()
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for one in everyone:
                _turn(one, source, fake)
    for one in everyone:
        yield one.figures.compared(BENCHMARK, source.name, one.peer.name)


def _turn(one: Turns, source: Source, fake: Fake) -> None:
    before = _count(source, fake)
    asks = one.play()
    came = _count(source, fake) - before
    if source.route and not one.figures.reason and came != asks:
        one.fail(f"asked {asks} times, it sent {came} requests there")


def _count(source: Source, fake: Fake) -> int:
    return fake.count(source.route) if source.route else 0
