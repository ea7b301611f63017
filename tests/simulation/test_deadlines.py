"""Every deadline ends at its exact second, whatever the other side does, and nothing is left open. In virtual time.

The providers are cached ones with a clock, since only so all that they do is timed by it.
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

pytestmark = pytest.mark.anyio

URL, HOST, IMDS = "http://127.0.0.1/set", "127.0.0.1", "169.254.169.254"
LIMIT = 64 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n"
SET = b'{"AccessKeyId": "AKID", "SecretAccessKey": "%b", "Token": "%b", "Expiration": "2999-01-01T00:00:00Z"}'
SET %= (CANARY.encode(), CANARY.encode())
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def ok(body: bytes = SET) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


GOOD: list[bytes] = [ok(f"{CANARY}-token".encode()), ok(b"role"), ok()]


def after(seconds: float) -> list[Script]:
    """Return the three good answers of IMDS, each after so many seconds."""
    return [[("sleep", seconds), ("send", answer)] for answer in GOOD]


# Whatever this is, it brings no answer within a second.
TOO_SLOW: dict[str, list[Step]] = {
    "connect is not answered": [("ignore",)],
    "accepted, then silent": [("hang",)],
    "silent after a byte": [("send", b"H"), ("hang",)],
    "silent after half a head": [("send", HEAD), ("hang",)],
    "silent after the head": [("send", HEAD + b"Content-Length: 9\r\n\r\n"), ("hang",)],
    "silent after half a body": [("send", ok()[:-20]), ("hang",)],
    "silent before the last chunk": [("send", CHUNKED + b"1\r\nx\r\n"), ("hang",)],
    "head drips": [("send", HEAD + b"X: "), ("drip", b"x", 0.5, None)],
    "head drips lines": [("send", HEAD), ("drip", b"X: y\r\n", 0.3, None)],
    "status line drips": [("drip", b"H", 0.4, 1), ("drip", b"T", 0.4, 2), ("hang",)],
    "body drips": [("send", HEAD + b"Content-Length: 999\r\n\r\n"), ("drip", b"x", 0.01, 999)],
    "chunks drip": [("send", CHUNKED), ("drip", b"1\r\nx\r\n", 0.03, None)],
    "size of a chunk drips": [("send", CHUNKED), ("drip", b"0", 0.3, None)],
    "trailers drip": [("send", CHUNKED + b"0\r\n"), ("drip", b"X: y\r\n", 0.07, None)],
    "body without a length drips": [("send", HEAD + b"\r\n"), ("drip", b" ", 0.2, None)],
    "informational answers": [("drip", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.002, None)],
    "a little late": [("sleep", 1.001), ("send", ok()), ("close",)],
    "silent end": [("sleep", 30), ("close",)],
}


@pytest.fixture(autouse=True)
def metadata_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


async def timed(ask: Callable[[], Awaitable[Credentials]]) -> tuple[Credentials | CredentialsError, float]:
    """Return what comes of it, and how many virtual seconds it took."""
    begun = anyio.current_time()
    try:
        outcome: Credentials | CredentialsError = await ask()
    except CredentialsError as error:
        outcome = error
    return outcome, round(anyio.current_time() - begun, 6)


def http(max_retries: int = 0, timeout: float = 1.0, chance: float = 0.5) -> CachedProvider:
    clock = VirtualClock()
    clock.chance = chance
    return anycreds.cached(anycreds.from_http(full_uri=URL, max_retries=max_retries, timeout=timeout), clock=clock)


def imds(max_retries: int = 0, timeout: float = 1.0, chance: float = 0.5) -> CachedProvider:
    clock = VirtualClock()
    clock.chance = chance
    made = anycreds.from_instance_metadata(max_retries=max_retries, timeout=timeout)
    return anycreds.cached(made, clock=clock)


def is_bounded(network: MemoryNetwork) -> bool:
    """Tell whether all is closed, and no more was read than the limit of a body: each byte may be six on the wire."""
    return network.open == 0 and all(one.bytes_read <= 7 * LIMIT for one in network.connections)


@pytest.mark.parametrize("script", TOO_SLOW.values(), ids=TOO_SLOW.keys())
async def test_a_container_has_its_second(script: Script) -> None:
    """One exchange with a container ends after one second, and its connection with it."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, script)
        error, seconds = await timed(http())
    assert (type(error), seconds) == (ProviderTimeoutError, 1.0)
    assert is_bounded(network)
    assert [connection.closed_at for connection in network.connections] == [anyio.current_time()]


