"""Every deadline ends exactly on time, whatever the server does, and no connection stays open. In virtual time.

The providers are cached and have a clock, since only then virtual time applies to everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

import anycreds
from anycreds import (
    CachedProvider,
    Credentials,
    CredentialsError,
    MetadataUnreachableError,
    NoCredentialsError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds.testing import (
    CANARY,
    FakeAWS,
    Forever,
    Hang,
    MemoryNetwork,
    Script,
    Status,
    Step,
    VirtualClock,
    virtual_backend,
)
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.budget import Budget

pytestmark = pytest.mark.anyio

URL, HOST, IMDS = "http://127.0.0.1/credentials", "127.0.0.1", "169.254.169.254"
LIMIT = 64 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n"
DOCUMENT = b'{"AccessKeyId": "AKID", "SecretAccessKey": "%b", "Token": "%b", "Expiration": "2999-01-01T00:00:00Z"}'
DOCUMENT %= (CANARY.encode(), CANARY.encode())
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def ok(body: bytes = DOCUMENT) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


GOOD: list[bytes] = [ok(f"{CANARY}-token".encode()), ok(b"role"), ok()]


def good_after(seconds: float) -> list[Script]:
    """Return the three good responses of IMDS, each after so many seconds."""
    return [[("sleep", seconds), ("send", response)] for response in GOOD]


# What a server does that does not respond within a second.
TOO_SLOW: dict[str, list[Step]] = {
    "connect-ignored": [("ignore",)],
    "accepted-then-silent": [("hang",)],
    "silent-after-a-byte": [("send", b"H"), ("hang",)],
    "silent-after-half-a-head": [("send", HEAD), ("hang",)],
    "silent-after-the-head": [("send", HEAD + b"Content-Length: 9\r\n\r\n"), ("hang",)],
    "silent-after-half-a-body": [("send", ok()[:-20]), ("hang",)],
    "silent-before-the-last-chunk": [("send", CHUNKED + b"1\r\nx\r\n"), ("hang",)],
    "slow-header": [("send", HEAD + b"X: "), ("drip", b"x", 0.5, None)],
    "slow-header-lines": [("send", HEAD), ("drip", b"X: y\r\n", 0.3, None)],
    "slow-status-line": [("drip", b"H", 0.4, 1), ("drip", b"T", 0.4, 2), ("hang",)],
    "slow-body": [("send", HEAD + b"Content-Length: 999\r\n\r\n"), ("drip", b"x", 0.01, 999)],
    "slow-chunks": [("send", CHUNKED), ("drip", b"1\r\nx\r\n", 0.03, None)],
    "slow-chunk-size": [("send", CHUNKED), ("drip", b"0", 0.3, None)],
    "slow-trailers": [("send", CHUNKED + b"0\r\n"), ("drip", b"X: y\r\n", 0.07, None)],
    "slow-body-without-length": [("send", HEAD + b"\r\n"), ("drip", b" ", 0.2, None)],
    "informational-responses": [("drip", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.002, None)],
    "late-by-a-millisecond": [("sleep", 1.001), ("send", ok()), ("close",)],
    "closed-late": [("sleep", 30), ("close",)],
}


@pytest.fixture(autouse=True)
def metadata_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


async def timed(call: Callable[[], Awaitable[Credentials]]) -> tuple[Credentials | CredentialsError, float]:
    """Return what a call returns or raises, and how many virtual seconds it took."""
    started = anyio.current_time()
    try:
        outcome: Credentials | CredentialsError = await call()
    except CredentialsError as error:
        outcome = error
    return outcome, round(anyio.current_time() - started, 6)


def http(max_retries: int = 0, timeout: float = 1.0, jitter: float = 0.5) -> CachedProvider:
    clock = VirtualClock()
    clock.chance = jitter
    return anycreds.cached(anycreds.from_http(full_uri=URL, max_retries=max_retries, timeout=timeout), clock=clock)


def imds(max_retries: int = 0, timeout: float = 1.0, jitter: float = 0.5) -> CachedProvider:
    clock = VirtualClock()
    clock.chance = jitter
    made = anycreds.from_instance_metadata(max_retries=max_retries, timeout=timeout)
    return anycreds.cached(made, clock=clock)


def is_bounded(network: MemoryNetwork) -> bool:
    """Return whether all connections are closed, and none has read more than the limit of a body allows."""
    return network.open == 0 and all(one.bytes_read <= 7 * LIMIT for one in network.connections)


@pytest.mark.fault("U02", "U03", "U04", "U05")
async def test_container_request_times_out_after_a_second() -> None:
    """One exchange with a container ends after one second, and its connection is closed."""
    for name, script in TOO_SLOW.items():
        with MemoryNetwork() as network:
            network.script(HOST, 80, script)
            error, seconds = await timed(http())
        assert (type(error), seconds) == (ProviderTimeoutError, 1.0), name
        assert is_bounded(network), name
        assert [connection.closed_at for connection in network.connections] == [anyio.current_time()], name


@pytest.mark.fault("U02", "U03", "U04")
@pytest.mark.parametrize("number", range(3), ids=["token", "role", "credentials"])
async def test_each_imds_request_times_out_after_a_second(number: int) -> None:
    """Each of the three exchanges with IMDS has one second of its own, however long those before took."""
    for name, script in TOO_SLOW.items():
        before: list[Script] = [[("sleep", 0.9), ("send", GOOD[step])] for step in range(number)]
        if script[0] == ("ignore",) and number:
            before[-1] = [*before[-1], ("close",)]  # so that the next exchange connects again
        with MemoryNetwork() as network:
            network.script(IMDS, 80, *before, script)
            error, seconds = await timed(imds())
        assert type(error) is (ProviderTimeoutError if number else MetadataUnreachableError), name
        assert seconds == round(number * 0.9 + 1.0, 6), name
        assert is_bounded(network), name


async def test_response_just_in_time_is_used() -> None:
    """A response a millisecond before the timeout is used, of a container and of IMDS."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, [("sleep", 0.999), ("send", ok())])
        network.script(IMDS, 80, *good_after(0.999))
        assert [
            (type(credentials), seconds) for credentials, seconds in (await timed(http()), await timed(imds()))
        ] == [
            (Credentials, 0.999),
            (Credentials, 2.997),
        ]
    assert is_bounded(network)


