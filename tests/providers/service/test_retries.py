"""Retries: what is transient, how long the delays are, the budget, and the correction of a wrong clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.http import Request, Response, TransportFailure, Url
from anycreds._providers.service.retries import (
    METADATA_RULES,
    SERVICE_RULES,
    Budget,
    Result,
    RetryRules,
    call_service,
    is_transient,
    retry_after,
    retry_delay,
    send_with_retries,
)
from anycreds._wire.service_errors import ErrorResponse
from support.fake_io import START, Answer, FakeIo, answer, run
from support.rows import each_row

SERVICE = Url("https", "sts.eu-west-1.amazonaws.com", None, "/")
METADATA = Url("http", "127.0.0.1", None, "/")
GOOD = answer(b"good")
BUSY = answer(status=503)
UNREACHABLE = TransportFailure("unreachable", "connection refused")
THROTTLING_CODES = [
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "SlowDown", "SlowDownException", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsError",
    "TooManyRequestsException", "TransactionInProgressException",
]  # fmt: skip
TRANSIENT_CODES = [
    "RequestTimeout", "RequestTimeoutException", "InternalError", "IDPCommunicationError", "PriorRequestNotComplete"
]  # fmt: skip
FINAL_CODES = [
    "AccessDenied", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidIdentityToken",
    "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException", "ValidationError", "UnknownError",
    "IDPRejectedClaim", "throttling", "",
]  # fmt: skip
CLOCK_SKEW_CODES = [
    "AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
]  # fmt: skip


def parse_error(response: Response) -> ErrorResponse:
    """Return the error response whose code is the whole body."""
    return ErrorResponse(response.status, response.body.decode() or None, "")


def error_of(result: Result) -> ErrorResponse | None:
    """Return the error response in a result."""
    return parse_error(result) if isinstance(result, Response) and result.status != 200 else None


def rejection(code: str, status: int = 400, **headers: str) -> Response:
    """Return an error response with a code."""
    return answer(code.encode(), status, **headers)


def date(seconds: float) -> str:
    """Return the header ``Date`` for a time after the start."""
    return format_datetime(datetime.fromtimestamp(START + seconds, UTC), usegmt=True)


class ServiceCall:
    """A call of an AWS service with scripted results; records the times that its requests were made for."""

    def __init__(self, *results: Answer | Callable[[Request], Answer], jitter: float = 0.5) -> None:
        self.io = FakeIo(*(("POST", str(SERVICE), result) for result in results), jitter=jitter)
        self.times: list[float] = []

    def make_request(self, time: float) -> Request:
        """Return a request that contains its time, as a signature does."""
        self.times.append(time - START)
        return Request("POST", SERVICE, {"x-time": str(time)}, 5.0)

    def __call__(self, attempts: int = 3, seconds: float = 60.0) -> Result:
        budget = Budget(self.io, seconds)
        return run(call_service(self.io, self.make_request, parse_error, attempts, budget))


def send(io: FakeIo, retries: int, seconds: float) -> Result:
    """Call a metadata service with a budget in seconds."""
    return run(send_with_retries(io, Request("GET", METADATA, {}, 1.0), retries, Budget(io, seconds)))


def steps(*results: Answer | Callable[[Request], Answer]) -> list[tuple[str, str, Any]]:
    """Return the script of a metadata service that returns these results."""
    return [("GET", str(METADATA), result) for result in results]


# --- what is transient


def check_service(results: Iterable[Answer], *, transient: bool) -> None:
    """Assert whether a service that always returns each of these results is called again."""
    for result in results:
        call = ServiceCall(*[result] * 3)
        assert call() is result
        assert (is_transient(result, error_of(result)), len(call.io.requests)) == (transient, 3 if transient else 1)


def test_service_throttling_and_transient_codes() -> None:
    """A service is called again after a throttling or transient error code, whatever the status is."""
    codes = [*THROTTLING_CODES, *TRANSIENT_CODES]
    check_service((rejection(code, status) for code in codes for status in (400, 403, 409, 500)), transient=True)


@pytest.mark.fault("U07")
def test_service_final_codes() -> None:
    """A service is not called again after any other error code."""
    statuses = (400, 401, 403, 404, 408, 501, 505)
    codes = [*FINAL_CODES, *CLOCK_SKEW_CODES]
    check_service((rejection(code, status) for code in codes for status in statuses), transient=False)


def test_service_transient_statuses() -> None:
    """A service is called again after a throttling or server error status, whatever the code is."""
    codes = ("", "AccessDenied", "UnknownError")
    check_service((rejection(code, status) for code in codes for status in (429, 500, 502, 503, 504)), transient=True)


@pytest.mark.fault("U07")
def test_service_other_statuses() -> None:
    """Redirects and other successes than 200 are final."""
    check_service((rejection("", status) for status in (201, 204, 301, 302, 304, 307)), transient=False)


def test_metadata_statuses() -> None:
    """A metadata service is called again after status 429, 500, 502, 503 and 504 only."""
    for status in (200, 201, 204, 301, 302, 304, 400, 401, 403, 404, 405, 408, 410, 418, 429, 500, 501, 502, 503, 504):
        result = answer(status=status)
        io = FakeIo(*steps(*[result] * 3))
        assert send(io, 2, 60.0) is result
        assert len(io.requests) == (3 if status in (429, 500, 502, 503, 504) else 1), status


@pytest.mark.parametrize("rules", [SERVICE_RULES, METADATA_RULES], ids=["service", "metadata"])
def test_transport_failures(rules: RetryRules) -> None:
    """A failed connection is transient; a response that is too large is not."""
    for kind in ("unreachable", "timeout", "broken"):
        assert retry_delay(rules, TransportFailure(kind, "x"), None, 0, 0.5) is not None
    assert retry_delay(rules, TransportFailure("too large", "x"), None, 0, 0.5) is None


def test_success_ends_a_call() -> None:
    """The first response with status 200 is returned, even if its body looks like an error."""
    good = rejection("Throttling", 200)
    call = ServiceCall(UNREACHABLE, rejection("Throttling"), good)
    assert call(attempts=9) is good


@each_row("attempts", [1, 2, 5])
def test_attempts_include_the_first(attempts: int) -> None:
    """The number of attempts includes the first one, and the last result is returned without a delay."""
    results = [rejection("Throttling", 400, x=str(number)) for number in range(attempts)]
    call = ServiceCall(*results)
    assert call(attempts) is results[-1]
    assert call.io.script == []
    assert len(call.io.pauses) == attempts - 1


def test_retries_exclude_the_first() -> None:
    """The number of retries of a metadata service does not include the first attempt."""
    io = FakeIo(*steps(UNREACHABLE, UNREACHABLE, BUSY))
    assert send(io, 2, 60.0) is BUSY
    assert io.script == []


# --- delays


BACKOFF = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]
THROTTLING_BACKOFF = [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
METADATA_BACKOFF = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.fault("U09")
@each_row(
    "rules, result, limits",
    [
        (SERVICE_RULES, UNREACHABLE, BACKOFF),
        (SERVICE_RULES, BUSY, BACKOFF),
        (SERVICE_RULES, rejection("InternalError"), BACKOFF),
        (SERVICE_RULES, rejection("Throttling"), THROTTLING_BACKOFF),
        (SERVICE_RULES, rejection("Throttling", 500), THROTTLING_BACKOFF),
        (SERVICE_RULES, rejection("", 429), THROTTLING_BACKOFF),
        (METADATA_RULES, UNREACHABLE, METADATA_BACKOFF),
        (METADATA_RULES, BUSY, METADATA_BACKOFF),
        (METADATA_RULES, answer(status=429), METADATA_BACKOFF),
    ],
    ids=["unreachable", "503", "code", "throttling", "throttling 500", "429", "imds", "imds 503", "imds 429"],
)
def test_backoff_doubles_up_to_a_maximum(rules: RetryRules, result: Result, limits: list[float]) -> None:
    """The limit of the delay doubles up to a maximum; the delay is a random part of it."""
    error = error_of(result)
    for attempt, limit in enumerate(limits):
        for jitter in (0.0, 0.25, 0.999):
            assert retry_delay(rules, result, error, attempt, jitter) == pytest.approx(jitter * limit)
    assert retry_delay(rules, result, error, 10**6, 0.5) == limits[-1] / 2


@pytest.mark.fault("U09")
def test_delays_between_attempts() -> None:
    """A call waits between its attempts, and not after the last."""
    call = ServiceCall(UNREACHABLE, BUSY, rejection("Throttling"), rejection("Throttling"))
    call(attempts=4)
    assert call.io.pauses == pytest.approx([0.025, 0.05, 2.0])
    io = FakeIo(*steps(UNREACHABLE, BUSY, GOOD))
    assert send(io, 3, 4.0) is GOOD
    assert io.pauses == pytest.approx([0.05, 0.1])


@pytest.mark.fault("U08")
@each_row(
    "header, seconds",
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
def test_retry_after_is_a_number_of_seconds(header: str, seconds: float) -> None:
    """``Retry-After`` is used if it is a number of whole seconds; dates and other texts are ignored."""
    assert retry_after(answer(status=503, retry_after=header)) == seconds


@pytest.mark.fault("U08")
@pytest.mark.parametrize(("header", "delay"), [("7", 7.0), ("0", 0.5), ("soon", 0.5)])
def test_retry_after_is_the_shortest_delay(header: str, delay: float) -> None:
    """A call waits at least for ``Retry-After``, and longer if the backoff is longer."""
    call = ServiceCall(rejection("Throttling", 429, retry_after=header), GOOD)
    assert call() is GOOD
    assert call.io.pauses == [delay]


def test_retry_after_on_a_final_response() -> None:
    """``Retry-After`` does not make an error transient."""
    call = ServiceCall(rejection("AccessDenied", 403, retry_after="1"))
    call()
    assert call.io.pauses == []


@pytest.mark.fault("U08")
@each_row("seconds", ["60", "61", "9" * 500], ids=["equal", "longer", "huge"])
def test_delay_beyond_the_budget_ends_the_call(seconds: str) -> None:
    """If the delay would not end within the budget, the result is returned at once."""
    busy = rejection("Throttling", 429, retry_after=seconds)
    call = ServiceCall(busy)
    assert call(seconds=60.0) is busy
    assert call.io.pauses == []
    io = FakeIo(*steps(busy))
    assert send(io, 3, 60.0) is busy
    assert io.pauses == []


# --- the budget


def test_exchanges_end_with_the_budget() -> None:
    """An exchange gets its own timeout or the rest of the budget, whichever is shorter."""
    call = ServiceCall()
    call.io.script = [("POST", str(SERVICE), call.io.timeout)] * 3
    result = call(attempts=9, seconds=12.0)
    assert isinstance(result, TransportFailure)
    assert result.kind == "timeout"
    first, second, third = (request.timeout for request in call.io.requests)
    assert (first, second) == (5.0, 5.0)
    assert third == pytest.approx(12.0 - 10.0 - sum(call.io.pauses))
    assert call.io.monotonic() == pytest.approx(1012.0)


def test_silent_metadata_service_costs_the_budget() -> None:
    """A metadata service that never responds costs the whole budget and no more."""
    io = FakeIo(jitter=0.999)
    io.script = steps(*[io.timeout] * 4)
    result = send(io, 3, 4.0)
    assert isinstance(result, TransportFailure)
    assert result.kind == "timeout"
    assert io.monotonic() - 1000.0 == pytest.approx(4.0)
    assert [request.timeout for request in io.requests[:3]] == [1.0, 1.0, 1.0]
    assert io.requests[3].timeout == pytest.approx(1.0 - sum(io.pauses))


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_empty_budget_makes_no_request(seconds: float) -> None:
    """Without any time no request is made, and the result says so."""
    call = ServiceCall()
    result = call(seconds=seconds)
    assert isinstance(result, TransportFailure)
    assert "no time" in result.detail
    assert call.times == []


def test_only_the_timeout_of_a_request_changes() -> None:
    """A request is sent as it was made, except for its timeout."""
    call = ServiceCall(GOOD)
    call(seconds=2.0)
    (request,) = call.io.requests
    assert request == call.make_request(START)._replace(timeout=2.0)


def test_budget_uses_the_monotonic_clock() -> None:
    """A budget counts down by the monotonic clock, ends at 0 and can be extended."""
    io = FakeIo()
    budget = Budget(io, 3.0)
    io.wall += 1e6
    assert budget.left() == 3.0
    io.advance(5.0)
    assert budget.left() == 0.0
    budget.extend(3.0)
    assert budget.left() == 1.0


def test_standing_still_does_not_cost_the_budget() -> None:
    """An exchange counts as its timeout at most, and a delay as its length: the rest, the program stood still."""
    io = FakeIo()
    budget = Budget(io, 5.0)
    for seconds, left in ((0.4, 4.6), (1.0, 3.6), (200.0, 2.6)):
        started = io.monotonic()
        io.advance(seconds)
        budget.end_wait(started, 1.0)
        assert budget.left() == pytest.approx(left)

    def stopped(request: Request) -> Answer:
        io.advance(100.0)
        return BUSY

    io.script = steps(stopped, GOOD)
    assert send(io, 1, 1.5) == GOOD


# --- a request for each attempt, and a wrong clock


def test_each_attempt_has_its_own_request() -> None:
    """A request is made for each attempt with the current time, so that its signature is valid."""
    call = ServiceCall(UNREACHABLE, UNREACHABLE, GOOD)
    call()
    assert call.times == pytest.approx([0.0, 0.025, 0.075], abs=1e-6)
    assert [request.headers["x-time"] for request in call.io.requests] == [str(START + time) for time in call.times]


@pytest.mark.fault("U24")
@pytest.mark.parametrize(
    ("code", "skew"), [*zip(CLOCK_SKEW_CODES, [-86400.0, -300.0, -240.0, 240.0, 300.0, 86400.0], strict=True)]
)
def test_wrong_clock_is_corrected(code: str, skew: float, caplog: pytest.LogCaptureFixture) -> None:
    """A signature rejected at least four minutes off is made again at once with the service's clock, and logged."""
    call = ServiceCall(rejection(code, 403, date=date(skew)), GOOD)
    assert call() is GOOD
    assert call.times == pytest.approx([0.0, skew])
    assert call.io.pauses == []
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.calling", logging.WARNING)
    assert f"{-skew:+.0f} s" in record.getMessage()