@pytest.mark.parametrize("number", range(3), ids=["token", "role", "set"])
@pytest.mark.parametrize("script", TOO_SLOW.values(), ids=TOO_SLOW.keys())
async def test_each_exchange_with_imds_has_its_second(script: Script, number: int) -> None:
    """Each of the three exchanges with IMDS ends after one second of its own, however slow those before were."""
    before: list[Script] = [[("sleep", 0.9), ("send", GOOD[step])] for step in range(number)]
    if script[0] == ("ignore",) and number:
        before[-1] = [*before[-1], ("close",)]  # or else there would be no new attempt to connect
    with MemoryNetwork() as network:
        network.script(IMDS, 80, *before, script)
        error, seconds = await timed(imds())
    assert type(error) is (ProviderTimeoutError if number else MetadataUnreachableError)
    assert seconds == round(number * 0.9 + 1.0, 6)
    assert is_bounded(network)


async def test_an_answer_in_the_last_moment_counts() -> None:
    """What comes a thousandth before the end is taken: by a container once, by IMDS three times."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, [("sleep", 0.999), ("send", ok())])
        network.script(IMDS, 80, *after(0.999))
        assert [(type(found), seconds) for found, seconds in (await timed(http()), await timed(imds()))] == [
            (Credentials, 0.999),
            (Credentials, 2.997),
        ]
    assert is_bounded(network)


@pytest.mark.parametrize(
    ("retries", "chance", "seconds", "attempts"),
    [
        (0, 0.5, 1.0, [0.0]),
        (1, 0.0, 2.0, [0.0, 1.0]),
        (1, 0.5, 2.0, [0.0, 1.05]),
        (3, 0.0, 4.0, [0.0, 1.0, 2.0, 3.0]),
        (3, 0.5, 4.0, [0.0, 1.05, 2.15, 3.35]),
        (3, 0.999, 4.0, [0.0, 1.0999, 2.2997, 3.6993]),
        (30, 0.999, 30.4865, None),  # 17 tries and 16 pauses; there is no time for another pause
    ],
)
async def test_retries_have_their_seconds(
    retries: int, chance: float, seconds: float, attempts: list[float] | None
) -> None:
    """Silence is asked again after a pause, and the whole never takes longer than tries × timeout, to the second."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, [("hang",)], forever=True)
        begun = anyio.current_time()
        error, took = await timed(http(retries, chance=chance))
        begins = [round(connection.at - begun, 6) for connection in network.connections]
    assert (type(error), took) == (ProviderTimeoutError, seconds)
    assert attempts in (None, begins)
    assert is_bounded(network)


