"""Retries: only what may pass, with pauses that spread, and all of it inside the attempt's own time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._core.errors import InvalidConfigurationError
from anycreds._core.http import Request, Response, TransportFailure, Url
from anycreds._core.validation import check_timeout_and_retries
from anycreds._providers.service.retries import METADATA_RULES, Budget, retry_after, retry_delay, send_with_retries
from support.fake_io import Answer, FakeIo, answer, run

URL = Url("http", "127.0.0.1", None, "/")
REQUEST = Request("GET", URL, {}, 1.0)
BUSY = answer(status=503)
GONE = TransportFailure("unreachable", "connection refused")


def ask(io: FakeIo, retries: int, seconds: float) -> Response | TransportFailure:
    """Make an exchange with retries that may take so many seconds altogether."""
    return run(send_with_retries(io, REQUEST, retries, Budget(io, seconds)))


def steps(*answers: Answer | Callable[[Request], Answer]) -> list[tuple[str, str, Any]]:
    """Make a script of answers to the same question."""
    return [("GET", "http://127.0.0.1/", one) for one in answers]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_transient_statuses(status: int) -> None:
    """Throttling and the server's own troubles may pass."""
    assert retry_delay(METADATA_RULES, answer(status=status), None, 0, 0.5) is not None


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 304, 400, 401, 403, 404, 405, 408, 410, 418, 501, 505])
def test_final_statuses(status: int) -> None:
    """Every other status is the last word."""
    assert retry_delay(METADATA_RULES, answer(status=status), None, 0, 0.5) is None


@pytest.mark.parametrize(
    ("kind", "transient"), [("unreachable", True), ("timeout", True), ("broken", True), ("too large", False)]
)
def test_transient_failures(kind: Any, transient: bool) -> None:
    """A failed connection may be better next time; a flood will be a flood again."""
    assert (retry_delay(METADATA_RULES, TransportFailure(kind, "x"), None, 0, 0.5) is not None) is transient


@pytest.mark.parametrize(("tried", "most"), [(0, 0.1), (1, 0.2), (2, 0.4), (3, 0.8), (4, 1.0), (5, 1.0), (10**6, 1.0)])
def test_pauses_double_up_to_a_second(tried: int, most: float) -> None:
    """The pause is a random part of a bound that doubles from 0.1 s to 1 s."""
    assert retry_delay(METADATA_RULES, GONE, None, tried, 1.0) == pytest.approx(most)
    assert retry_delay(METADATA_RULES, GONE, None, tried, 0.25) == pytest.approx(most / 4)
    assert retry_delay(METADATA_RULES, GONE, None, tried, 0.0) == 0.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 30 ", 30.0),
        ("1000000000", 1e9),
        ("9" * 500, float("inf")),
        ("", 0.0),
        ("-1", 0.0),
        ("1.5", 0.0),
        ("1e9", 0.0),
        ("soon", 0.0),
        ("\u0661", 0.0),
        ("\u00b2", 0.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    """Whole seconds are believed; dates and rubbish are ignored."""
    assert retry_after(answer(status=503, retry_after=header)) == seconds


def test_retry_after_lengthens_the_delay() -> None:
    """``Retry-After`` is the shortest delay; the delay is longer if the backoff is."""
    assert retry_delay(METADATA_RULES, answer(status=503, retry_after="2"), None, 0, 0.5) == 2.0
    assert retry_delay(METADATA_RULES, answer(status=503, retry_after="0"), None, 0, 0.5) == pytest.approx(0.05)


@pytest.mark.parametrize("seconds", ["2", "9" * 99])
def test_retry_after_beyond_the_budget_ends_the_call(seconds: str) -> None:
    """If the delay does not end within the budget, the response is returned at once."""
    busy = answer(status=503, retry_after=seconds)
    io = FakeIo(*steps(busy))
    assert ask(io, 3, 2.0) is busy
    assert io.pauses == []


def test_repeats_until_it_works() -> None:
    """Failures are repeated after their pauses, and the good answer counts."""
    io = FakeIo(*steps(GONE, BUSY, answer(b"ok")))
    assert ask(io, 3, 4.0) == answer(b"ok")
    assert io.pauses == pytest.approx([0.05, 0.1])


def test_the_last_answer_counts() -> None:
    """After the last try its answer is returned, whatever came before."""
    io = FakeIo(*steps(GONE, GONE, BUSY))
    assert ask(io, 2, 3.0) == BUSY
    assert io.script == []


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_are_not_repeated(status: int) -> None:
    """A refusal is not asked for twice."""
    io = FakeIo(*steps(answer(status=status)))
    assert ask(io, 3, 4.0) == answer(status=status)
    assert io.pauses == []


def test_never_beyond_the_budget() -> None:
    """A silent server costs the whole budget and no more: the last exchange gets what the pauses left of it."""
    io = FakeIo(jitter=0.999)
    io.script = steps(*[io.timeout] * 4)
    start = io.monotonic()
    found = ask(io, 3, 4.0)
    assert isinstance(found, TransportFailure)
    assert found.kind == "timeout"
    assert io.monotonic() - start == pytest.approx(4.0)
    assert [request.timeout for request in io.requests[:3]] == [1.0, 1.0, 1.0]
    assert io.requests[3].timeout == pytest.approx(1.0 - sum(io.pauses))


def test_no_try_without_time() -> None:
    """With no time left nothing is sent, and that is the reason given."""
    io = FakeIo()
    found = ask(io, 3, 0.0)
    assert isinstance(found, TransportFailure)
    assert found.kind == "timeout"


def test_a_budget_can_be_extended() -> None:
    """A budget counts down by the steady clock, ends at 0 and takes more time."""
    io = FakeIo()
    budget = Budget(io, 3.0)
    io.wall += 1e6
    assert budget.left() == 3.0
    io.advance(5.0)
    assert budget.left() == 0.0
    budget.extend(3.0)
    assert budget.left() == 1.0


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([GONE, BUSY, answer(status=503, retry_after="1"), None]), max_size=6), st.integers(0, 5)
)
def test_any_course_stays_inside_its_time(course: list[Answer | None], retries: int) -> None:
    """Whatever comes, there are at most 1 + retries exchanges within (1 + retries) × timeout."""
    io = FakeIo()
    io.script = [
        ("GET", "http://127.0.0.1/", io.timeout if one is None else one) for one in [*course, *[answer(b"ok")] * 6]
    ]
    start = io.monotonic()
    assert isinstance(ask(io, retries, (1 + retries) * 1.0), Response | TransportFailure)
    assert len(io.requests) <= 1 + retries
    assert io.monotonic() - start <= (1 + retries) * 1.0 + 1e-6


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, None, "1"])
def test_refuses_impossible_timeouts(timeout: object) -> None:
    """A timeout is a positive, finite number."""
    with pytest.raises(InvalidConfigurationError, match="option timeout is not"):
        check_timeout_and_retries(timeout, 0, "x")


@pytest.mark.parametrize("max_retries", [-1, 1.0, True, None, "1"])
def test_refuses_impossible_retries(max_retries: object) -> None:
    """The number of retries is a whole one."""
    with pytest.raises(InvalidConfigurationError, match="option max_retries is not"):
        check_timeout_and_retries(1, max_retries, "x")


@pytest.mark.parametrize(("timeout", "max_retries"), [(1, 0), (0.25, 5)])
def test_accepts_possible_limits(timeout: float, max_retries: int) -> None:
    """Whole and broken seconds are fine, and so is no retry."""
    check_timeout_and_retries(timeout, max_retries, "x")
