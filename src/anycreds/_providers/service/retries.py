"""Retries of HTTP exchanges: what is transient, how long to wait, and how much time all attempts have.

A call consists of up to ``attempts`` attempts within one ``Budget``. Each attempt sends a request that is made for it,
so that a signed request is signed again with the current time. After a failure the rules of the called service decide:

* A failure that is not transient is the result of the call. So is any failure of the last attempt.
* Otherwise the next attempt follows after a random delay between 0 and a limit ("full jitter"), so that many clients
  do not retry at the same moment. The limit doubles with each attempt. If the response has a longer ``Retry-After``,
  that is the delay. A call whose next attempt would begin after the end of the budget ends at once.
* A service that rejects the time of a signature is called again without delay, once, with its own clock. A second
  rejection is not due to the clock, so it is the result.

See: AWS SDKs and Tools Reference Guide, "Retry behavior" (standard mode),
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from ..._core.http import Request, Response, TransportFailure
from ..._core.io import Clock, Io
from ..._core.logs import log
from ..._wire.service_errors import ErrorResponse

Result: TypeAlias = Response | TransportFailure
"""The result of one exchange, or of a call."""

_TRANSIENT_STATUSES = frozenset((500, 502, 503, 504))


class RetryRules(NamedTuple):
    """What is transient for one kind of service, and how long to wait then."""

    transient_codes: frozenset[str]
    throttling_codes: frozenset[str]
    first_delay: float
    """Seconds: the limit of the first delay."""
    first_throttling_delay: float
    """The same after a throttling error, which status 429 is, too."""
    max_delay: float

    def delay_limit(self, result: Result, error: ErrorResponse | None) -> float | None:
        """Return the limit of the first delay after a failure; None if the failure is not transient."""
        if isinstance(result, TransportFailure):
            return None if result.kind == "too large" else self.first_delay
        code = None if error is None else error.code
        if result.status == 429 or code in self.throttling_codes:
            return self.first_throttling_delay
        return self.first_delay if result.status in _TRANSIENT_STATUSES or code in self.transient_codes else None


# AWS's "standard mode" with its delays. ``IDPCommunicationError`` is specific to STS: its request for the keys of an
# identity provider failed.
SERVICE_RULES = RetryRules(
    transient_codes=frozenset((
        "IDPCommunicationError", "InternalError", "PriorRequestNotComplete", "RequestTimeout",
        "RequestTimeoutException",
    )),
    throttling_codes=frozenset((
        "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
        "RequestThrottledException", "SlowDown", "SlowDownException", "ThrottledException", "Throttling",
        "ThrottlingException", "TooManyRequestsError", "TooManyRequestsException", "TransactionInProgressException",
    )),
    first_delay=0.05,
    first_throttling_delay=1.0,
    max_delay=20.0,
)  # fmt: skip
# JavaScript waits one second before each retry, which is long for a service on this machine or its link.
METADATA_RULES = RetryRules(frozenset(), frozenset(), first_delay=0.1, first_throttling_delay=0.1, max_delay=1.0)

# The codes with which services reject a signature because of its time.
_CLOCK_SKEW_CODES = frozenset((
    "AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
))  # fmt: skip
# Seconds. Services accept signatures up to five minutes old; JavaScript corrects from four minutes on, too.
_MIN_CLOCK_SKEW = 4 * 60.0
# Other years are not a clock, and a signature cannot contain all of them.
_YEARS = range(2000, 2200)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)


class Budget:
    """The seconds that all exchanges and delays of one attempt of a provider have together."""

    __slots__ = ("_clock", "_end")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Return how many seconds are left, 0 or more."""
        return max(0.0, self._end - self._clock.monotonic())

    def extend(self, seconds: float) -> None:
        """Add time for exchanges that were not foreseen."""
        self._end += seconds

    def end_wait(self, started: float, longest: float) -> None:
        """Count a wait as no longer than it can take: the rest is time in which the program stood still."""
        self._end += max(0.0, self._clock.monotonic() - started - longest)


async def start_budget(io: Io, seconds: float, *, plain: bool = False) -> Budget:
    """Return a budget that starts now. What an exchange has to import is imported first; see ``Io.preload_http``."""
    await io.preload_http(plain=plain)
    return Budget(io, seconds)


