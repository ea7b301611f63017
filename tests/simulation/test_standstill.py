"""A program that stands still for a while, as when its process is stopped, next to services that respond.

Virtual time passes without the event loop, so that responses and deadlines become due at the same moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import anyio
import pytest
import trio
import trio.testing

import anycreds
from anycreds import CachedProvider, ClientConfig, Credentials, CredentialsError, ProviderTimeoutError
from anycreds.testing import Delay, FakeAWS, MemoryNetwork, Script, Step, VirtualClock, VirtualLoop
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401

pytestmark = [pytest.mark.anyio, pytest.mark.fault("U24")]

URL, HOST, IMDS, STS = "http://127.0.0.1/credentials", "127.0.0.1", "169.254.169.254", "sts.example.com"
STANDSTILL = 6.5  # seconds: longer than each timeout below
LATENCY = 0.1  # seconds, of each response
DOCUMENT = b'{"AccessKeyId": "AKID", "SecretAccessKey": "s", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}'
HEAD = b"HTTP/1.1 200 OK\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600\r\n"


def ok(body: bytes) -> list[Step]:
    return [("sleep", LATENCY), ("send", HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))]


def container(timeout: float = 1.0) -> CachedProvider:
    made = anycreds.from_http(full_uri=URL, max_retries=0, timeout=timeout)
    return anycreds.cached(made, clock=VirtualClock())


def imds() -> CachedProvider:
    return anycreds.cached(anycreds.from_instance_metadata(), clock=VirtualClock())


def role(network: MemoryNetwork) -> CachedProvider:
    clock = VirtualClock()
    aws = FakeAWS(clock=clock)
    aws.script("assume role", Delay(LATENCY))
    network.serve(aws, STS)
    ((key, secret),) = aws.keys.items()
    made = anycreds.from_temporary_credentials(
        "arn:aws:iam::123456789012:role/Demo",
        source_credentials=anycreds.from_env(environ={"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}),
        client_config=ClientConfig(region="eu-west-1", endpoint_url=f"http://{STS}", max_attempts=1),
    )
    return anycreds.cached(made, clock=clock)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryNetwork]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    with MemoryNetwork() as network:
        yield network
    assert network.open == 0


def stand_still(seconds: float) -> None:
    """Let time pass without the event loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(seconds)
    else:
        assert isinstance(loop, VirtualLoop)
        loop._jump(seconds)


async def called(
    provider: CachedProvider, *moments: float, seconds: float = STANDSTILL
) -> tuple[Credentials | CredentialsError, float]:
    """Return the outcome of a call during which the program stands still at some moments, and when it ended."""
    started = anyio.current_time()
    outcomes = list[Credentials | CredentialsError]()

    async def call() -> None:
        try:
            outcomes.append(await provider())
        except CredentialsError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        for moment in moments:
            await anyio.sleep(max(0.0, started + moment - anyio.current_time()))
            stand_still(seconds)
        while not outcomes:  # noqa: ASYNC110 - the end of the call, not of its cleanup
            await anyio.sleep(0.001)
        return outcomes[0], round(anyio.current_time() - started, 2)
    raise AssertionError


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.099])
async def test_container_credentials_that_have_arrived_are_used(network: MemoryNetwork, moment: float) -> None:
    """Credentials of a container that arrived while the program stood still are used, whenever it stood still."""
    network.script(HOST, 80, ok(DOCUMENT))
    outcome, ended = await called(container(), moment)
    assert isinstance(outcome, Credentials)
    assert ended <= moment + STANDSTILL + LATENCY


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.15, 0.2, 0.25])
async def test_metadata_that_has_arrived_is_used(network: MemoryNetwork, moment: float) -> None:
    """Each of the responses of EC2 metadata is used, and the time of standing still is not that of the other ones."""
    network.script(IMDS, 80, ok(b"token"), ok(b"role"), ok(DOCUMENT))
    outcome, ended = await called(imds(), moment)
    assert isinstance(outcome, Credentials)
    assert ended <= STANDSTILL + 4 * LATENCY


async def test_program_may_stand_still_during_each_exchange(network: MemoryNetwork) -> None:
    """A program that stands still in each of three exchanges gets credentials."""
    network.script(IMDS, 80, ok(b"token"), ok(b"role"), ok(DOCUMENT))
    outcome, _ = await called(imds(), 0.05, STANDSTILL + 0.15, 2 * STANDSTILL + 0.25)
    assert isinstance(outcome, Credentials)


@pytest.mark.parametrize("moment", [0.0, 0.05])
async def test_response_of_a_service_that_has_arrived_is_used(network: MemoryNetwork, moment: float) -> None:
    """The same holds for a service that is called through an HTTP library."""
    outcome, _ = await called(role(network), moment)
    assert isinstance(outcome, Credentials)


async def test_deadline_of_an_attempt_is_late(network: MemoryNetwork) -> None:
    """An attempt that stood still for longer than a minute gets the response, too."""
    network.script(HOST, 80, ok(DOCUMENT))
    outcome, _ = await called(container(timeout=100.0), 0.05, seconds=200.0)
    assert isinstance(outcome, Credentials)


SILENT: dict[str, Script] = {
    "silent": [("hang",)],
    "drips": [("send", HEAD + b"X: "), ("drip", b"x", 0.3, None)],
    "drips fast": [("send", HEAD + b"Content-Length: 9999\r\n\r\n"), ("drip", b"x", 0.01, None)],
    "connect is not answered": [("ignore",)],
}


@pytest.mark.parametrize("name", SILENT)
async def test_late_deadline_is_extended_once(network: MemoryNetwork, name: str) -> None:
    """A server that is silent or slow gets one more timeout after the program stood still, and no other."""
    network.script(HOST, 80, SILENT[name])
    outcome, ended = await called(container(), 0.5)
    assert (type(outcome), ended) == (ProviderTimeoutError, 0.5 + STANDSTILL + 1.0)


async def test_second_late_deadline_is_the_end(network: MemoryNetwork) -> None:
    """Standing still again does not extend a deadline again."""
    network.script(HOST, 80, [("hang",)])
    outcome, ended = await called(container(), 0.5, 0.6 + STANDSTILL)
    assert (type(outcome), ended) == (ProviderTimeoutError, 0.6 + 2 * STANDSTILL)


async def test_short_standstill_extends_by_its_length(network: MemoryNetwork) -> None:
    """A deadline that is a little late is extended by as much."""
    network.script(HOST, 80, [("hang",)])
    outcome, ended = await called(container(), 0.9, seconds=0.3)
    assert (type(outcome), ended) == (ProviderTimeoutError, 0.9 + 0.3 + 0.2)


async def test_standing_still_before_the_deadline_extends_nothing(network: MemoryNetwork) -> None:
    """Time in which the program stood still counts, if the deadline comes later."""
    network.script(HOST, 80, [("hang",)])
    outcome, ended = await called(container(), 0.2, seconds=0.5)
    assert (type(outcome), ended) == (ProviderTimeoutError, 1.0)


async def test_retries_have_their_time_after_a_standstill(network: MemoryNetwork) -> None:
    """Time in which the program stood still does not count against the budget of the retries."""
    busy: list[Step] = [("sleep", LATENCY), ("send", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), ("close",)]
    for moment in (0.05, 0.12, 0.14):  # during the exchange, and during the delay after it
        network.script(HOST, 80, busy, ok(DOCUMENT))
        made = anycreds.from_http(full_uri=URL, max_retries=1)
        outcome, _ = await called(anycreds.cached(made, clock=VirtualClock()), moment)
        assert isinstance(outcome, Credentials), moment
