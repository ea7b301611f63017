"""The four acts on one backend: cold, fresh, advisory window, expiry. Played and measured here, judged elsewhere.

When to ask follows from the sets' own expirations and the rules of the cache, so that it needs no luck; an instant that
a busy machine misses all the same is noticed, and the acts are played again with sets that live longer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import anyio

from ... import CachedProvider, Credentials, CredentialsError, cached, from_instance_metadata
from ...testing import FakeAWS
from .callers import Call, ask_at_once, now

LATENCY = 0.15  # seconds for every answer of the fake: long enough to be seen, and IMDS is asked three times in a row
# Seconds that a set lives: the acts are over in 1.6 lives, the instants below are tenths of a second apart, and the
# second refresh comes later than a second after the first, which is the least that the cache leaves between two.
LIFE = 2.2
LIFE_PER_CALLER = 0.0002  # to start so many tasks takes a tenth of that, and must not make the act miss its instant
LATER_LIVES = (1, 2, 4)  # times as long, after a missed instant
TIMEOUT = 5.0  # seconds for one exchange: thousands of tasks that wake at once keep the event loop busy

# Parts of a set's life, by the rules of the cache: of such short lives the advisory window is the second half, and the
# mandatory window the last quarter.
ADVISORY_BEGINS, MANDATORY_BEGINS = 0.5, 0.75
ASK_AT = 0.57  # the refresh begins up to a tenth of the advisory window later, by chance: at 0.55 it is due for certain
_STEP = 0.01  # seconds between two looks for what happens in the background
_SURELY = 0.02  # seconds past the end of a set: the two clocks may drift apart by a few milliseconds meanwhile


class MissedInstantError(Exception):
    """The machine was too busy to ask in time."""


class Span(NamedTuple):
    """One HTTP request to the metadata service, from its arrival until its answer."""

    route: str
    began: float
    ended: float


class Life(NamedTuple):
    """One set of credentials: when it came, when it ends, and its access key id (no secret)."""

    key: str
    came: float
    ends: float


class Act(NamedTuple):
    """What was measured in one act."""

    name: str
    calls: list[Call]
    """In the order of asking."""
    upstream: list[Span]
    """What was asked of the metadata service from the beginning of this act to that of the next."""
    before: str
    """The access key id of the set that was cached before; empty: none was."""
    after: str
    """The same for the set that is cached when the act is over."""


class Play(NamedTuple):
    """What was measured on one backend."""

    backend: str
    acts: list[Act]
    lives: list[Life]


Tell = Callable[[str | Act], None]
"""Is told what is waited for, and each act when it is over."""


async def play(aws: FakeAWS, backend: str, callers: int, tell: Tell) -> Play:
    """Play all acts on the running backend."""
    for times in LATER_LIVES:
        aws.lifetime = times * (LIFE + LIFE_PER_CALLER * callers)
        try:
            return await _Stage(aws, callers, tell).play(backend)
        except MissedInstantError:
            tell("This machine was too busy to ask in time. Once more, with sets that live longer.")
    raise MissedInstantError


class _Stage:
    def __init__(self, aws: FakeAWS, callers: int, tell: Tell) -> None:
        self._aws = aws
        self._callers = callers
        self._tell = tell
        self._provider: CachedProvider = cached(from_instance_metadata(endpoint=aws.metadata_url, timeout=TIMEOUT))
        self._clocks_apart = time.time() - now()
        self._acts: list[Act] = []
        self._lives: list[Life] = []
        self._seen = 0

    async def play(self, backend: str) -> Play:
        # The first request of a process loads the HTTP library, which would only show how slow imports are.
        self._aws.latency = 0.0
        with suppress(CredentialsError):
            await from_instance_metadata(endpoint=self._aws.metadata_url, timeout=TIMEOUT)()
        self._aws.latency = LATENCY
        self._seen = len(self._aws.exchanges)

        await self._act("cold", cancel_after=LATENCY / 2)  # in the middle of the first of the three exchanges
        if not self._lives:  # without a set there is nothing to play
            return Play(backend, self._acts, self._lives)
        await self._act("fresh", before=self._part(ADVISORY_BEGINS))
        start = self._part(ASK_AT)
        self._tell(f"waiting {start - now():.1f} s, until the set is in its advisory window")
        await self._act("advisory", start, before=self._part(MANDATORY_BEGINS))
        start = self._lives[-1].ends + _SURELY
        self._tell(f"waiting {start - now():.1f} s, until the set has ended")
        await self._act("expired", start)
        return Play(backend, self._acts, self._lives)

    def _part(self, part: float) -> float:
        """Return the instant at which the newest set has lived this part of its life."""
        life = self._lives[-1]
        return life.came + part * (life.ends - life.came)

    async def _act(
        self,
        name: str,
        start: float = 0.0,
        *,
        before: float = math.inf,
        cancel_after: float | None = None,
    ) -> None:
        held = self._held()
        calls = await ask_at_once(self._provider, self._callers, lambda: _sleep_until(start), cancel_after)
        if calls[-1].asked > before:
            raise MissedInstantError
        if name == "advisory":
            await self._note_next_set()
        elif name != "fresh":  # then there is nothing to note, and somebody who asks once more may be too late
            await self._note_set(calls)
        act = Act(name, calls, self._new_spans(), held, self._held())
        self._acts.append(act)
        self._tell(act)

    async def _note_set(self, calls: list[Call]) -> None:
        """Look which set is cached now, and when it came."""
        came = min((call.ended for call in calls if call.outcome == "served"), default=now())
        credentials = await self._current()
        if credentials is not None and credentials.expiration is not None and credentials.access_key_id != self._held():
            ends = credentials.expiration.timestamp() - self._clocks_apart
            self._lives.append(Life(credentials.access_key_id, came, ends))

    async def _note_next_set(self) -> None:
        """Look which set comes in the background, if one has been asked for.

        Nobody asks the provider before that, since whoever does in this window starts the refresh that is looked for.
        """
        give_up = now() + 10 * LATENCY
        while not any(exchange.route == "role" for exchange in self._aws.exchanges[self._seen :]):
            if now() > give_up:
                return
            await anyio.sleep(_STEP)
        held = self._held()
        while self._held() == held and now() < give_up:
            await anyio.sleep(_STEP)
            await self._note_set([])

    async def _current(self) -> Credentials | None:
        with suppress(CredentialsError):  # the tasks met it too, and it is told with them
            return await self._provider()
        return None

    def _held(self) -> str:
        """Return the access key id of the newest set; empty: none came yet."""
        return self._lives[-1].key if self._lives else ""

    def _new_spans(self) -> list[Span]:
        fresh = self._aws.exchanges[self._seen :]
        self._seen += len(fresh)
        begins = [(exchange.route, exchange.at - self._clocks_apart) for exchange in fresh]
        return [Span(route, began, began + LATENCY) for route, began in begins]


async def _sleep_until(instant: float) -> None:
    await anyio.sleep(max(0.0, instant - now()))
