"""Calls to services: what is repeated and what is not, how long is waited, and what a wrong clock costs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._core.http import Request, Response, TransportFailure, Url
from anycreds._providers.service.retries import SERVICE_RULES, Budget, call_service, is_transient, retry_delay
from anycreds._wire.service_errors import ErrorResponse
from support.fake_io import START, Answer, FakeIo, answer, run

URL = Url("https", "sts.eu-west-1.amazonaws.com", None, "/")
GOOD = answer(b"good")
GONE = TransportFailure("unreachable", "connection refused")
THROTTLING = [
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
    "TransactionInProgressException",
]  # fmt: skip
TRANSIENT = [
    "RequestTimeout", "RequestTimeoutException", "InternalError", "IDPCommunicationError", "PriorRequestNotComplete"
]  # fmt: skip
FINAL = [
    "AccessDenied", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidIdentityToken",
    "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException", "ValidationError", "UnknownError",
    "IDPRejectedClaim", "throttling", "",
]  # fmt: skip
SKEW = [
    "AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
]  # fmt: skip


def parse_error_response(response: Response) -> ErrorResponse:
    """Read the code of an answer, which is all of its body."""
    return ErrorResponse(response.status, response.body.decode() or None, "")


def said(code: str, status: int = 400, **headers: str) -> Response:
    """Make a refusal."""
    return answer(code.encode(), status, **headers)


def date(seconds: float) -> str:
    """Return a time as the header ``Date`` has it."""
    return format_datetime(datetime.fromtimestamp(START + seconds, UTC), usegmt=True)


class Calls:
    """A call, and what it was made with."""

    def __init__(self, *answers: Answer | Callable[[Request], Answer], jitter: float = 0.5) -> None:
        self.io = FakeIo(*(("POST", str(URL), one) for one in answers), jitter=jitter)
        self.times: list[float] = []

    def make(self, time: float) -> Request:
        """Make a request that has the time in it, as a signature has."""
        self.times.append(time - START)
        return Request("POST", URL, {"x-time": str(time)}, 5.0)

    def __call__(self, attempts: int = 3, seconds: float = 60.0) -> Response | TransportFailure:
        return run(call_service(self.io, self.make, parse_error_response, attempts, Budget(self.io, seconds)))


# --- what is repeated


def outcome(kind: Answer) -> tuple[bool, int]:
    """Return whether it counts as passing, and how often a call was made that always gets this answer."""
    calls = Calls(*[kind] * 3)
    assert calls() is kind
    refusal = parse_error_response(kind) if isinstance(kind, Response) and kind.status != 200 else None
    return is_transient(kind, refusal), len(calls.io.requests)


@pytest.mark.parametrize("code", [*THROTTLING, *TRANSIENT])
@pytest.mark.parametrize("status", [400, 403, 409, 500])
def test_codes_that_pass(code: str, status: int) -> None:
    """Throttling, and what is broken for a moment, is known by its code, whatever the status is."""
    assert outcome(said(code, status)) == (True, 3)


@pytest.mark.parametrize("code", [*FINAL, *SKEW])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 501, 505])
def test_codes_that_stay(code: str, status: int) -> None:
    """Every other refusal is the last word."""
    assert outcome(said(code, status)) == (False, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("code", ["", "AccessDenied", "UnknownError"])
def test_statuses_that_pass(status: int, code: str) -> None:
    """A service that is busy or broken is known by its status, whatever the code is."""
    assert outcome(said(code, status)) == (True, 3)


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 304])
def test_other_statuses_stay(status: int) -> None:
    """Redirects, and successes of another kind, are not repeated: nothing would be better then."""
    assert outcome(said("", status)) == (False, 1)


@pytest.mark.parametrize(
    ("kind", "passes"), [("unreachable", True), ("timeout", True), ("broken", True), ("too large", False)]
)
def test_no_answers(kind: Any, passes: bool) -> None:
    """A connection that failed may be better next time; a flood will be a flood again."""
    assert outcome(TransportFailure(kind, "x")) == (passes, 3 if passes else 1)


def test_a_success_ends_it() -> None:
    """After the first answer with 200 nothing more is asked, whatever is in it, and the reader is not asked either."""
    calls = Calls(GONE, said("Throttling"), said("Throttling", 200))
    answered = calls(attempts=9)
    assert isinstance(answered, Response)
    assert answered.status == 200
    assert calls.io.script == []


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_count_all(attempts: int) -> None:
    """The number of attempts includes the first, and the last answer counts."""
    answers = [said("Throttling", 400, x=str(number)) for number in range(attempts)]
    calls = Calls(*answers)
    assert calls(attempts) is answers[-1]
    assert calls.io.script == []
    assert len(calls.io.pauses) == attempts - 1


# --- pauses


@pytest.mark.parametrize(
    ("kind", "code", "bounds"),
    [
        (GONE, None, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]),
        (said("", 503), None, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]),
        (said("InternalError"), "InternalError", [0.05, 0.1, 0.2, 0.4]),
        (said("Throttling"), "Throttling", [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]),
        (said("Throttling", 500), "Throttling", [1.0, 2.0, 4.0]),
        (said("", 429), None, [1.0, 2.0, 4.0]),
    ],
)
def test_pauses(kind: Answer, code: str | None, bounds: list[float]) -> None:
    """The bound doubles from 50 ms, from a second after throttling, up to 20 s; the pause is any part of it."""
    refusal = ErrorResponse(kind.status, code, "") if isinstance(kind, Response) else None
    for tried, most in enumerate(bounds):
        for jitter in (0.0, 0.25, 0.999):
            assert retry_delay(SERVICE_RULES, kind, refusal, tried, jitter) == pytest.approx(jitter * most)
    assert retry_delay(SERVICE_RULES, kind, refusal, 10**6, 0.5) == 10.0


def test_pauses_are_kept() -> None:
    """A call waits what was decided between its attempts, and not after the last."""
    calls = Calls(GONE, said("", 503), said("Throttling"), said("Throttling"), jitter=0.5)
    calls(attempts=4)
    assert calls.io.pauses == pytest.approx([0.025, 0.05, 2.0])


@pytest.mark.parametrize(
    ("header", "pause"),
    [("7", 7.0), ("0", 0.5), (" 3 ", 3.0), ("-1", 0.5), ("soon", 0.5), ("1.5", 0.5), (date(60), 0.5), ("", 0.5)],
)
def test_retry_after(header: str, pause: float) -> None:
    """What the service asks to wait is waited at least; what is unreadable or shorter changes nothing."""
    calls = Calls(said("Throttling", 429, retry_after=header), GOOD)
    assert calls() is GOOD
    assert calls.io.pauses == [pause]


def test_retry_after_on_what_is_final() -> None:
    """The header does not make a refusal one that passes."""
    calls = Calls(said("AccessDenied", 403, retry_after="1"))
    calls()
    assert calls.io.pauses == []


@pytest.mark.parametrize("seconds", ["60", "61", "9" * 500])
def test_no_pause_past_the_end(seconds: str) -> None:
    """Where there is no time for the pause, the answer that is there is the last, at once."""
    busy = said("Throttling", 429, retry_after=seconds)
    calls = Calls(busy)
    assert calls(seconds=60.0) is busy
    assert calls.io.pauses == []


# --- the budget


def test_exchanges_end_with_the_budget() -> None:
    """Each exchange gets its own time or what is left, and what is slow does not make the whole longer."""
    calls = Calls()
    calls.io.script = [("POST", str(URL), calls.io.timeout)] * 3
    answered = calls(attempts=9, seconds=12.0)
    assert isinstance(answered, TransportFailure)
    assert answered.kind == "timeout"
    first, second, third = (request.timeout for request in calls.io.requests)
    assert (first, second) == (5.0, 5.0)
    assert third == pytest.approx(12.0 - 10.0 - sum(calls.io.pauses))
    assert calls.io.monotonic() == pytest.approx(1012.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_at_all(seconds: float) -> None:
    """Without any time nothing is asked, nor made, and that is said."""
    calls = Calls()
    answered = calls(seconds=seconds)
    assert isinstance(answered, TransportFailure)
    assert "no time" in answered.detail
    assert calls.times == []


def test_headers_and_body_are_those_that_were_made() -> None:
    """Only the time limit of what was made is changed."""
    calls = Calls(GOOD)
    calls(seconds=2.0)
    (request,) = calls.io.requests
    assert request == calls.make(START)._replace(timeout=2.0)


# --- a request for each attempt


def test_each_attempt_is_made_anew() -> None:
    """Each attempt has the time that it is at then, so that its signature is fresh."""
    calls = Calls(GONE, GONE, GOOD)
    calls()
    assert calls.times == pytest.approx([0.0, 0.025, 0.075], abs=1e-6)
    assert [request.headers["x-time"] for request in calls.io.requests] == [str(START + time) for time in calls.times]


# --- a wrong clock


@pytest.mark.parametrize("code", SKEW)
@pytest.mark.parametrize("theirs", [-86400.0, -300.0, -240.0, 240.0, 300.0, 86400.0])
def test_a_wrong_clock_is_corrected(code: str, theirs: float, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal from four minutes off on is repeated once, at once, with the service's time, and warned of."""
    calls = Calls(said(code, 403, date=date(theirs)), GOOD)
    assert calls() is GOOD
    assert calls.times == pytest.approx([0.0, theirs])
    assert calls.io.pauses == []
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("anycreds.calling", logging.WARNING)
    assert f"{-theirs:+.0f} s" in record.getMessage()