@pytest.mark.fault("U09")
@pytest.mark.parametrize(
    ("retries", "jitter", "seconds", "attempts"),
    [
        (0, 0.5, 1.0, [0.0]),
        (1, 0.0, 2.0, [0.0, 1.0]),
        (1, 0.5, 2.0, [0.0, 1.05]),
        (3, 0.0, 4.0, [0.0, 1.0, 2.0, 3.0]),
        (3, 0.5, 4.0, [0.0, 1.05, 2.15, 3.35]),
        (3, 0.999, 4.0, [0.0, 1.0999, 2.2997, 3.6993]),
        (30, 0.999, 30.4865, None),  # 17 attempts and 16 backoffs; there is no time for another
    ],
    ids=["none", "one-soonest", "one", "three-soonest", "three", "three-latest", "thirty"],
)
async def test_retries_have_one_budget(
    retries: int, jitter: float, seconds: float, attempts: list[float] | None
) -> None:
    """Silence is retried after a backoff, and the whole takes at most attempts × timeout."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, [("hang",)], forever=True)
        started = anyio.current_time()
        error, took = await timed(http(retries, jitter=jitter))
        begins = [round(connection.at - started, 6) for connection in network.connections]
    assert (type(error), took) == (ProviderTimeoutError, seconds)
    assert attempts in (None, begins)
    assert is_bounded(network)


@pytest.mark.fault("U08", "U09")
@pytest.mark.parametrize(
    ("script", "seconds", "attempts"),
    [
        ([("refuse",)], 0.35, 4),
        ([("close",)], 0.35, 4),
        ([("reset",)], 0.35, 4),
        ([("send", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")], 0.35, 4),
        ([("sleep", 0.2), ("send", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")], 1.15, 4),
        ([("send", b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")], 3.0, 4),
        ([("send", b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n")], 2.0, 2),
        ([("send", b"HTTP/1.1 429 Slow\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n")], 0.0, 1),
        ([("send", b"HTTP/1.1 429 Slow\r\nRetry-After: 1000000000\r\nContent-Length: 0\r\n\r\n")], 0.0, 1),
        ([("send", b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")], 0.0, 1),
        ([("send", ok(b"null"))], 0.0, 1),
    ],
    ids=["refused", "closed", "reset", "503", "slow-500", "1-s", "2-s", "4-s", "1000000000-s", "403", "null"],
)
async def test_transient_failures_are_retried(script: Script, seconds: float, attempts: int) -> None:
    """Transient failures are retried after a backoff or after ``Retry-After``; others are not retried."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, script, forever=True)
        error, took = await timed(http(3))
    assert isinstance(error, RetrievalError)
    assert took == seconds
    attempted = sum(connection.requests or not connection.was_accepted for connection in network.connections)
    assert attempted == attempts
    assert is_bounded(network)


