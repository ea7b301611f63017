"""The check of callers' histories: it accepts what a correct cache does, and rejects each way to mislead a caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import anycreds
from anycreds import Credentials, RetrievalError
from anycreds.testing import ManualClock
from support.fake_io import run
from support.fake_source import make_credentials
from support.history import CANCELLED, CallRecord, History, Invalidation, problems
from support.seeded_trio import seeded_trio


class Script:
    """A history written by hand. Between two events a second passes."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self.history = History(self._clock)

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass."""
        self._clock.advance(seconds)

    def make(self, name: str, lifetime: float | None = 3600.0) -> Credentials:
        """Return credentials that are not issued yet."""
        return make_credentials(name, None if lifetime is None else self._clock.time() + lifetime)

    def issue(self, name: str | Credentials, lifetime: float | None = 3600.0) -> Credentials:
        """Let the source issue credentials at once."""
        credentials = self.make(name, lifetime) if isinstance(name, str) else name
        self.history.record_issue(self.history.moment(), credentials)
        self.tick()
        return credentials

    @contextmanager
    def call(self, got: Credentials | str | Callable[[], Credentials]) -> Iterator[None]:
        """Make a call around the body of the ``with`` that ends with credentials or an error."""
        called = self.history.moment()
        self.tick()
        yield
        self.tick()
        result = got() if callable(got) else got
        error = result if isinstance(result, str) else ""
        credentials = None if isinstance(result, str) else result
        self.history.calls.append(CallRecord(called, self.history.moment(), credentials, error))

    def called(self, got: Credentials | str) -> None:
        """Make a call during which nothing else happens."""
        with self.call(got):
            pass

    @contextmanager
    def invalidation(self, credentials: Credentials, *, dropped: bool = True) -> Iterator[None]:
        """Invalidate credentials around the body of the ``with``."""
        started = self.history.moment()
        yield
        self.history.invalidations.append(Invalidation(started, self.history.moment(), credentials, dropped))

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self.history.step(lambda: self._clock.step(seconds))


@pytest.fixture
def script() -> Script:
    return Script()


def wrong(script: Script) -> str:
    """Return the only problem of a history, without the call."""
    (problem,) = problems(script.history)
    return problem.partition(": ")[2]


def test_correct_history_has_no_problems(script: Script) -> None:
    """Calls that get what is cached, wait, are cancelled, fail before the first credentials, or follow a rejection."""
    script.called("RetrievalError")
    first = script.make("1")
    with script.call(first):
        script.issue(first)
    script.called(CANCELLED)
    script.called(first)
    with script.invalidation(first):
        pass
    script.called("RetrievalError")
    second = script.issue("2")
    script.called(second)
    assert problems(script.history) == []


def test_call_that_does_not_end_is_a_problem(script: Script) -> None:
    """A call without an end is found."""
    script.history.running = 1
    assert problems(script.history) == ["1 calls have not ended"]


def test_credentials_of_no_issue_are_a_problem(script: Script) -> None:
    """Credentials that the source issues only after the call, or never, are found."""
    early = script.make("1")
    script.called(early)
    script.issue(early)
    assert wrong(script).startswith("were not issued")


@pytest.mark.parametrize("field", ["secret_access_key", "session_token"])
def test_mixed_fields_are_a_problem(script: Script, field: str) -> None:
    """Credentials with one field of other credentials are found."""
    first, second = script.issue("1"), script.issue("2")
    script.called(second.replace(**{field: getattr(first, field)}))
    assert "not as a whole" in wrong(script)


def test_expired_credentials_are_a_problem(script: Script) -> None:
    """Credentials that had expired before the call are found; those that expire during it are not."""
    first = script.issue("1", lifetime=3.0)
    script.tick()
    script.called(first)  # it expires now
    assert problems(script.history) == []
    script.called(first)
    assert wrong(script) == "were not valid at any moment of the call"


def test_either_clock_ends_credentials(script: Script) -> None:
    """Neither a wall clock that was set forward, nor time that passed behind one that was set back, is forgiven."""
    first = script.issue("1", lifetime=100.0)
    script.set_clock(200.0)
    script.called(first)
    script.set_clock(-200.0)
    script.called(first)  # valid again
    script.set_clock(-200.0)
    script.tick(100.0)
    script.called(first)
    assert [problem.partition(": ")[2] for problem in problems(script.history)] == [
        "were not valid at any moment of the call"
    ] * 2


def test_step_back_during_the_call_makes_credentials_valid(script: Script) -> None:
    """Credentials that a clock step makes valid again during the call were valid at some moment of it."""
    first = script.issue("1", lifetime=100.0)
    script.set_clock(200.0)
    with script.call(first):
        script.set_clock(-200.0)
    assert problems(script.history) == []


def test_older_credentials_than_before_are_a_problem(script: Script) -> None:
    """A call that gets older credentials than an earlier call got is found; two calls at the same time are not."""
    first, second = script.issue("1"), script.issue("2")
    with script.call(first):
        script.called(second)
    assert problems(script.history) == []
    script.called(first)
    assert wrong(script) == "are older than AKID2, which an earlier call got"


def test_older_credentials_that_expire_later_are_allowed(script: Script) -> None:
    """Credentials that were issued earlier but expire later may replace others."""
    first, second = script.issue("1", lifetime=7200.0), script.issue("2")
    script.called(second)
    script.called(first)
    assert problems(script.history) == []


def test_invalidated_credentials_are_a_problem(script: Script) -> None:
    """A call that gets invalidated credentials is found, unless the source has issued them again."""
    first = script.issue("1")
    with script.call(first), script.invalidation(first):
        pass  # that call began before
    assert problems(script.history) == []
    script.issue(first)
    script.called(first)
    assert problems(script.history) == []
    with script.invalidation(first):
        pass
    script.called(first)
    assert wrong(script) == "were asked for before AKID1 were invalidated"


def test_result_of_a_refresh_from_before_an_invalidation_is_a_problem(script: Script) -> None:
    """Credentials that the source was asked for before an invalidation, and issued after it, are found."""
    first, second = script.issue("1"), script.make("2")
    asked = script.history.moment()
    with script.invalidation(first):
        pass
    script.history.record_issue(asked, second)
    script.called(second)
    assert wrong(script) == "were asked for before AKID1 were invalidated"


def test_invalidation_that_drops_nothing_has_no_effect(script: Script) -> None:
    """Credentials stay allowed if ``invalidate`` returned False."""
    first = script.issue("1")
    with script.invalidation(first, dropped=False):
        pass
    script.called(first)
    assert problems(script.history) == []


def test_error_while_credentials_are_valid_is_a_problem(script: Script) -> None:
    """An error is found if valid credentials had been returned before; not if they expired during the call."""
    first = script.issue("1", lifetime=10.0)
    script.called(first)
    script.called("RetrievalError")
    assert wrong(script) == "although AKID1 were valid, which an earlier call got"
    script.history.calls.pop()
    with script.call("RetrievalError"):
        script.tick(10.0)
    assert problems(script.history) == []


def test_error_after_an_invalidation_or_newer_credentials_is_allowed(script: Script) -> None:
    """An error is no problem if what was cached was invalidated, or replaced by credentials that no caller got."""
    first = script.issue("1")
    script.called(first)
    with script.call("RetrievalError"), script.invalidation(first):
        pass
    second = script.issue("2")
    script.called(second)
    script.issue("3", lifetime=0.5)
    script.called("RetrievalError")
    assert problems(script.history) == []


def test_extended_expiration_while_credentials_are_valid_is_a_problem(script: Script) -> None:
    """Stale credentials are allowed after the expiration only."""
    first = script.issue("1", lifetime=10.0)
    script.called(first)
    later = first.expiration
    assert later is not None
    extended = first.replace(expiration=later.replace(year=later.year + 1), original_expiration=later)
    script.called(extended)
    assert wrong(script) == "although AKID1 were valid, which an earlier call got"
    script.history.calls.pop()
    script.tick(10.0)
    script.called(extended)
    assert problems(script.history) == []


def test_history_records_a_cache() -> None:
    """The recorder notes issues, calls, errors and invalidations of a real cache, and its events in their order."""
    clock = ManualClock()
    history = History(clock)
    responses: list[Credentials | RetrievalError] = [make_credentials("1", clock.time() + 3600), RetrievalError("down")]

    async def source() -> Credentials:
        response = responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    async def main() -> None:
        provider = anycreds.cached(history.recorded(source), clock=clock)
        assert history.invalidate(provider, await history.call(provider))
        history.step(lambda: clock.step(60.0))
        clock.advance(5.0)
        with pytest.raises(RetrievalError):
            await history.call(provider)

    with seeded_trio(1):
        import trio

        trio.run(main)
    assert problems(history) == []
    assert [event.partition(") ")[2].partition(" called")[0] for event in history.events()] == [
        "issued AKID1", "AKID1", "invalidated AKID1 True", "clock step", "RetrievalError",
    ]  # fmt: skip


def test_history_records_a_cancelled_call() -> None:
    """A caller that is cancelled is recorded as such."""
    history = History(ManualClock())

    async def provider() -> Credentials:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        run(history.call(provider))
    assert [call.error for call in history.calls] == [CANCELLED]
