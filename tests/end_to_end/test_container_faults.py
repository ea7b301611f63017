"""Network faults of the container endpoint end in the right error, and leave no connection."""

from __future__ import annotations

import socket

import anyio
import pytest

import anycreds
from anycreds import CredentialsError, MalformedResponseError, ProviderTimeoutError, RetrievalError
from anycreds.testing import CANARY, FakeAWS, Raw, Redirect, ResetAfter
from support.coroutine_stepper import reaches_step
from support.http_faults import HTTP_FAULTS, Outcome, faults_with
from support.raw_http_server import closed, ok, serving
from support.rows import row

pytestmark = pytest.mark.anyio

TIMEOUT = 0.1
LONG_TIMEOUT = 10.0
DOCUMENT = b'{"AccessKeyId": "AKID", "SecretAccessKey": "' + CANARY.encode() + b'-secret"}'


def provider_for(aws: FakeAWS, timeout: float = TIMEOUT, max_retries: int = 0) -> anycreds.Provider:
    """Return a provider that calls this fake."""
    return anycreds.from_http(
        full_uri=aws.container_url,
        authorization_token=aws.container_token,
        timeout=timeout,
        max_retries=max_retries,
    )


ERRORS: dict[Outcome, tuple[type[CredentialsError], str]] = {
    "timeout": (ProviderTimeoutError, "timed out"),
    "broken": (MalformedResponseError, "got no valid response"),
    "too large": (MalformedResponseError, "got no valid response"),
    "status": (RetrievalError, "failed with status"),
    "malformed": (MalformedResponseError, "the response"),
}


@pytest.mark.fault("U10")
@pytest.mark.parametrize("outcome", ERRORS)
async def test_fault_ends_in_its_error(outcome: Outcome, anyio_backend_name: str) -> None:
    """Each fault ends in the right error and leaves no connection, and the next call succeeds.

    All faults are played on asyncio, and some on trio.
    """
    kind, text = ERRORS[outcome]
    # A server that responds must not time out on a busy machine.
    timeout = TIMEOUT if kind is ProviderTimeoutError else LONG_TIMEOUT
    names = faults_with(outcome, None if anyio_backend_name == "asyncio" else 2)
    async with FakeAWS() as aws:
        for number, name in enumerate(names, 1):
            with row(name):
                aws.script("container", HTTP_FAULTS[name].fault)
                with pytest.raises(CredentialsError) as caught:
                    await provider_for(aws, timeout=timeout)()
                message = str(caught.value)
                assert type(caught.value) is kind
                assert text in message
                assert HTTP_FAULTS[name].text in message
                assert message.startswith("container credentials: ")
                assert "/v2/" not in message
                assert await closed(aws)
                assert aws.connections == number
        assert (await provider_for(aws, timeout=5.0)()).access_key_id.startswith("ASIA")


async def test_connection_reset_at_any_byte_is_an_error() -> None:
    """A connection that is reset after any number of bytes causes a ``RetrievalError``."""
    async with FakeAWS() as aws:
        for count in (0, 1, 9, 17, 40, 120, 200, 400, 1000):
            with row(f"{count} bytes"):
                aws.script("container", ResetAfter(count))
                with pytest.raises(RetrievalError) as caught:
                    await provider_for(aws, timeout=LONG_TIMEOUT)()
                assert not isinstance(caught.value, ProviderTimeoutError)
                assert await closed(aws)


UNUSUAL = {
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + DOCUMENT,
    "until the close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DOCUMENT,
    "1xx before": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(DOCUMENT),
    "chunks of one byte": b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"".join(b"1\r\n%c\r\n" % byte for byte in DOCUMENT)
    + b"0\r\nTrailer: x\r\n\r\n",
    "odd headers": ok(DOCUMENT, "Content-Encoding: identity", "Content-Type: text/html"),
    "latin-1 header": ok(DOCUMENT, "X-Odd: caf\xe9"),
}


@pytest.mark.fault("U10")
async def test_unusual_but_valid_responses_are_understood() -> None:
    """Unusual responses that HTTP allows are understood."""
    async with FakeAWS() as aws:
        for name, response in UNUSUAL.items():
            with row(name):
                aws.script("container", Raw(response))
                assert (await provider_for(aws, timeout=LONG_TIMEOUT)()).access_key_id == "AKID"


@pytest.mark.fault("U01")
async def test_connection_refused_says_so() -> None:
    """A refused connection is an error at once, with the system's reason and the setting."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening
        provider = anycreds.from_http(
            full_uri=f"http://127.0.0.1:{unused.getsockname()[1]}/", max_retries=0, timeout=2.0
        )
        with pytest.raises(
            RetrievalError, match=r"option full_uri\) could not connect to the endpoint: Connection refused"
        ):
            await provider()


async def test_connection_that_hangs_times_out() -> None:
    """A connection attempt that hangs ends at the timeout."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        provider = anycreds.from_http(
            full_uri=f"http://127.0.0.1:{full.getsockname()[1]}/", max_retries=0, timeout=TIMEOUT
        )
        with pytest.raises(RetrievalError):
            await provider()


@pytest.mark.fault("U11")
async def test_endless_body_is_cut_off() -> None:
    """No more of an endless body is read than the limit and one chunk."""
    sent = 0
    gone = anyio.Event()

    async def flood(stream: anyio.abc.ByteStream) -> None:
        nonlocal sent
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    await stream.send(b"x" * 16384)
                    sent += 16384
            except anyio.BrokenResourceError:
                gone.set()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, flood)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(MalformedResponseError, match="more than 65536"):
            await anycreds.from_http(full_uri=f"http://127.0.0.1:{port}/", timeout=2.0, max_retries=0)()
        await gone.wait()
        tasks.cancel_scope.cancel()
    assert sent < 16 << 20  # the size of the system's socket buffers


@pytest.mark.fault("U25")
async def test_redirect_is_not_followed() -> None:
    """The target of a redirect gets no request, on the same server or another."""
    async with FakeAWS() as aws, serving(ok()) as other:
        provider = provider_for(aws, timeout=LONG_TIMEOUT)
        for code in (301, 302, 303, 307, 308):
            for target in (f"http://127.0.0.1:{other.port}/", aws.metadata_url + "/other", "//127.0.0.1:9/"):
                aws.script("container", Redirect(target, code))
                with row(f"{code} to {target}"), pytest.raises(RetrievalError, match=f"status {code}, a redirect"):
                    await provider()
        assert other.connections == 0
        assert aws.count("other") == 0
        assert aws.connections == 15


@pytest.mark.realtime
async def test_cancelled_at_each_await() -> None:
    """Cancelled at any await, a call leaves no connection and no task, and the next call succeeds."""
    async with FakeAWS() as aws:
        provider = provider_for(aws, timeout=5.0)
        step = 0
        while await reaches_step(provider(), step):
            step += 1
            assert await closed(aws)
            if step % 4 == 0:
                assert (await provider()).access_key_id.startswith("ASIA")
        assert step > 1  # it waits for the response