@pytest.mark.parametrize("theirs", [-239.0, -1.0, 0.0, 1.0, 239.0])
def test_a_right_clock_is_not(theirs: float, caplog: pytest.LogCaptureFixture) -> None:
    """With a time near ours the signature itself was wrong, and nothing is repeated."""
    calls = Calls(said("SignatureDoesNotMatch", 403, date=date(theirs)))
    calls()
    assert calls.io.script == []
    assert caplog.records == []


@pytest.mark.parametrize(
    "header",
    ["", "soon", "Tue, 02 Jan 2024", "Tue, 2 Jan 2024 05:04:05 GMT", "Tue, 02 Jan 2024 05:04:05 +0000",
     "Tue, 02 Jxn 2024 05:04:05 GMT", "Tue, 31 Feb 2024 05:04:05 GMT", "Tue, 02 Jan 2024 25:04:05 GMT",
     "Tue, 02 Jan 2024 05:04:60 GMT", "Tue, 02 Jan 0000 05:04:05 GMT", "Tue, \u0660\u0662 Jan 2024 05:04:05 GMT",
     "2024-01-02T05:04:05Z"],
)  # fmt: skip
def test_unreadable_dates(header: str) -> None:
    """A date that cannot be read corrects nothing."""
    calls = Calls(said("SignatureDoesNotMatch", 403, date=header))
    calls()
    assert calls.io.script == []