@pytest.mark.fault("U09")
async def test_imds_with_retries_has_one_budget() -> None:
    """Three exchanges of IMDS with two retries each have nine seconds together."""
    late: Script = [("sleep", 0.9), ("send", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")]
    with MemoryNetwork() as network:
        network.script(IMDS, 80, late, late, [("sleep", 0.9), ("send", GOOD[0])])
        network.script(IMDS, 80, late, late, [("sleep", 0.9), ("send", GOOD[1])])
        network.script(IMDS, 80, [("hang",)], forever=True)
        error, took = await timed(imds(2, jitter=0.999))
        # Twice 3 × 0.9 s and two backoffs of 0.1 and 0.2 × 0.999 s; the rest is for the third exchange.
        assert (type(error), took) == (ProviderTimeoutError, 9.0)
    assert is_bounded(network)


async def test_rejected_token_restarts_the_exchanges() -> None:
    """If IMDS rejects a cached token, the exchanges start again, with a second for each."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        network.script(IMDS, 80, *good_after(0.0))
        first = await provider()
        assert provider.invalidate(first)
        await anyio.sleep(2)
        rejection: Script = [("sleep", 0.9), ("send", b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")]
        network.script(IMDS, 80, [("sleep", 0.9), ("send", GOOD[1])], rejection, *good_after(0.9))
        _, took = await timed(provider)
    assert took == round(5 * 0.9, 6)
    assert is_bounded(network)


FLOODS: dict[str, list[Step]] = {
    "declared-too-large": [("send", HEAD + b"Content-Length: 1073741824\r\n\r\n"), ("drip", b"x" * LIMIT, 0, None)],
    "endless-chunks": [("send", CHUNKED), ("drip", b"10000\r\n" + b"x" * LIMIT + b"\r\n", 0, None)],
    "endless-small-chunks": [("send", CHUNKED), ("drip", b"1\r\nx\r\n" * 500, 0, None)],
    "endless-without-length": [("send", HEAD + b"\r\n"), ("drip", b"x" * 999, 0, None)],
    "endless-header": [("send", HEAD + b"X: "), ("drip", b"x" * 1024, 0, None)],
    "endless-headers": [("send", HEAD), ("drip", b"X: y\r\n" * 100, 0, None)],
    "endless-status-line": [("drip", b"H" * 1024, 0, None)],
    "endless-chunk-size": [("send", CHUNKED), ("drip", b"0" * 100, 0, None)],
    "endless-trailers": [("send", CHUNKED + b"0\r\n"), ("drip", b"X: y\r\n" * 100, 0, None)],
}


@pytest.mark.fault("U11", "U13")
async def test_endless_response_ends_at_its_limit() -> None:
    """An endless response is an error at once; the connection is closed, and little was read."""
    for name, script in FLOODS.items():
        with MemoryNetwork() as network:
            network.script(HOST, 80, script)
            error, seconds = await timed(http())
        assert isinstance(error, RetrievalError), name
        assert seconds == 0.0, name
        assert is_bounded(network), name


async def test_attempt_times_out_after_a_minute() -> None:
    """Whatever timeout a provider has, an attempt ends after 60 seconds, and its connection is closed."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, [("drip", b"H", 1.0, None)])
        error, seconds = await timed(http(timeout=1000.0))
    assert (type(error), seconds) == (ProviderTimeoutError, 60.0)
    assert is_bounded(network)


async def test_delay_of_an_attempt_does_not_count() -> None:
    """The second that a refresh waits before its attempt does not count against the 60 seconds."""
    with MemoryNetwork() as network:
        provider = http(timeout=1000.0)
        network.script(HOST, 80, [("send", ok()), ("close",)], [("hang",)])
        provider.invalidate(await provider())
        error, seconds = await timed(provider)
        assert network.connections[1].at == pytest.approx(network.connections[0].at + 1.0, abs=1e-6)
    assert (type(error), seconds) == (ProviderTimeoutError, 61.0)
    assert is_bounded(network)


async def test_failure_is_remembered_for_a_second() -> None:
    """Within a second of a failed attempt callers get that failure at once; then the source is called again."""
    with MemoryNetwork() as network:
        provider = http()
        network.script(HOST, 80, [("hang",)], [("send", ok())])
        assert (await timed(provider))[1] == 1.0
        await anyio.sleep(0.999)
        error, took = await timed(provider)
        assert (type(error), took) == (ProviderTimeoutError, 0.0)
        assert len(network.connections) == 1
        await anyio.sleep(0.001)
        assert (await timed(provider))[1] == 0.0
        assert len(network.connections) == 2
    assert is_bounded(network)


async def test_callers_wait_five_seconds_in_the_mandatory_window() -> None:
    """In the mandatory window each caller gets valid credentials after five seconds while the source is silent."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=400)
        network.serve(aws)
        made = anycreds.from_http(
            relative_uri="/v2/credentials/anycreds",
            authorization_token=aws.container_token,
            timeout=30,
            max_retries=0,
        )
        provider = anycreds.cached(made, clock=clock)
        first = await provider()
        await anyio.sleep(350)
        aws.script("container", Forever(Hang()))
        waits: list[float] = []

        async def call_after(seconds: float) -> None:
            await anyio.sleep(seconds)
            credentials, took = await timed(provider)
            assert credentials == first
            waits.append(took)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(call_after, number)
        assert aws.count() == 2
        assert waits == [5.0] * 20
        await anyio.sleep(380.5 - anyio.current_time())
        assert await timed(provider) == (first, 0.0)  # backing off after the failed refresh
        await anyio.sleep(400 - anyio.current_time())
        error, took = await timed(provider)  # nothing valid is cached, so the call waits for the exchange
        assert (type(error), took) == (ProviderTimeoutError, 30.0)
    assert is_bounded(network)


@pytest.mark.fault("C13")
async def test_callers_with_a_deadline_shorter_than_a_refresh() -> None:
    """Callers with a short deadline end on time, and the refresh continues: one call serves all others."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, latency=0.299)
        network.serve(aws)
        made = anycreds.from_http(relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token)
        provider = anycreds.cached(made, clock=clock)
        cancelled_after: list[float] = []
        returned_after: list[float] = []

        async def call_after(seconds: float) -> None:
            await anyio.sleep(seconds)
            with anyio.move_on_after(0.25) as scope:
                returned_after.append((await timed(provider))[1])
            if scope.cancelled_caught:
                cancelled_after.append(round(anyio.current_time() - seconds, 6))

        async with anyio.create_task_group() as tasks:
            for number in range(120):
                tasks.start_soon(call_after, number / 100)
        assert aws.count() == 1
        assert cancelled_after == [0.25] * 5  # the calls of the first 49 ms
        assert len(returned_after) == 115
        assert is_bounded(network)


async def test_chain_ends_with_its_last_timeout() -> None:
    """A chain without credentials ends after the second of EC2 metadata; its error has each duration."""
    with MemoryNetwork() as network:
        network.script(IMDS, 80, [("ignore",)])
        chain = anycreds.create_credential_chain(
            anycreds.from_env(), anycreds.from_container_metadata(), anycreds.from_instance_metadata()
        )
        error, seconds = await timed(anycreds.cached(chain, clock=VirtualClock()))
    assert isinstance(error, NoCredentialsError)
    assert [round(attempt.seconds, 6) for attempt in error.attempts] == [0.0, 0.0, seconds]
    assert seconds == 1.0
    assert is_bounded(network)


async def test_leaving_keep_fresh_cancels_a_refresh() -> None:
    """Leaving the block cancels a refresh that hangs, at once, with its connection."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=600)
        network.serve(aws)
        made = anycreds.from_http(
            relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token, timeout=50
        )
        async with anycreds.cached(made, clock=clock).keep_fresh() as handle:
            aws.script("container", Forever(Hang()))
            await anyio.sleep(330)
            assert handle.credentials.access_key_id == "ASIAFAKEFAKEFAKE0001"
            assert network.open == 1
            before = anyio.current_time()
        assert anyio.current_time() == before
        assert is_bounded(network)


async def test_keep_fresh_never_has_expired_credentials(budget: Budget) -> None:
    """Over hours of short lifetimes and frequent failures the handle never has expired credentials."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=900)
        network.serve(aws)
        made = anycreds.from_http(relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token)
        async with anycreds.cached(made, clock=clock).keep_fresh() as handle:
            for number in range(budget.count(4 * 60)):
                if number % 7 == 0:
                    aws.script("container", Status(500), Hang())
                await anyio.sleep(60)
                assert handle.credentials.expiration is not None
                assert handle.credentials.expiration.timestamp() > clock.time()
    assert is_bounded(network)


@pytest.mark.fault("C14")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_end_of_a_run_cancels_its_refresh(backend: str) -> None:
    """A program that ends while a refresh hangs ends at once, and the connection is closed."""
    network = MemoryNetwork()
    network.script(HOST, 80, [("hang",)])

    async def main() -> float:
        with anyio.move_on_after(0.5):
            await http()()
        assert network.open == 1
        return anyio.current_time()

    name, options = virtual_backend(backend)
    with network:
        assert anyio.run(main, backend=name, backend_options=options) == pytest.approx(0.5, abs=1e-3)
    assert network.open == 0