@pytest.mark.parametrize("skew", [-239.0, -1.0, 0.0, 1.0, 239.0])
def test_right_clock_is_not_corrected(skew: float, caplog: pytest.LogCaptureFixture) -> None:
    """If both clocks agree, the signature itself is wrong, so the call ends."""
    call = ServiceCall(rejection("SignatureDoesNotMatch", 403, date=date(skew)))
    call()
    assert call.io.script == []
    assert caplog.records == []


@each_row(
    "header",
    ["", "soon", "Tue, 02 Jan 2024", "Tue, 2 Jan 2024 05:04:05 GMT", "Tue, 02 Jan 2024 05:04:05 +0000",
     "Tue, 02 Jxn 2024 05:04:05 GMT", "Tue, 31 Feb 2024 05:04:05 GMT", "Tue, 02 Jan 2024 25:04:05 GMT",
     "Tue, 02 Jan 2024 05:04:60 GMT", "Tue, 02 Jan 0000 05:04:05 GMT", "Tue, \u0660\u0662 Jan 2024 05:04:05 GMT",
     "2024-01-02T05:04:05Z"]
)  # fmt: skip
def test_invalid_date_corrects_nothing(header: str) -> None:
    """The clock is not corrected if the ``Date`` of the response is not a valid HTTP date."""
    call = ServiceCall(rejection("SignatureDoesNotMatch", 403, date=header))
    call()
    assert call.io.script == []