async def call_service(
    io: Io,
    make_request: Callable[[float], Request],
    parse_error: Callable[[Response], ErrorResponse] | None,
    attempts: int,
    budget: Budget,
    *,
    rules: RetryRules = SERVICE_RULES,
) -> Result:
    """Call a service, with up to ``attempts`` attempts, and return the last result.

    ``make_request`` returns the request of each attempt; it is called with its time, in seconds since 1970.
    ``parse_error`` returns the error response in a response other than 200; None if its codes do not matter. The wait
    for other calls, where their number is limited, does not count against the budget.
    """
    started = io.monotonic()
    async with io.service_call():
        budget.end_wait(started, 0.0)
        return await _call(io, make_request, parse_error, attempts, budget, rules=rules)


async def _call(
    io: Io,
    make_request: Callable[[float], Request],
    parse_error: Callable[[Response], ErrorResponse] | None,
    attempts: int,
    budget: Budget,
    *,
    rules: RetryRules,
) -> Result:
    result: Result = TransportFailure("timeout", "no time was left for it")
    skew = 0.0
    for attempt in range(attempts):
        left = budget.left()
        if left <= 0:
            break
        request = make_request(io.time() + skew)
        if left < request.timeout:
            request = request._replace(timeout=left)
        started = io.monotonic()
        result = await io.send(request)
        budget.end_wait(started, request.timeout)
        if attempt + 1 == attempts:
            break
        error = None
        if parse_error is not None and isinstance(result, Response) and result.status != 200:
            error = parse_error(result)
        if not skew and (skew := clock_skew(result, error, io.time())):
            log("calling", "warning", "the clock of this machine is %+.0f s off; the service's clock is used", -skew)
            continue
        delay = retry_delay(rules, result, error, attempt, io.jitter())
        if delay is None or delay >= budget.left():
            break
        started = io.monotonic()
        await io.sleep(delay)
        budget.end_wait(started, delay)
    return result


async def send_with_retries(io: Io, request: Request, retries: int, budget: Budget) -> Result:
    """Call a container or EC2 metadata service, with up to ``retries`` retries, and return the last result."""
    return await call_service(io, lambda _: request, None, 1 + retries, budget, rules=METADATA_RULES)


def retry_delay(
    rules: RetryRules, result: Result, error: ErrorResponse | None, attempt: int, jitter: float
) -> float | None:
    """Return the seconds before the next attempt; None if the failure is not transient. ``attempt`` counts from 0."""
    limit = rules.delay_limit(result, error)
    if limit is None:
        return None
    delay: float = jitter * min(rules.max_delay, limit * 2 ** min(attempt, 10))  # 2**10 is above every maximum already
    return max(delay, retry_after(result)) if isinstance(result, Response) else delay


def is_transient(result: Result, error: ErrorResponse | None) -> bool:
    """Return whether the same call of an AWS service may succeed later: it was busy, broken or unreachable."""
    return SERVICE_RULES.delay_limit(result, error) is not None


def retry_after(response: Response) -> float:
    """Return the ``Retry-After`` of a response, in seconds; 0 if there is none, or it is not a number of seconds."""
    text = response.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return float(text[:10]) if len(text) <= 10 else float("inf")  # ten digits are three centuries


def clock_skew(result: Result, error: ErrorResponse | None, now: float) -> float:
    """Return how many seconds the service's clock is ahead, if it rejected the call because of that; otherwise 0."""
    if error is None or error.code not in _CLOCK_SKEW_CODES or not isinstance(result, Response):
        return 0.0
    service_time = _date(result)
    return 0.0 if service_time is None or abs(service_time - now) < _MIN_CLOCK_SKEW else service_time - now


def _date(response: Response) -> float | None:
    match = _DATE.fullmatch(response.headers.get("date", "").strip())
    if match is None or match[2] not in _MONTHS or int(match[3]) not in _YEARS:
        return None
    day, month, year = int(match[1]), _MONTHS.index(match[2]) + 1, int(match[3])
    try:
        return datetime(year, month, day, int(match[4]), int(match[5]), int(match[6]), tzinfo=UTC).timestamp()
    except ValueError:
        return None