@pytest.mark.parametrize(
    ("script", "seconds", "tries"),
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
)
async def test_what_fails_at_once_is_asked_again_after_pauses(script: Script, seconds: float, tries: int) -> None:
    """Passing failures are asked again after the pauses that are due, or asked for; others are not asked again."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, script, forever=True)
        error, took = await timed(http(3))
    assert isinstance(error, RetrievalError)
    assert took == seconds
    tried = sum(connection.requests or not connection.was_accepted for connection in network.connections)
    assert tried == tries
    assert is_bounded(network)


async def test_imds_with_retries_has_one_budget() -> None:
    """Three exchanges of IMDS with two retries each have nine seconds together, whichever of them uses them."""
    late: Script = [("sleep", 0.9), ("send", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")]
    with MemoryNetwork() as network:
        network.script(IMDS, 80, late, late, [("sleep", 0.9), ("send", GOOD[0])])
        network.script(IMDS, 80, late, late, [("sleep", 0.9), ("send", GOOD[1])])
        network.script(IMDS, 80, [("hang",)], forever=True)
        error, took = await timed(imds(2, chance=0.999))
        # twice 3 × 0.9 and two pauses of 0.1 and 0.2 × 0.999; then what is left for the third
        assert (type(error), took) == (ProviderTimeoutError, 9.0)
    assert is_bounded(network)


async def test_a_refused_token_gets_more_time() -> None:
    """If a kept token is refused the exchanges begin anew, with a second for each, and none beyond that."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        network.script(IMDS, 80, *after(0.0))
        first = await provider()
        assert provider.invalidate(first)
        await anyio.sleep(2)
        refused: Script = [("sleep", 0.9), ("send", b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")]
        network.script(IMDS, 80, [("sleep", 0.9), ("send", GOOD[1])], refused, *after(0.9))
        _, took = await timed(provider)
    assert took == round(5 * 0.9, 6)
    assert is_bounded(network)


FLOODS: dict[str, list[Step]] = {
    "declared too large": [("send", HEAD + b"Content-Length: 1073741824\r\n\r\n"), ("drip", b"x" * LIMIT, 0, None)],
    "endless chunks": [("send", CHUNKED), ("drip", b"10000\r\n" + b"x" * LIMIT + b"\r\n", 0, None)],
    "endless small chunks": [("send", CHUNKED), ("drip", b"1\r\nx\r\n" * 500, 0, None)],
    "endless without a length": [("send", HEAD + b"\r\n"), ("drip", b"x" * 999, 0, None)],
    "endless header": [("send", HEAD + b"X: "), ("drip", b"x" * 1024, 0, None)],
    "endless headers": [("send", HEAD), ("drip", b"X: y\r\n" * 100, 0, None)],
    "endless status line": [("drip", b"H" * 1024, 0, None)],
    "endless size of a chunk": [("send", CHUNKED), ("drip", b"0" * 100, 0, None)],
    "endless trailers": [("send", CHUNKED + b"0\r\n"), ("drip", b"X: y\r\n" * 100, 0, None)],
}


@pytest.mark.parametrize("script", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_ends_at_its_limit(script: Script) -> None:
    """What never ends, as fast as can be read, is an error at once; the connection is closed, and little was read."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, script)
        error, seconds = await timed(http())
    assert isinstance(error, RetrievalError)
    assert seconds == 0.0
    assert is_bounded(network)


async def test_a_flight_has_a_minute() -> None:
    """However patient a provider is told to be, its flight ends after 60 seconds, and its connection with it."""
    with MemoryNetwork() as network:
        network.script(HOST, 80, [("drip", b"H", 1.0, None)])
        error, seconds = await timed(http(timeout=1000.0))
    assert (type(error), seconds) == (ProviderTimeoutError, 60.0)
    assert is_bounded(network)


async def test_a_flight_that_had_to_wait_has_its_minute_too() -> None:
    """The second that a flight waits for its turn does not count against its 60."""
    with MemoryNetwork() as network:
        provider = http(timeout=1000.0)
        network.script(HOST, 80, [("send", ok()), ("close",)], [("hang",)])
        provider.invalidate(await provider())
        error, seconds = await timed(provider)
        assert network.connections[1].at == pytest.approx(network.connections[0].at + 1.0, abs=1e-6)
    assert (type(error), seconds) == (ProviderTimeoutError, 61.0)
    assert is_bounded(network)


async def test_a_failure_stands_for_a_second() -> None:
    """Within a second of a failed attempt everybody gets that failure, at once; then the source is asked again."""
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


async def test_patience_ends_after_five_seconds() -> None:
    """Near its end a set is served to everybody five seconds after they asked, while its source keeps silent."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=400)
        network.serve(aws)
        made = anycreds.from_http(
            relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token, timeout=30, max_retries=0
        )
        provider = anycreds.cached(made, clock=clock)
        first = await provider()
        await anyio.sleep(350)
        aws.script("container", Forever(Hang()))
        waits: list[float] = []

        async def ask_after(seconds: float) -> None:
            await anyio.sleep(seconds)
            found, took = await timed(provider)
            assert found == first
            waits.append(took)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(ask_after, number)
        assert aws.count() == 2
        assert waits == [5.0] * 20
        await anyio.sleep(380.5 - anyio.current_time())
        assert await timed(provider) == (first, 0.0)  # the flight has just failed: the source is not asked again yet
        await anyio.sleep(400 - anyio.current_time())
        error, took = await timed(provider)  # now there is nothing to serve, so it is the whole exchange
        assert (type(error), took) == (ProviderTimeoutError, 30.0)
    assert is_bounded(network)


async def test_callers_with_less_time_than_a_refresh() -> None:
    """Callers who can wait for less than a refresh takes leave on the dot, and it goes on: one call serves the rest."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, latency=0.299)
        network.serve(aws)
        made = anycreds.from_http(relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token)
        provider = anycreds.cached(made, clock=clock)
        gave_up: list[float] = []
        served: list[float] = []

        async def ask_after(seconds: float) -> None:
            await anyio.sleep(seconds)
            with anyio.move_on_after(0.25) as scope:
                served.append((await timed(provider))[1])
            if scope.cancelled_caught:
                gave_up.append(round(anyio.current_time() - seconds, 6))

        async with anyio.create_task_group() as tasks:
            for number in range(120):
                tasks.start_soon(ask_after, number / 100)
        assert aws.count() == 1
        assert gave_up == [0.25] * 5  # those who came in the first 49 ms
        assert len(served) == 115
        assert is_bounded(network)


async def test_a_chain_ends_with_its_last_deadline() -> None:
    """A chain without any credentials says so after the second of EC2 metadata, and how long each provider took."""
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


async def test_leaving_keep_fresh_waits_for_nothing() -> None:
    """Leaving the block ends a refresh that hangs, in no time, with its connection."""
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
            left = anyio.current_time()
        assert anyio.current_time() == left
        assert is_bounded(network)


async def test_keep_fresh_is_never_late() -> None:
    """Over a day of short lives and a service that often fails, nobody who reads the handle sees an ended set."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=900)
        network.serve(aws)
        made = anycreds.from_http(relative_uri="/v2/credentials/anycreds", authorization_token=aws.container_token)
        async with anycreds.cached(made, clock=clock).keep_fresh() as handle:
            for number in range(24 * 60):
                if number % 7 == 0:
                    aws.script("container", Status(500), Hang())
                await anyio.sleep(60)
                assert handle.credentials.expiration is not None
                assert handle.credentials.expiration.timestamp() > clock.time()
    assert is_bounded(network)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_end_of_a_run_is_the_end_of_its_flight(backend: str) -> None:
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
