"""One run of a world: its tasks, its source, and what may happen between two steps of the tasks.

It knows no event loop: ``on_asyncio`` and ``on_trio`` start its tasks, let it choose which of them runs next, and call
``after_step``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio

import anycreds
from anycreds import Credentials, CredentialsError, RetrievalError
from anycreds.testing import ManualClock
from support.fake_source import make_credentials

from .history import MIN_INTERVAL, ROUNDING, Fetch, RunHistory
from .search import Chooser
from .tasks import Body, Task
from .worlds import UP, Answer, Event, World

LIFETIME = 3600.0  # seconds
ATTEMPT = 60.0  # seconds; after these a hanging source is given up
PATIENCE = 1000.0  # seconds; more than all attempts and backoffs of a run
CLOCK_STEP = 2 * LIFETIME  # more than the lifetime of anything


MakeProvider = Callable[..., Any]


class EvictedRole:
    """The provider of a key in a ``RoleCache`` that has room for one."""

    def __init__(self, source: Callable[[], Awaitable[Credentials]], *, clock: anycreds.Clock) -> None:
        self._roles = anycreds.RoleCache[str](lambda _: source, max_size=1, clock=clock)

    def __call__(self) -> Awaitable[Credentials]:
        return self._roles("used")

    def evict(self) -> None:
        """Make room for another key."""
        self._roles.provider("other")


class Play:
    """One run of a world.

    Args:
        world: The world.
        chooser: Decides how the run goes on wherever it could go on in several ways.
        now: The time of the event loop, also between two steps of tasks.
        make_provider: Makes the cache from a source and ``clock=``.
    """

    def __init__(
        self, world: World, chooser: Chooser, now: Callable[[], float], make_provider: MakeProvider = anycreds.cached
    ) -> None:
        self.clock = ManualClock(source=now)
        self.history = RunHistory(self.clock)
        self._world = world
        self._answers: tuple[Answer, ...] = world.answers
        self._choose = chooser.choose
        if "evict" in world.events:
            make_provider = EvictedRole
        self._provider = make_provider(self._source, clock=self.clock)
        first_late = len(world.tasks) - world.late
        self._tasks = [Task(number, kind, is_late=number >= first_late) for number, kind in enumerate(world.tasks)]
        self._events: list[Event] = [event for event in world.events if "cancel" not in event]
        self._most_cancellations = len(world.events) - len(self._events)  # of one task
        self._is_exploring = False

    async def run(self, start: Callable[[Task, Body], None], join: Callable[[], Awaitable[object]]) -> None:
        """Run the world: ``start`` starts a task, ``join`` waits until all have ended."""
        if self._world.remaining is not None:
            await self._cache_before(self._world.remaining)
        self._is_exploring = True
        with anyio.move_on_after(PATIENCE):
            for task in self._tasks:
                start(task, self._body)
            await join()
        self._is_exploring = False
        unfinished = [task.name for task in self._tasks if task.state != "ended"]
        if unfinished:
            self.history.problem(f"{', '.join(unfinished)} never ends")
        else:
            await self._check_later_call()

    async def _cache_before(self, remaining: float) -> None:
        self._answers = (UP,)
        await self._provider()
        self._answers = self._world.answers
        self.clock.advance(LIFETIME - remaining)
        self.history.forget_fetches()

    async def _check_later_call(self) -> None:
        """Check that a call is served after any backoff, and that nothing is left."""
        await anyio.sleep(ATTEMPT + MIN_INTERVAL)
        self._answers = (UP,)
        try:
            with anyio.fail_after(ATTEMPT):
                self.history.check_returned("a later call", await self._provider(), self.history.step)
        except (CredentialsError, TimeoutError) as error:
            self.history.problem(f"a later call is not served: {error!r}")
        await anyio.sleep(MIN_INTERVAL)  # for a refresh in the background
        self.history.check_end()

    # The tasks

    async def _body(self, task: Task) -> None:
        if task.is_late:
            await anyio.sleep(1)
        began = self.clock.monotonic()
        try:
            await getattr(self, f"_{task.kind}")(task)
        except CredentialsError as error:
            self.history.check_error(task.name, error, task.min_ttl)
        except anyio.get_cancelled_exc_class():
            self.history.log(f"{task.name} is cancelled")
            if not task.is_cancelled:
                self.history.problem(f"{task.name} is cancelled, but no event did it")
            raise
        finally:
            task.state = "ended"
        self._check_duration(task, self.clock.monotonic() - began)

    def _check_duration(self, task: Task, seconds: float) -> None:
        """Check that a call waited for one attempt: that of a refresh in progress, or after the pause before it."""
        if self._world.is_about_calls:
            longest = max(min(answer.latency or 0.0, ATTEMPT) for answer in self._world.answers)
            if seconds > longest + MIN_INTERVAL + ROUNDING:
                self.history.problem(f"{task.name} waits for {seconds:g} s")

    async def _call(self, task: Task, **options: Any) -> Credentials:
        self._begin(task)
        credentials: Credentials = await self._provider(**options)
        self.history.check_returned(task.name, credentials, task.called_at, task.min_ttl)
        return credentials

    async def _refresh(self, task: Task) -> None:
        await self._call(task, refresh=True)

    async def _long(self, task: Task) -> None:
        task.min_ttl = LIFETIME / 2
        await self._call(task, min_ttl=task.min_ttl)

    async def _reject(self, task: Task) -> None:
        self._invalidate(await self._call(task))
        await self._call(task)

    async def _block(self, task: Task) -> None:
        self._begin(task)
        async with self._provider.keep_fresh() as fresh:
            with suppress(CredentialsError):  # they may be invalidated at any time
                self.history.check_returned(task.name, fresh.credentials, task.called_at)
            task.state = "inside block"
            try:
                await anyio.sleep(1)
            finally:
                task.state = "leaving block"

    def _begin(self, task: Task) -> None:
        self.history.log(f"{task.name} begins")
        task.state, task.called_at = "calling", self.history.step

    # The source

    async def _source(self) -> Credentials:
        answer = self._answers[self._choose(len(self._answers))]
        fetch = self.history.begin_fetch(answer)
        try:
            if answer.latency is not None:
                await anyio.sleep(answer.latency)
        except anyio.get_cancelled_exc_class():
            self._end_early(fetch)
            raise
        kind, last = answer.kind, self.history.last
        if kind == "same" and (last is None or not self.history.is_valid(last)):
            kind = "new"  # no source returns expired credentials
        self.history.end_fetch(fetch, kind)
        if kind == "fail":
            raise RetrievalError("down")
        if last is None or kind == "new":
            last = make_credentials(str(self.history.step), self.clock.time() + LIFETIME)
            self.history.issue(fetch, last, LIFETIME)
        else:
            self.history.issue(fetch, last, None)
        return last

    def _end_early(self, fetch: Fetch) -> None:
        is_timeout = self.clock.monotonic() >= fetch.started + ATTEMPT
        self.history.end_fetch(fetch, "fail" if is_timeout else "cut off")
        if not is_timeout and (others := [task.name for task in self._tasks if task.needs_refresh]):
            self.history.problem(f"a refresh is cut off that {', '.join(others)} needs")

    # Between two steps of tasks

    def order(self, names: list[str]) -> int:
        """Return which of the tasks with these names runs next.

        Of tasks that differ in nothing but their number, the first one starts first: other orders are the same runs.
        """
        if not self._is_exploring:
            return 0
        new = {task.name: (task.kind, task.is_late) for task in self._tasks if task.state == "new"}
        kinds = [new.get(name) for name in names]
        distinct = [index for index, kind in enumerate(kinds) if kind is None or kind not in kinds[:index]]
        return distinct[self._choose(len(distinct), is_order=True)]

    def choose_loop(self, others: list[int]) -> int | None:
        """Return the event loop of another thread that continues; None for the current one."""
        chosen = self._choose(len(others) + 1, is_order=True) if self._is_exploring else 0
        return others[chosen - 1] if chosen else None

    def after_step(self) -> None:
        """Let nothing happen, or one of the events that are possible now."""
        if not self._is_exploring:
            return
        self.history.step += 1
        possible = self._possible()
        if chosen := self._choose(len(possible) + 1):
            possible[chosen - 1]()

    def _possible(self) -> list[Callable[[], None]]:
        awaiting = [task for task in self._tasks if task.state not in {"new", "ended"}]
        most = self._most_cancellations
        cancellations = [partial(self._cancel, task) for task in awaiting if task.cancellations < most]
        happenings = [event for event in self._events if event != "invalidate" or self.history.last is not None]
        return [*cancellations, *(partial(self._happen, event) for event in happenings)]

    def _cancel(self, task: Task) -> None:
        self.history.log(f"EVENT: cancel {task.name}")
        task.cancellations += 1
        task.cancel()

    def _happen(self, event: Event) -> None:
        self.history.log(f"EVENT: {event}")
        self._events.remove(event)
        if event == "invalidate":
            assert self.history.last is not None
            self._invalidate(self.history.last)
            return
        if event == "evict":
            self._provider.evict()
            self.history.was_evicted = True
            return
        self.history.has_clock_changed = True
        if event == "suspend":
            self.clock.suspend(CLOCK_STEP)
        else:
            self.clock.step(CLOCK_STEP if event == "step forward" else -CLOCK_STEP)

    def _invalidate(self, credentials: Credentials) -> None:
        self.history.invalidate(credentials, accepted=self._provider.invalidate(credentials))
