"""A session that has ended: the set is dropped, and what can be sent once more is, once."""

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
    REGION,
    SILENCE,
    Answer,
    Came,
    Hasty,
    Library,
    Service,
    Source,
    always,
    keys,
    serving,
    xml,
)
from anycreds import CachedProvider, RetrievalError, cached

pytestmark = pytest.mark.anyio

OLD, NEW = keys(1), keys(2)
LONGEST = 64 * 1024


def auth_for(library: Library, source: Any, service: str = "dynamodb") -> Any:
    provider = source if isinstance(source, CachedProvider) else cached(source, clock=Hasty())
    return library.SigV4Auth(provider, service=service, region=REGION)


def in_json(status: int, code: str, name: str = "__type") -> Answer:
    return Answer(status, json.dumps({name: code, "message": "no"}).encode())


def refusing(answer: Answer) -> Any:
    """Return what answers so to the old set."""
    return lambda came: answer if came.access_key_id == OLD.access_key_id else None


@asynccontextmanager
async def raw_service(data: bytes, *, closes: bool = False) -> AsyncIterator[Service]:
    """Serve these bytes, and then close, or be silent."""

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
    "S3": xml(400, "ExpiredToken"),
    "STS": xml(403, "ExpiredToken"),
    "EC2": Answer(400, b"<Response><Errors><Error>\n<Code> RequestExpired </Code></Error></Errors></Response>"),
    "DynamoDB": in_json(400, "com.amazon.coral.service#ExpiredTokenException"),
    "JSON": in_json(403, "ExpiredTokenException"),
    "code": in_json(400, "ExpiredToken", "code"),
    "Code": in_json(400, "ExpiredToken", "Code"),
    "header": Answer(403, b"{}", (("x-amzn-ErrorType", "ExpiredTokenException"),)),
    "long header": Answer(403, b"", (("x-amzn-ErrorType", "aws#ExpiredTokenException:http://internal/"),)),
    "compressed": Answer(
        400, gzip.compress(b'{"__type":"ExpiredToken"}'), (("Content-Encoding", "gzip"),), has_length=False
    ),
    "long": Answer(400, b"<Code>ExpiredToken</Code>".ljust(LONGEST), has_length=False),
}


@pytest.mark.parametrize("name", EXPIRED)
async def test_sent_once_more(library: Library, name: str) -> None:
    """Whatever way a service says that the session has ended: the request comes once more, with a new set."""
    source = Source(OLD, NEW)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.answer = refusing(EXPIRED[name])
        answer = await client.post("/a?b=c", content=b"body")
        assert (answer.status_code, answer.content) == (200, b"body")
        assert [came.access_key_id for came in service.came] == [OLD.access_key_id, NEW.access_key_id]
        assert [(came.target, came.body, came.refusal) for came in service.came] == [("/a?b=c", b"body", None)] * 2
        assert [before.content for before in answer.history] == [
            EXPIRED[name].body if name != "compressed" else (b'{"__type":"ExpiredToken"}')
        ]
        assert source.calls == 2


