"""Network faults of the container endpoint end in time, in the right error, and leave no connection."""

from __future__ import annotations

import socket
import time

import anyio
import pytest

import anycreds
from anycreds import CredentialsError, MalformedResponseError, ProviderTimeoutError, RetrievalError
from anycreds.testing import (
    CANARY,
    Body,
    Delay,
    Drip,
    FakeAWS,
    Fault,
    Flood,
    Forever,
    Gzip,
    HalfBody,
    Hang,
    Raw,
    Redirect,
    ResetAfter,
    Status,
)
from support.coroutine_stepper import stepped
from support.raw_http_server import closed, ok, serving

pytestmark = pytest.mark.anyio

TIMEOUT = 0.1
# seconds that an attempt may take beyond its timeout on a busy machine.
SLACK = 5.0
LONG_TIMEOUT = 10.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: "
DOCUMENT = b'{"AccessKeyId": "AKID", "SecretAccessKey": "' + CANARY.encode() + b'-secret"}'


def provider_for(aws: FakeAWS, timeout: float = TIMEOUT, max_retries: int = 0) -> anycreds.Provider:
    """Return a provider that calls this fake."""
    return anycreds.from_http(
        full_uri=aws.container_url,
        authorization_token=aws.container_token,
        timeout=timeout,
        max_retries=max_retries,
    )


FAULTS: list[tuple[str, Fault, type[CredentialsError], str]] = [
    ("silent", Hang(), ProviderTimeoutError, "no response within"),
    ("silent after the head", Drip(b"", 60.0), ProviderTimeoutError, "no response within"),
    ("late", Delay(60.0), ProviderTimeoutError, "no response within"),
    ("body drips", Drip(b"{", 0.01), ProviderTimeoutError, "no response within"),
    ("half a body", HalfBody(), MalformedResponseError, "RemoteProtocolError"),
    ("endless body", Flood(), MalformedResponseError, "more than 65536 bytes"),
    ("declared too large", Flood(1 << 30), MalformedResponseError, "1073741824 bytes; at most 65536"),
    ("one byte too large", Flood((64 << 10) + 1), MalformedResponseError, "65537 bytes; at most 65536"),
    ("large as allowed", Flood(64 << 10), MalformedResponseError, "not JSON"),
    ("compressed", Gzip(), MalformedResponseError, "is compressed"),
    ("redirect", Redirect("http://127.0.0.1:9/"), RetrievalError, "redirects are not followed"),
    ("redirect permanently", Redirect("/elsewhere", 308), RetrievalError, "redirects are not followed"),
    ("not modified", Status(304), RetrievalError, "304"),
    ("forbidden", Status(403, b'{"message": "no"}'), RetrievalError, "403"),
    ("server error", Status(500), RetrievalError, "500"),
    ("web page", Body(b"<html>log in</html>"), MalformedResponseError, "captive portal"),
    ("closed at once", Raw(b""), MalformedResponseError, "RemoteProtocolError"),
    ("no HTTP", Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), MalformedResponseError, "RemoteProtocolError"),
    ("zeros", Raw(bytes(4096)), MalformedResponseError, "RemoteProtocolError"),
    ("TLS alert", Raw(b"\x15\x03\x01\x00\x02\x02\x46"), MalformedResponseError, "RemoteProtocolError"),
    ("status line only", Raw(b"HTTP/1.1 200 OK\r\n"), MalformedResponseError, "RemoteProtocolError"),
    ("status of four digits", Raw(b"HTTP/1.1 2000 OK\r\n\r\n"), MalformedResponseError, "RemoteProtocolError"),
    ("HTTP/9", Raw(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}"), CredentialsError, ""),
    ("HTTP/0.9", Raw(DOCUMENT), MalformedResponseError, "RemoteProtocolError"),
    ("bad chunk", Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), MalformedResponseError, ""),
    ("unknown coding", Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n"), MalformedResponseError, ""),
    ("two lengths", Raw(HEAD + b"2\r\nContent-Length: 3\r\n\r\n{}"), MalformedResponseError, "RemoteProtocolError"),
    ("negative length", Raw(HEAD + b"-1\r\n\r\n"), MalformedResponseError, "RemoteProtocolError"),
    ("length of 30 digits", Raw(HEAD + b"9" * 30 + b"\r\n\r\n"), MalformedResponseError, ""),
    ("length of 20 digits", Raw(HEAD + b"9" * 20 + b"\r\n\r\n"), MalformedResponseError, "at most 65536"),
    ("long header", Raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20)), MalformedResponseError, "RemoteProtocolError"),
    ("many headers", Raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000), MalformedResponseError, ""),
    ("endless 1xx", Raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 500), MalformedResponseError, "RemoteProtocolError"),
    ("switching", Raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), MalformedResponseError, "RemoteProtocolError"),
    ("NUL in a header", Raw(b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 0\r\n\r\n"), MalformedResponseError, ""),
    ("empty", Raw(HEAD + b"0\r\n\r\n"), MalformedResponseError, "is empty"),
    ("no content", Raw(b"HTTP/1.1 204 No Content\r\n\r\n"), RetrievalError, "204"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), [pytest.param(*rest, id=name) for name, *rest in FAULTS])
async def test_fault(fault: Fault, kind: type[CredentialsError], text: str) -> None:
    """A fault ends within its timeout in the right error and leaves no connection; the next call succeeds."""
    async with FakeAWS() as aws:
        aws.script("container", fault)
        # A server that responds must not time out on a busy machine.
        timeout = TIMEOUT if kind is ProviderTimeoutError else LONG_TIMEOUT
        started = time.monotonic()
        with pytest.raises(kind) as caught:
            await provider_for(aws, timeout=timeout)()
        assert time.monotonic() - started < timeout + SLACK
        assert text in str(caught.value)
        assert str(caught.value).startswith("container credentials: ")
        assert "/v2/" not in str(caught.value)
        assert await closed(aws)
        assert aws.connections == 1
        assert (await provider_for(aws, timeout=5.0)()).access_key_id.startswith("ASIA")


@pytest.mark.parametrize("count", [0, 1, 9, 17, 40, 120, 200, 400, 1000])
async def test_reset_after_some_bytes(count: int) -> None:
    """A connection that is reset at any byte causes a ``RetrievalError``."""
    async with FakeAWS() as aws:
        aws.script("container", ResetAfter(count))
        with pytest.raises(RetrievalError) as caught:
            await provider_for(aws, timeout=2.0)()
        assert not isinstance(caught.value, ProviderTimeoutError)
        assert await closed(aws)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + DOCUMENT,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DOCUMENT,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(DOCUMENT),
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % byte for byte in DOCUMENT)
        + b"0\r\nTrailer: x\r\n\r\n",
        ok(DOCUMENT, "Content-Encoding: identity", "Content-Type: text/html"),
        ok(DOCUMENT, "X-Odd: caf\xe9"),
    ],
    ids=["HTTP/1.0", "until the close", "1xx before", "chunks of one byte", "odd headers", "latin-1 header"],
)
async def test_unusual_but_valid_responses(response: bytes) -> None:
    """Unusual responses that HTTP allows are understood."""
    async with FakeAWS() as aws:
        aws.script("container", Raw(response))
        assert (await provider_for(aws, timeout=2.0)()).access_key_id == "AKID"


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


