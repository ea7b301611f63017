"""Expired sessions: the credentials are invalidated, and a request that can be sent again is sent once more."""

from __future__ import annotations

import gc
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute

from adapters.httpx.service import (
    NO_RESPONSE,
    REGION,
    CannedResponse,
    FastClock,
    Library,
    ReceivedRequest,
    Service,
    Source,
    always,
    each_library,
    keys,
    serving,
    xml_error,
)
from anycreds import CachedProvider, RetrievalError, cached
from support.event_loops import each_loop

pytestmark = pytest.mark.anyio

OLD, NEW = keys(1), keys(2)
MAX_BODY = 64 * 1024


def auth_for(library: Library, source: Any, service: str = "dynamodb") -> Any:
    provider = source if isinstance(source, CachedProvider) else cached(source, clock=FastClock())
    return library.SigV4Auth(provider, service=service, region=REGION)


def json_error(status: int, code: str, name: str = "__type") -> CannedResponse:
    return CannedResponse(status, json.dumps({name: code, "message": "no"}).encode())


def for_old_keys(response: CannedResponse) -> Any:
    """Return a function that returns this response for the old credentials."""
    return lambda received: response if received.access_key_id == OLD.access_key_id else None


@asynccontextmanager
async def raw_service(data: bytes, *, closes: bool = False) -> AsyncIterator[Service]:
    """Send these bytes, and then close the connection or keep it open."""

    async def serve(stream: ByteStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(data)
            if not closes:
                await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        service = Service("dynamodb", tls=False)
        service.port = listener.extra(SocketAttribute.local_port)
        yield service
        tasks.cancel_scope.cancel()


EXPIRED = {
    "S3": xml_error(400, "ExpiredToken"),
    "STS": xml_error(403, "ExpiredToken"),
    "EC2": CannedResponse(400, b"<Response><Errors><Error>\n<Code> RequestExpired </Code></Error></Errors></Response>"),
    "DynamoDB": json_error(400, "com.amazon.coral.service#ExpiredTokenException"),
    "JSON": json_error(403, "ExpiredTokenException"),
    "code": json_error(400, "ExpiredToken", "code"),
    "Code": json_error(400, "ExpiredToken", "Code"),
    "header": CannedResponse(403, b"{}", (("x-amzn-ErrorType", "ExpiredTokenException"),)),
    "long header": CannedResponse(403, b"", (("x-amzn-ErrorType", "aws#ExpiredTokenException:http://internal/"),)),
    "compressed": CannedResponse(
        400, gzip.compress(b'{"__type":"ExpiredToken"}'), (("Content-Encoding", "gzip"),), has_length=False
    ),
    "long": CannedResponse(400, b"<Code>ExpiredToken</Code>".ljust(MAX_BODY), has_length=False),
}


@each_library
@each_loop
async def test_request_is_sent_once_more(library: Library) -> None:
    """Each form of error for an expired session makes the client send the request again with new credentials."""
    async with serving() as service:
        for name, expired in EXPIRED.items():
            source = Source(OLD, NEW)
            service.requests.clear()
            service.respond = for_old_keys(expired)
            async with library.client(service, auth_for(library, source)) as client:
                response = await client.post("/a?b=c", content=b"body")
            assert (name, response.status_code, response.content) == (name, 200, b"body")
            assert [received.access_key_id for received in service.requests] == [OLD.access_key_id, NEW.access_key_id]
            assert {(received.target, received.body, received.error) for received in service.requests} == {
                ("/a?b=c", b"body", None)
            }
            body = b'{"__type":"ExpiredToken"}' if name == "compressed" else expired.body
            assert [first.content for first in response.history] == [body]
            assert source.calls == 2


BOMB = gzip.compress(b"<Code>ExpiredToken</Code>".ljust(MAX_BODY + 1))
OTHER = {
    "another error": xml_error(403, "AccessDenied"),
    "another status": xml_error(500, "ExpiredToken"),
    "in the message": CannedResponse(400, b"<Code>Other</Code><Message>ExpiredToken</Message>"),
    "a longer code": json_error(400, "ExpiredTokenExceptionally"),
    "another header": CannedResponse(403, b"", (("x-amzn-ErrorType", "ExpiredTokens"),)),
    "part of a name": json_error(400, "ExpiredToken", "mycode"),
    "success": CannedResponse(200, b"<Code>ExpiredToken</Code>"),
    "too long, with length": CannedResponse(400, b"<Code>ExpiredToken</Code>".ljust(MAX_BODY + 1)),
    "too long": CannedResponse(400, b"<Code>ExpiredToken</Code>" + bytes(range(256)) * 1024, has_length=False),
    "a longer code in XML": xml_error(400, "ExpiredTokens"),
    "a decompression bomb": CannedResponse(400, BOMB, (("Content-Encoding", "gzip"),)),
    "empty": CannedResponse(400),
}


@pytest.mark.parametrize("streamed", [False, True])
async def test_other_responses_are_returned(library: Library, streamed: bool) -> None:
    """Any other response is returned unchanged, and the credentials stay cached."""
    source = Source(OLD, NEW)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        for name, sent in OTHER.items():
            service.respond = for_old_keys(sent)
            async with client.stream("GET", "/") as response:
                chunks = [chunk async for chunk in response.aiter_bytes()] if streamed else [await response.aread()]
            expected = gzip.decompress(BOMB) if sent.body is BOMB else sent.body
            assert (name, response.status_code, b"".join(chunks)) == (name, sent.status, expected)
            assert source.calls == 1
        assert len(service.requests) == len(OTHER)


async def test_body_that_cannot_be_decoded_is_returned(library: Library) -> None:
    """A body that cannot be decoded is returned to the user unchanged."""
    source = Source(OLD, NEW)
    body = b"<Code>ExpiredToken</Code>"
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        for encoding in ("gzip", "br", "unheard-of"):
            service.respond = for_old_keys(CannedResponse(400, body, (("Content-Encoding", encoding),)))
            async with client.stream("GET", "/") as response:
                assert (encoding, b"".join([chunk async for chunk in response.aiter_raw()])) == (encoding, body)
        assert source.calls == 1


HEAD = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\n"
BEGINNING = b"<Code>ExpiredToken</Code>".ljust(MAX_BODY + 1)
UNFINISHED = {
    "in chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n" % (len(BEGINNING), BEGINNING),
    "with a length": HEAD + b"Content-Length: 65537\r\n\r\n",
    "with an impossible length": HEAD + b"Content-Length: 1000000000000\r\n\r\n" + BEGINNING,
}


# trio warns about a partly read body, here as without an auth.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@each_loop
@each_library
async def test_long_response_is_returned_early(library: Library) -> None:
    """A body that is too long for an error of a service is not read to its end."""
    for name, unfinished in UNFINISHED.items():
        async with (
            raw_service(unfinished) as service,
            library.client(service, auth_for(library, Source(OLD))) as client,
        ):
            with anyio.fail_after(5):
                async with client.stream("GET", "/") as response:
                    assert (name, response.status_code) == (name, 403)
                del response
                gc.collect()  # emits the warning now


@each_library
@each_loop
async def test_unread_long_response_closes_the_connection(library: Library) -> None:
    """The connection of an unread long body is closed, and the next request uses another one."""
    async with serving() as service, library.client(service, auth_for(library, Source(OLD))) as client:
        service.respond = for_old_keys(CannedResponse(400, bytes(4 * MAX_BODY), (("X", "y"),)))
        async with client.stream("GET", "/") as response:
            assert response.status_code == 400
        service.respond = always(None)
        assert (await client.get("/")).status_code == 200


async def test_request_is_sent_at_most_twice(library: Library) -> None:
    """A request is sent at most twice, whatever the second response is."""
    source = Source(*(keys(number) for number in range(1, 6)))
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.respond = always(xml_error(400, "ExpiredToken"))
        response = await client.get("/")
        assert (response.status_code, len(service.requests), source.calls) == (400, 2, 2)
        assert b"<Code>ExpiredToken</Code>" in response.content


async def test_unchanged_credentials_are_not_retried(library: Library) -> None:
    """If the source returns the same credentials, the error response is returned."""
    source = Source(OLD)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.expire(OLD)
        response = await client.get("/")
        assert (response.status_code, len(service.requests), source.calls) == (403, 1, 2)
        assert b"ExpiredToken" in response.content


async def chunks() -> AsyncIterator[bytes]:
    yield b"a"


@each_library
async def test_streamed_body_is_not_sent_again(library: Library) -> None:
    """A streamed body is not sent again: the error is returned, and the next request has new credentials."""
    source = Source(OLD, NEW)
    async with serving("s3", tls=True) as service, library.client(service, auth_for(library, source, "s3")) as client:
        service.expire(OLD)
        response = await client.put("/key", content=chunks(), headers={"Content-Length": "1"})
        assert (response.status_code, len(service.requests), source.calls) == (403, 1, 1)
        response = await client.put("/key", content=chunks(), headers={"Content-Length": "1"})
        assert (response.status_code, len(service.requests), source.calls) == (200, 2, 2)


async def test_stream_that_was_read_is_sent_again(library: Library) -> None:
    """A body in chunks that was read to be signed is sent once more."""
    async with serving() as service, library.client(service, auth_for(library, Source(OLD, NEW))) as client:
        service.expire(OLD)
        response = await client.put("/key", content=chunks())
        assert (response.status_code, response.content, len(service.requests)) == (200, b"a", 2)


async def test_newer_credentials_are_not_invalidated(library: Library) -> None:
    """An error for old credentials does not invalidate newer ones; those sign the second attempt."""
    source = Source(OLD, NEW, keys(3))
    provider = cached(source, clock=FastClock())
    async with serving() as service, library.client(service, auth_for(library, provider)) as client:

        def respond(received: ReceivedRequest) -> CannedResponse | None:
            if received.access_key_id != OLD.access_key_id:
                return None
            provider.invalidate(OLD)  # by another caller, which gets new credentials
            return xml_error(403, "ExpiredToken")

        service.respond = respond
        assert (await client.get("/")).status_code == 200
        assert (await provider()).access_key_id == NEW.access_key_id
        assert source.calls == 2


@each_library
async def test_event_hook_reads_the_response(library: Library) -> None:
    """An event hook that reads the response into memory does not prevent the second attempt."""

    async def read(response: Any) -> None:
        await response.aread()

    async def iterate(response: Any) -> None:
        async for _ in response.aiter_bytes():
            pass

    async with serving() as service:
        service.expire(OLD)
        for hook, status in ((read, 200), (iterate, 403)):  # a body that is not in memory cannot be inspected
            auth = auth_for(library, Source(OLD, NEW))
            async with library.client(service, auth, event_hooks={"response": [hook]}) as client:
                response = await client.send(client.build_request("GET", "/"), stream=True)
                assert response.status_code == status


async def test_provider_error_after_an_expired_session(library: Library) -> None:
    """If no new credentials are available, the client raises the provider's own error."""
    source = Source(OLD)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        await client.get("/")
        service.expire(OLD)
        source.error = RetrievalError("down for a while", hint="wait")
        with pytest.raises(RetrievalError, match=r"down for a while .*\(wait\)|down for a while \(wait\)"):
            await client.get("/")


@each_library
@each_loop
async def test_connection_breaks_in_the_response(library: Library) -> None:
    """A response that breaks off raises the client's own error, with its request."""
    torn = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n<Code>"
    async with raw_service(torn, closes=True) as service:
        async with library.client(service, auth_for(library, Source(OLD))) as client:
            with pytest.raises(library.http.RemoteProtocolError) as caught:
                await client.get("/path")
        assert caught.value.request.url.path == "/path"


@each_loop
async def test_many_requests_while_sessions_expire(library: Library) -> None:
    """Fifty tasks send requests while a session expires: all succeed, with one upstream call for each session."""
    source = Source(*(keys(number) for number in range(1, 4)))
    done = []
    async with serving() as service:
        limits = library.http.Limits(max_connections=10)
        async with library.client(service, auth_for(library, source), limits=limits) as client:

            async def work(task: int) -> None:
                for number in range(4):
                    if (task, number) == (25, 1):
                        service.expire(keys(1))
                    response = await client.post(f"/{task}/{number}", content=b"x")
                    done.append(response.status_code)

            async with anyio.create_task_group() as tasks:
                for task in range(50):
                    tasks.start_soon(work, task)
        assert done == [200] * 200
        assert source.calls == 2
        assert {received.error.code for received in service.requests if received.error} == {"ExpiredToken"}


@each_library
@each_loop
async def test_cancelled_request_does_not_affect_others(library: Library) -> None:
    """Cancelling a request, during the call of the provider or of the service, does not affect other requests."""
    called, proceed = anyio.Event(), anyio.Event()

    async def slow() -> Any:
        called.set()
        await proceed.wait()
        return NEW

    async with serving() as service, library.client(service, auth_for(library, slow)) as client:
        responses = []

        async def call() -> None:
            responses.append(await client.get("/"))

        with anyio.CancelScope() as first:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await called.wait()
                first.cancel()
        assert (responses, service.requests) == ([], [])
        request = client.build_request("GET", "/no-response")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            proceed.set()
        service.respond = lambda received: NO_RESPONSE if received.target == "/no-response" else None
        with anyio.move_on_after(0.05) as second:
            await client.send(request)
        assert second.cancelled_caught
        assert "authorization" not in request.headers
        assert (await client.get("/")).status_code == 200
        assert [response.status_code for response in responses] == [200]