def test_only_a_signature_is_corrected() -> None:
    """A service's date says nothing where something else was refused, or where all is well."""
    calls = Calls(said("AccessDenied", 403, date=date(3600)))
    calls()
    assert len(calls.times) == 1
    calls = Calls(said("Throttling", 400, date=date(3600)), GOOD)
    calls()
    assert calls.times == [0.0, 0.5]


def test_one_correction() -> None:
    """If the service's own time is refused, too, it was not the clock, and that is the last word."""
    again = said("RequestExpired", 403, date=date(3600))
    calls = Calls(said("RequestExpired", 403, date=date(3600)), again)
    assert calls(attempts=9) is again
    assert len(calls.times) == 2
    jumps = said("RequestExpired", 403, date=date(9999))
    calls = Calls(said("RequestExpired", 403, date=date(3600)), jumps)
    assert calls(attempts=9) is jumps


def test_a_correction_lasts() -> None:
    """What was corrected stays so for the attempts after it, on top of the time that passes."""
    calls = Calls(said("RequestExpired", 403, date=date(3600)), GONE, GOOD)
    assert calls() is GOOD
    assert calls.times == pytest.approx([0.0, 3600.0, 3600.05], abs=1e-6)


def test_a_correction_is_an_attempt(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted like any other, so with one attempt there is none, and nobody says that there is."""
    service_error = said("RequestExpired", 403, date=date(3600))
    calls = Calls(service_error)
    assert calls(attempts=1) is service_error
    assert caplog.records == []


def test_a_slow_refusal_is_not_a_wrong_clock() -> None:
    """Their date is compared with our time as the answer comes, not as the request was made."""

    def late(request: Request) -> Answer:
        calls.io.advance(4.0)
        return said("RequestExpired", 403, date=date(243.0))

    calls = Calls(late)
    calls()
    assert len(calls.times) == 1


ANSWERS = st.one_of(
    st.builds(
        lambda code, status, later, theirs: said(code, status, retry_after=later, date=date(theirs)),
        st.sampled_from([*THROTTLING, *FINAL, *SKEW]),
        st.sampled_from([200, 302, 400, 403, 429, 500, 503]),
        st.sampled_from(["", "1", "30", "x"]),
        st.integers(-(10**8), 10**8),
    ),
    st.sampled_from(
        [GONE, TransportFailure("timeout", "x"), TransportFailure("broken", "x"), TransportFailure("too large", "x")]
    ),
)


@settings(deadline=None)
@given(st.lists(ANSWERS, min_size=6, max_size=6), st.integers(1, 6), st.floats(0.1, 100), st.floats(0, 0.999))
def test_any_service_ends(answers: list[Answer], attempts: int, seconds: float, jitter: float) -> None:
    """Whatever a service answers, there are no more attempts and no more time than were given, and the last counts."""
    calls = Calls(*answers, jitter=jitter)
    answered = calls(attempts, seconds)
    count = len(calls.times)
    assert count <= attempts
    assert answered is answers[count - 1]
    assert sum(calls.io.pauses) <= seconds