async def test_connection_timeout() -> None:
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
        started = time.monotonic()
        with pytest.raises(RetrievalError):
            await provider()
        assert time.monotonic() - started < TIMEOUT + SLACK


async def test_slow_response_head() -> None:
    """A server that sends its response head byte by byte, without end, ends at the total timeout."""
    done = anyio.Event()

    async def drip(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.send(b"H" if not done.is_set() else b"")
                    await anyio.sleep(0.01)
            except anyio.BrokenResourceError:
                done.set()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, drip)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        started = time.monotonic()
        with pytest.raises(CredentialsError):
            await anycreds.from_http(full_uri=f"http://127.0.0.1:{port}/", timeout=TIMEOUT, max_retries=0)()
        assert time.monotonic() - started < TIMEOUT + SLACK
        with anyio.fail_after(5):
            await done.wait()
        tasks.cancel_scope.cancel()


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
        with anyio.fail_after(5):
            await gone.wait()
        tasks.cancel_scope.cancel()
    assert sent < 16 << 20  # the size of the system's socket buffers


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(code: int) -> None:
    """The target of a redirect gets no request, on the same server or another."""
    async with FakeAWS() as aws, serving(ok()) as other:
        provider = provider_for(aws, timeout=2.0)
        for target in (f"http://127.0.0.1:{other.port}/", aws.metadata_url + "/other", "//127.0.0.1:9/"):
            aws.script("container", Redirect(target, code))
            with pytest.raises(RetrievalError, match=f"status {code}, a redirect"):
                await provider()
        assert other.connections == 0
        assert aws.count("other") == 0
        assert aws.connections == 3


async def test_retries_end_with_the_total_time() -> None:
    """Three retries of a failing service take at most four timeouts, including pauses."""
    async with FakeAWS() as aws:
        aws.script("container", Forever(Status(503)))
        started = time.monotonic()
        with pytest.raises(RetrievalError, match="503"):
            await provider_for(aws, max_retries=3)()
        assert time.monotonic() - started < 4 * TIMEOUT + SLACK
        assert 2 <= aws.count("container") <= 4
        assert await closed(aws)


async def test_retry_uses_the_same_connection() -> None:
    """All retries of an attempt use one connection, which is closed afterwards."""
    async with FakeAWS() as aws:
        aws.script("container", Status(500), Status(503))
        await provider_for(aws, timeout=2.0, max_retries=3)()
        assert aws.count("container") == 3
        assert aws.connections == 1
        assert await closed(aws)


async def test_cancelled_at_each_await() -> None:
    """Cancelled at any await, a call leaves no connection and no task, and the next call succeeds."""
    async with FakeAWS() as aws:
        provider = provider_for(aws, timeout=5.0)
        step = 0
        while await cancelled_at(provider, step):
            step += 1
            assert await closed(aws)
            if step % 4 == 0:
                assert (await provider()).access_key_id.startswith("ASIA")
        assert step > 3


async def cancelled_at(provider: anycreds.Provider, step: int) -> bool:
    """Cancel a call before the given step. Return whether the call reached it."""
    got: anycreds.Credentials | None = None
    reached = False
    with anyio.CancelScope() as scope:

        def cancel(number: int) -> None:
            nonlocal reached
            if number == step:
                reached = True
                scope.cancel()

        got = await stepped(provider(), cancel)
    assert reached or got is not None
    return reached
