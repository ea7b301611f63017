"""The history of a cache as its callers see it, and a check that each of them got what some correct cache would return.

``History`` records when the source issued credentials, who called when, what each call got, and what was invalidated.
``problems`` is a plain function of it, in the way of a check for linearizability: it knows nothing of the cache, of its
windows or of event loops. It works for callers in tasks and in threads, under virtual time and without a clock.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from anycreds import CachedProvider, Clock, Credentials

Source: TypeAlias = Callable[[], Awaitable[Credentials]]
CANCELLED = "cancelled"


class Moment(NamedTuple):
    """When something happened."""

    order: int  # of all that happened
    monotonic: float
    wall: float


class Issue(NamedTuple):
    """The source was asked, and has returned these credentials."""

    asked: Moment
    issued: Moment
    credentials: Credentials

    def is_valid(self, now: Moment) -> bool:
        """Return whether the credentials are valid at this moment by both clocks."""
        if self.credentials.expiration is None:
            return True
        lifetime = self.credentials.expiration.timestamp() - self.issued.wall
        return max(now.monotonic - self.issued.monotonic, now.wall - self.issued.wall) < lifetime


class CallRecord(NamedTuple):
    """A caller called, and got credentials or an error, or was cancelled."""

    called: Moment
    ended: Moment
    credentials: Credentials | None = None
    error: str = ""  # its class, or ``CANCELLED``


class Invalidation(NamedTuple):
    """Credentials were invalidated. ``dropped`` is what the cache returned."""

    started: Moment
    ended: Moment
    credentials: Credentials
    dropped: bool


class History:
    """Records what happens to one cache, in any number of threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = itertools.count()
        self.issues: list[Issue] = []
        self.calls: list[CallRecord] = []
        self.invalidations: list[Invalidation] = []
        self.clock_steps: list[tuple[Moment, Moment]] = []  # the moments before and after
        self.running = 0

    def moment(self) -> Moment:
        """Return the present moment."""
        return Moment(next(self._order), self._clock.monotonic(), self._clock.time())

    def recorded(self, source: Source) -> Source:
        """Return the source, with a record of what it issues."""

        async def issue() -> Credentials:
            asked = self.moment()
            credentials = await source()
            self.record_issue(asked, credentials)
            return credentials

        return issue

    def record_issue(self, asked: Moment, credentials: Credentials) -> None:
        """Record that the source has just returned credentials."""
        self.issues.append(Issue(asked, self.moment(), credentials))

    async def call(self, provider: Callable[..., Awaitable[Credentials]], **options: Any) -> Credentials:
        """Be one caller. Return or raise what the provider does."""
        called = self.moment()
        self.running += 1
        credentials, error = None, CANCELLED
        try:
            credentials = await provider(**options)
            error = ""
        except Exception as raised:
            error = type(raised).__name__
            raise
        finally:
            self.calls.append(CallRecord(called, self.moment(), credentials, error))
            self.running -= 1
        return credentials

    def invalidate(self, provider: CachedProvider, credentials: Credentials) -> bool:
        """Invalidate credentials."""
        started = self.moment()
        dropped = provider.invalidate(credentials)
        self.invalidations.append(Invalidation(started, self.moment(), credentials, dropped))
        return dropped

    def step(self, change: Callable[[], None]) -> None:
        """Let a function set the wall clock, or suspend the machine."""
        before = self.moment()
        change()
        self.clock_steps.append((before, self.moment()))

    def events(self) -> list[str]:
        """Return everything that was recorded, in its order, as text: two runs with one seed have the same."""
        ended: list[tuple[Moment, str]] = [
            (issue.issued, f"issued {_name(issue.credentials)}") for issue in self.issues
        ]
        ended += [(call.ended, f"{call.error or _name(call.credentials)} called {call.called}") for call in self.calls]
        ended += [(one.ended, f"invalidated {_name(one.credentials)} {one.dropped}") for one in self.invalidations]
        ended += [(after, "clock step") for _, after in self.clock_steps]
        return [f"{moment} {what}" for moment, what in sorted(ended)]


def problems(history: History) -> list[str]:
    """Return what no correct cache does, one line each; none if there is nothing wrong.

    - A call that has begun ends.
    - Credentials are whole: the source issued all three fields together, before the end of the call.
    - They were valid at some moment between the call and its end, unless their expiration is marked as extended.
    - No call returns older credentials (asked for earlier) that expire no later than what an earlier call returned.
    - A call that begins after an ``invalidate`` that dropped the cached credentials gets what the source was asked for
      after that ``invalidate`` began.
    - A call raises no error, and gets no extended expiration, if an earlier call had returned credentials that were
      valid all the time until its end, unless newer ones were issued or they were invalidated.
    """
    found = [f"{history.running} calls have not ended"] if history.running else []
    check = _Check(history)
    for call in sorted(history.calls, key=lambda call: call.ended):
        if call.credentials is not None:
            found += [f"{_described(call)} {problem}" for problem in check.returned(call, call.credentials)]
        if call.error not in {"", CANCELLED} or _is_extended(call.credentials):
            found += [f"{_described(call)} {problem}" for problem in check.unserved(call)]
    return found