def test_date_of_other_errors_is_ignored() -> None:
    """The clock is corrected only after an error about the signature."""
    call = ServiceCall(rejection("AccessDenied", 403, date=date(3600)))
    call()
    assert len(call.times) == 1
    call = ServiceCall(rejection("Throttling", 400, date=date(3600)), GOOD)
    call()
    assert call.times == [0.0, 0.5]


@pytest.mark.parametrize("second", [3600.0, 9999.0])
def test_clock_is_corrected_once(second: float) -> None:
    """If the service rejects its own time too, the error is not due to the clock and the call ends."""
    last = rejection("RequestExpired", 403, date=date(second))
    call = ServiceCall(rejection("RequestExpired", 403, date=date(3600)), last)
    assert call(attempts=9) is last
    assert len(call.times) == 2


def test_correction_holds_for_later_attempts() -> None:
    """A corrected clock stays corrected for all later attempts of the call."""
    call = ServiceCall(rejection("RequestExpired", 403, date=date(3600)), UNREACHABLE, GOOD)
    assert call() is GOOD
    assert call.times == pytest.approx([0.0, 3600.0, 3600.05], abs=1e-6)


def test_correction_counts_as_an_attempt(caplog: pytest.LogCaptureFixture) -> None:
    """With a single attempt there is no correction, and nothing is logged."""
    expired = rejection("RequestExpired", 403, date=date(3600))
    call = ServiceCall(expired)
    assert call(attempts=1) is expired
    assert caplog.records == []