BOMB = gzip.compress(b"<Code>ExpiredToken</Code>".ljust(LONGEST + 1))
OTHER = {
    "another error": xml(403, "AccessDenied"),
    "another status": xml(500, "ExpiredToken"),
    "in the message": Answer(400, b"<Code>Other</Code><Message>ExpiredToken</Message>"),
    "a longer code": in_json(400, "ExpiredTokenExceptionally"),
    "another header": Answer(403, b"", (("x-amzn-ErrorType", "ExpiredTokens"),)),
    "a word of a name": in_json(400, "ExpiredToken", "mycode"),
    "success": Answer(200, b"<Code>ExpiredToken</Code>"),
    "too long, with length": Answer(400, b"<Code>ExpiredToken</Code>".ljust(LONGEST + 1)),
    "too long": Answer(400, b"<Code>ExpiredToken</Code>" + bytes(range(256)) * 1024, has_length=False),
    "a longer code in XML": xml(400, "ExpiredTokens"),
    "a bomb": Answer(400, BOMB, (("Content-Encoding", "gzip"),)),
    "an empty one": Answer(400),
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("streamed", [False, True])
async def test_other_answers_are_the_answer(library: Library, name: str, streamed: bool) -> None:
    """Any other answer is given to the program whole, as it came, and the set stays."""
    source = Source(OLD, NEW)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.answer = refusing(OTHER[name])
        async with client.stream("GET", "/") as answer:
            body = b"".join([piece async for piece in answer.aiter_bytes()]) if streamed else await answer.aread()
        expected = OTHER[name].body
        assert (answer.status_code, body) == (
            OTHER[name].status,
            gzip.decompress(expected) if name == "a bomb" else expected,
        )
        assert len(service.came) == source.calls == 1
        assert (await client.get("/")).status_code == answer.status_code
        assert source.calls == 1


@pytest.mark.parametrize("encoding", ["gzip", "br", "unheard-of"])
async def test_bodies_that_cannot_be_decoded(library: Library, encoding: str) -> None:
    """A body that cannot be decoded says nothing, and is the program's to read."""
    source = Source(OLD, NEW)
    body = b"<Code>ExpiredToken</Code>"
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.answer = refusing(Answer(400, body, (("Content-Encoding", encoding),)))
        async with client.stream("GET", "/") as answer:
            assert b"".join([piece async for piece in answer.aiter_raw()]) == body
        assert source.calls == 1


HEAD = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\n"
BEGUN = b"<Code>ExpiredToken</Code>".ljust(LONGEST + 1)
ENDLESS = {
    "in chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n" % (len(BEGUN), BEGUN),
    "with a length": HEAD + b"Content-Length: 65537\r\n\r\n",
    "with a length that is none": HEAD + b"Content-Length: 1000000000000\r\n\r\n" + BEGUN,
}


# Trio tells of what was read in part and then left, here as with the bare clients.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
@pytest.mark.parametrize("name", ENDLESS)
async def test_long_answers_are_not_waited_for(library: Library, name: str) -> None:
    """An answer too long to be an error of a service is the program's before it is all there."""
    async with raw_service(ENDLESS[name]) as service, library.client(service, auth_for(library, Source(OLD))) as client:
        with anyio.fail_after(5):
            async with client.stream("GET", "/") as answer:
                assert answer.status_code == 403
            del answer
            gc.collect()  # so that it is told now


async def test_a_long_answer_that_nobody_reads(library: Library) -> None:
    """A connection whose answer was looked at and not read is closed, and the next request has another one."""
    async with serving() as service, library.client(service, auth_for(library, Source(OLD))) as client:
        service.answer = refusing(Answer(400, bytes(4 * LONGEST), (("X", "y"),)))
        async with client.stream("GET", "/") as answer:
            assert answer.status_code == 400
        service.answer = always(None)
        assert (await client.get("/")).status_code == 200


async def test_only_once(library: Library) -> None:
    """A request is sent twice at most, whatever the service says the second time."""
    source = Source(*(keys(number) for number in range(1, 6)))
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.answer = always(xml(400, "ExpiredToken"))
        answer = await client.get("/")
        assert (answer.status_code, len(service.came), source.calls) == (400, 2, 2)
        assert b"<Code>ExpiredToken</Code>" in answer.content


async def test_the_same_set_again(library: Library) -> None:
    """If the source has nothing else than the set that was refused, the refusal is the answer."""
    source = Source(OLD)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        service.ends(OLD)
        answer = await client.get("/")
        assert (answer.status_code, len(service.came), source.calls) == (403, 1, 2)
        assert b"ExpiredToken" in answer.content


async def pieces() -> AsyncIterator[bytes]:
    yield b"a"


async def test_streams_are_not_sent_again(library: Library) -> None:
    """A body that came in pieces cannot come again: the refusal is the answer, and the next request has a new set."""
    source = Source(OLD, NEW)
    async with serving("s3", tls=True) as service, library.client(service, auth_for(library, source, "s3")) as client:
        service.ends(OLD)
        answer = await client.put("/key", content=pieces(), headers={"Content-Length": "1"})
        assert (answer.status_code, len(service.came), source.calls) == (403, 1, 1)
        answer = await client.put("/key", content=pieces(), headers={"Content-Length": "1"})
        assert (answer.status_code, len(service.came), source.calls) == (200, 2, 2)


async def test_streams_that_were_read_are(library: Library) -> None:
    """A body in pieces that was read to be signed is sent once more."""
    async with serving() as service, library.client(service, auth_for(library, Source(OLD, NEW))) as client:
        service.ends(OLD)
        answer = await client.put("/key", content=pieces())
        assert (answer.status_code, answer.content, len(service.came)) == (200, b"a", 2)


async def test_only_the_set_that_was_refused_is_dropped(library: Library) -> None:
    """A refusal of an old set does not drop the newer one that came meanwhile: that signs the second time."""
    source = Source(OLD, NEW, keys(3))
    provider = cached(source, clock=Hasty())
    async with serving() as service, library.client(service, auth_for(library, provider)) as client:

        def answer(came: Came) -> Answer | None:
            if came.access_key_id != OLD.access_key_id:
                return None
            provider.invalidate(OLD)  # by somebody else, who has a new one by then
            return xml(403, "ExpiredToken")

        service.answer = answer
        assert (await client.get("/")).status_code == 200
        assert (await provider()).access_key_id == NEW.access_key_id
        assert source.calls == 2


async def test_hooks_that_read_answers(library: Library) -> None:
    """A hook of the program that reads answers keeps nothing from being sent once more."""

    async def read(answer: Any) -> None:
        await answer.aread()

    async def look(answer: Any) -> None:
        async for _ in answer.aiter_bytes():
            pass

    async with serving() as service:
        service.ends(OLD)
        for hook, status in ((read, 200), (look, 403)):  # what was taken and not kept cannot be looked at
            auth = auth_for(library, Source(OLD, NEW))
            async with library.client(service, auth, event_hooks={"response": [hook]}) as client:
                answer = await client.send(client.build_request("GET", "/"), stream=True)
                assert answer.status_code == status


async def test_the_providers_error_the_second_time(library: Library) -> None:
    """If there is no new set to be had, the program gets the provider's error, which says why."""
    source = Source(OLD)
    async with serving() as service, library.client(service, auth_for(library, source)) as client:
        await client.get("/")
        service.ends(OLD)
        source.error = RetrievalError("down for a while", hint="wait")
        with pytest.raises(RetrievalError, match=r"down for a while .*\(wait\)|down for a while \(wait\)"):
            await client.get("/")


async def test_connections_that_break_in_the_answer(library: Library) -> None:
    """An answer that breaks off while it is looked at is the client's own error, with its request."""
    torn = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n<Code>"
    async with raw_service(torn, closes=True) as service:
        async with library.client(service, auth_for(library, Source(OLD))) as client:
            with pytest.raises(library.http.RemoteProtocolError) as caught:
                await client.get("/path")
        assert caught.value.request.url.path == "/path"


async def test_many_while_the_credentials_change(library: Library) -> None:
    """Fifty tasks call on while sessions end one after another: all succeed, with one upstream call for each set."""
    source = Source(*(keys(number) for number in range(1, 4)))
    done = []
    async with serving() as service:
        limits = library.http.Limits(max_connections=10)
        async with library.client(service, auth_for(library, source), limits=limits) as client:

            async def work(task: int) -> None:
                for number in range(4):
                    if (task, number) == (25, 1):
                        service.ends(keys(1))
                    answer = await client.post(f"/{task}/{number}", content=b"x")
                    done.append(answer.status_code)

            async with anyio.create_task_group() as tasks:
                for task in range(50):
                    tasks.start_soon(work, task)
        assert done == [200] * 200
        assert source.calls == 2
        assert {came.refusal.code for came in service.came if came.refusal} == {"ExpiredToken"}


async def test_cancelled_callers_leave(library: Library) -> None:
    """A caller that is cancelled while the provider is asked, or while it waits for the answer, hurts nobody."""
    asked, go_on = anyio.Event(), anyio.Event()

    async def slow() -> Any:
        asked.set()
        await go_on.wait()
        return NEW

    async with serving() as service, library.client(service, auth_for(library, slow)) as client:
        answers = []

        async def call() -> None:
            answers.append(await client.get("/"))

        with anyio.CancelScope() as first:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await asked.wait()
                first.cancel()
        assert (answers, service.came) == ([], [])
        request = client.build_request("GET", "/silent")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            go_on.set()
        service.answer = lambda came: SILENCE if came.target == "/silent" else None
        with anyio.move_on_after(0.05) as second:
            await client.send(request)
        assert second.cancelled_caught
        assert "authorization" not in request.headers
        assert (await client.get("/")).status_code == 200
        assert [answer.status_code for answer in answers] == [200]