class _Check:
    """What is known before each call."""

    def __init__(self, history: History) -> None:
        self._steps = history.clock_steps
        self._issues: dict[str, list[Issue]] = {}
        for issue in sorted(history.issues, key=lambda issue: issue.issued):
            self._issues.setdefault(issue.credentials.access_key_id, []).append(issue)
        self._issued = sorted(issue.issued for issue in history.issues)
        self._drops = sorted((one for one in history.invalidations if one.dropped), key=lambda one: one.ended)
        self._drop_ends = [one.ended for one in self._drops]
        self._latest_drops = list(itertools.accumulate(self._drops, lambda *both: max(both, key=_start)))
        calls = [call for call in history.calls if call.credentials is not None and not _is_extended(call.credentials)]
        calls.sort(key=lambda call: call.ended)
        self._ends = [call.ended for call in calls]
        self._newest: list[Issue | None] = list(itertools.accumulate(map(self._issue_of, calls), _newer))

    def returned(self, call: CallRecord, credentials: Credentials) -> Iterator[str]:
        """Yield what is wrong with returned credentials."""
        same_key = self._issues.get(credentials.access_key_id, [])
        issues = [each for each in same_key if each.issued < call.ended and _fields(each) == _fields(credentials)]
        if not issues:
            yield "were not issued by the source, or not as a whole, or not yet"
            return
        if not _is_extended(credentials) and not any(self._was_valid(issue, call) for issue in issues):
            yield "were not valid at any moment of the call"
        newest = self._returned_before(call)
        if newest is not None and _is_older(issues[-1], newest):
            yield f"are older than {_name(newest.credentials)}, which an earlier call got"
        drop = self._drop_before(call)
        if drop is not None and issues[-1].asked < drop.started:
            yield f"were asked for before {_name(drop.credentials)} were invalidated"

    def unserved(self, call: CallRecord) -> Iterator[str]:
        """Yield what is wrong with an error, or with an extended expiration."""
        newest = self._returned_before(call)
        if newest is None or self._issued[bisect.bisect(self._issued, call.ended) - 1] > newest.issued:
            return
        was_dropped = any(one.ended > newest.asked and one.started < call.ended for one in self._drops)
        # The same credentials, issued again after the wall clock was set back, keep the expiration that they had.
        same = (each for each in self._issues[newest.credentials.access_key_id] if each.issued <= newest.issued)
        if not was_dropped and all(self._stayed_valid(each, call.ended) for each in same):
            yield f"although {_name(newest.credentials)} were valid, which an earlier call got"

    def _issue_of(self, call: CallRecord) -> Issue | None:
        assert call.credentials is not None
        issues = self._issues.get(call.credentials.access_key_id, [])
        return max((each for each in issues if each.issued < call.ended), key=lambda each: each.issued, default=None)

    def _returned_before(self, call: CallRecord) -> Issue | None:
        count = bisect.bisect(self._ends, call.called)
        return self._newest[count - 1] if count else None

    def _drop_before(self, call: CallRecord) -> Invalidation | None:
        count = bisect.bisect(self._drop_ends, call.called)
        return self._latest_drops[count - 1] if count else None

    def _was_valid(self, issue: Issue, call: CallRecord) -> bool:
        begin = max(issue.issued, call.called)
        return any(map(issue.is_valid, [begin, *(after for _, after in self._steps if begin < after < call.ended)]))

    def _stayed_valid(self, issue: Issue, end: Moment) -> bool:
        return all(map(issue.is_valid, [*(before for before, _ in self._steps if issue.issued < before < end), end]))


def _start(invalidation: Invalidation) -> Moment:
    return invalidation.started


def _newer(one: Issue | None, other: Issue | None) -> Issue | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda issue: issue.asked)


def _is_older(one: Issue, other: Issue) -> bool:
    """Return whether the source was asked for credentials earlier than for others, and they expire no later."""
    ends = [issue.credentials.expiration for issue in (one, other)]
    return one.asked < other.asked and (ends[1] is None or (ends[0] is not None and ends[0] <= ends[1]))


def _is_extended(credentials: Credentials | None) -> bool:
    return credentials is not None and credentials.original_expiration is not None


def _fields(of: Issue | Credentials) -> tuple[str, str, str | None]:
    credentials = of.credentials if isinstance(of, Issue) else of
    return credentials.access_key_id, credentials.secret_access_key, credentials.session_token


def _name(credentials: Credentials | None) -> str:
    return "nothing" if credentials is None else credentials.access_key_id


def _described(call: CallRecord) -> str:
    return f"{call.error or _name(call.credentials)} at {call.ended}:"
