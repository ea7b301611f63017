"""Calls to AWS's services: each attempt is made anew, so that its signature is, and repeated where AWS's rules say so.

Follows the AWS "SDKs and Tools" reference, page "Retry behavior", in its standard mode.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Io
from ..._core.logs import log
from ..._wire.service_errors import ErrorResponse
from .retries import Budget, retry_after

# What passes by itself, as the reference and the SDKs have it; of STS, its own lookup of a provider's keys, too.
_TRANSIENT_CODES = frozenset(
    ("RequestTimeout", "RequestTimeoutException", "InternalError", "IDPCommunicationError", "PriorRequestNotComplete")
)
_TRANSIENT_STATUSES = frozenset((500, 502, 503, 504))
_THROTTLING_CODES = frozenset(
    (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "SlowDownException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsError",
        "TooManyRequestsException",
        "TransactionInProgressException",
    )
)
# What a service says to a signature from another time.
_SKEW_CODES = frozenset(
    (
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    )
)
# Services take signatures up to five minutes old; JavaScript, too, corrects from four on.
_SKEW = 4 * 60.0
# Seconds before the first repetition, which double; at most 20, as in every SDK's standard mode.
_FIRST_PAUSE = 0.05
_FIRST_PAUSE_THROTTLED = 1.0
_LONGEST_PAUSE = 20.0

# What a service can mean; with other years signatures cannot even be written.
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)


async def call(
    io: Io,
    make: Callable[[float], Request],
    parse_error_response: Callable[[Response], ErrorResponse],
    attempts: int,
    budget: Budget,
) -> Response | TransportFailure:
    """Make a call, and repeat it while that may help. The last answer counts.

    ``make`` returns the request for a time, in seconds since 1970, and is called for each attempt.
    ``parse_error_response`` reads a response other than 200. If a service says that our clock is wrong, the next
    attempt uses the service's clock.
    """
    answer: Response | TransportFailure = TransportFailure("timeout", "no time was left for it")
    skew = 0.0
    for tried in range(attempts):
        left = budget.left()
        if left <= 0:
            break
        request = make(io.time() + skew)
        answer = await io.send(request._replace(timeout=min(request.timeout, left)))
        error_response = parse_error_response(answer) if isinstance(answer, Response) and answer.status != 200 else None
        is_last = tried + 1 >= attempts
        found = _skew(answer, error_response, io.time() + skew)
        if found and not skew and not is_last:  # one correction: if that does not help, it was not the clock
            skew = found
            log("calling", "warning", "this machine's clock is %+.0f s off the service's, whose is used", -skew)
            continue
        pause = None if is_last else pause_after(answer, error_response, tried, io.jitter(), budget.left())
        if pause is None:
            break
        await io.sleep(pause)
    return answer


def pause_after(
    answer: Response | TransportFailure, error_response: ErrorResponse | None, tried: int, jitter: float, left: float
) -> float | None:
    """Decide how many seconds to wait before calling once more; None: this answer is the last.

    ``tried`` counts the earlier attempts. The pause doubles, with full jitter, so that many clients spread.
    """
    first = _first_pause(answer, error_response)
    if first is None:
        return None
    pause = jitter * min(_LONGEST_PAUSE, first * 2 ** min(tried, 10))  # 2**10 is past the cap already
    if isinstance(answer, Response):
        pause = max(pause, retry_after(answer))
    return pause if pause < left else None


def is_transient(answer: Response | TransportFailure, error_response: ErrorResponse | None) -> bool:
    """Tell whether the same call may well succeed later: the service was busy, broken or away."""
    return _first_pause(answer, error_response) is not None


def _first_pause(answer: Response | TransportFailure, error_response: ErrorResponse | None) -> float | None:
    if isinstance(answer, TransportFailure):
        return None if answer.kind == "too large" else _FIRST_PAUSE
    if error_response is None:
        return None
    if answer.status == 429 or error_response.code in _THROTTLING_CODES:
        return _FIRST_PAUSE_THROTTLED
    if answer.status in _TRANSIENT_STATUSES or error_response.code in _TRANSIENT_CODES:
        return _FIRST_PAUSE
    return None


def _skew(answer: Response | TransportFailure, error_response: ErrorResponse | None, now: float) -> float:
    """Return how many seconds the service's clock is ahead, if that is why it refused; else 0."""
    if error_response is None or error_response.code not in _SKEW_CODES or not isinstance(answer, Response):
        return 0.0
    theirs = _date_in(answer)
    return 0.0 if theirs is None or abs(theirs - now) < _SKEW else theirs - now


def _date_in(response: Response) -> float | None:
    match = _DATE.fullmatch(response.headers.get("date", "").strip())
    if match is None or match[2] not in _MONTHS:
        return None
    day, month, year = int(match[1]), _MONTHS.index(match[2]) + 1, int(match[3])
    if not _FIRST_YEAR <= year < _LAST_YEAR:
        return None
    try:
        return datetime(year, month, day, int(match[4]), int(match[5]), int(match[6]), tzinfo=UTC).timestamp()
    except ValueError:
        return None