def test_slow_response_is_not_a_wrong_clock() -> None:
    """The ``Date`` of a response is compared with the time of its arrival, not with that of the request."""

    def slow(request: Request) -> Answer:
        call.io.advance(4.0)
        return rejection("RequestExpired", 403, date=date(243.0))

    call = ServiceCall(slow)
    call()
    assert len(call.times) == 1


# --- any sequence of results


RESULTS = st.one_of(
    st.builds(
        lambda code, status, later, skew: rejection(code, status, retry_after=later, date=date(skew)),
        st.sampled_from([*THROTTLING_CODES, *FINAL_CODES, *CLOCK_SKEW_CODES]),
        st.sampled_from([200, 302, 400, 403, 429, 500, 503]),
        st.sampled_from(["", "1", "30", "x"]),
        st.integers(-(10**8), 10**8),
    ),
    st.sampled_from(
        [
            UNREACHABLE,
            TransportFailure("timeout", "x"),
            TransportFailure("broken", "x"),
            TransportFailure("too large", "x"),
        ]
    ),
)


@pytest.mark.fault("U09")
@given(st.lists(RESULTS, min_size=6, max_size=6), st.integers(1, 6), st.floats(0.1, 100), st.floats(0, 0.999))
def test_any_service_call_ends(results: list[Answer], attempts: int, seconds: float, jitter: float) -> None:
    """A call never has more attempts and never waits longer than allowed, and returns the last result."""
    call = ServiceCall(*results, jitter=jitter)
    result = call(attempts, seconds)
    count = len(call.times)
    assert count <= attempts
    assert result is results[count - 1]
    assert sum(call.io.pauses) <= seconds


@given(
    st.lists(st.sampled_from([UNREACHABLE, BUSY, answer(status=503, retry_after="1"), None]), max_size=6),
    st.integers(0, 5),
)
def test_any_metadata_call_ends(results: list[Answer | None], retries: int) -> None:
    """A metadata service gets at most 1 + retries requests, within that number of timeouts. None is a timeout."""
    io = FakeIo()
    io.script = steps(*[io.timeout if result is None else result for result in [*results, *[GOOD] * 6]])
    send(io, retries, (1 + retries) * 1.0)
    assert len(io.requests) <= 1 + retries
    assert io.monotonic() - 1000.0 <= (1 + retries) * 1.0 + 1e-6
