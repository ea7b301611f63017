"""Redirects get neither a signature nor the session token, wherever they lead, unless the program asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.httpx.service import REGION, Answer, Came, Hasty, Library, Source, always, keys, serving, xml
from anycreds import cached

pytestmark = pytest.mark.anyio

SECRET = {b"authorization", b"x-amz-security-token", b"x-amz-date", b"x-amz-content-sha256"}
STATUSES = [301, 302, 303, 307, 308]


def auth_for(library: Library, source: Source | None = None) -> Any:
    provider = cached(source or Source(), clock=Hasty())
    return library.SigV4Auth(provider, service="dynamodb", region=REGION)


def to(place: str, status: int = 307) -> Answer:
    return Answer(status, b"elsewhere", (("Location", place),))


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_another_host_gets_nothing(library: Library, status: int, method: str) -> None:
    """A redirect to another host is followed, if the program wants that, without anything that signs."""
    async with serving() as service, serving() as other:
        service.answer = always(to(f"{other.url}/there", status))
        other.answer = always(Answer(200, b"public"))
        async with library.client(service, auth_for(library), follow_redirects=True) as client:
            answer = await client.request(method, "/", content=b"body" if method == "POST" else None)
        assert (answer.status_code, answer.content, other.last.target) == (200, b"public", "/there")
        assert service.last.refusal is None
        assert not SECRET & set(other.last.headers)


async def test_the_same_host_gets_nothing(library: Library) -> None:
    """A redirect on the same host is not signed either: the first signature would be wrong there."""
    async with serving() as service:
        service.answer = lambda came: to("/there") if came.target == "/" else None
        async with library.client(service, auth_for(library), follow_redirects=True) as client:
            answer = await client.get("/")
        assert answer.status_code == 403
        assert not SECRET & set(service.last.headers)


async def test_redirects_of_redirects(library: Library) -> None:
    """The program's own tracing is called all the way, and nothing signs after the first step."""
    events: list[str] = []

    async def tracing(event: str, info: dict[str, Any]) -> None:
        events.append(event)

    async with serving() as service, serving() as other:
        service.answer = always(to(f"{other.url}/1"))
        other.answer = lambda came: to(f"{other.url}/2") if came.target == "/1" else Answer(200)
        async with library.client(service, auth_for(library), follow_redirects=True) as client:
            await client.get("/", extensions={"trace": tracing})
        assert not any(SECRET & set(came.headers) for came in other.came)
        assert sum(event.endswith("receive_response_headers.complete") for event in events) == 3


@pytest.mark.parametrize("traces", [True, False])
async def test_the_next_request_is_the_programs(library: Library, traces: bool) -> None:
    """A redirect that is not followed is the answer. Its next request has no signature, and gets one if sent."""
    transport = library.http.MockTransport(lambda _: library.http.Response(307, headers={"Location": "/there"}))
    async with serving() as service:
        service.answer = lambda came: to(f"{service.url}/there") if came.target == "/" else None
        options = {} if traces else {"transport": transport}
        async with library.client(service, auth_for(library), **options) as client:
            answer = await client.get("/", extensions={"mine": 1})
            assert answer.status_code == 307
            assert not SECRET & {name.encode() for name in answer.next_request.headers}
            assert "trace" not in answer.next_request.extensions
            assert answer.next_request.extensions["mine"] == 1
            if traces:
                assert (await client.send(answer.next_request)).status_code == 200


async def test_others_do_not_drop_our_credentials(library: Library) -> None:
    """What another host says about a session, after a redirect, is not about ours."""
    source = Source(keys(1), keys(2))
    async with serving() as service, serving() as other:
        service.answer = always(to(other.url))
        other.answer = always(xml(403, "ExpiredToken"))
        async with library.client(service, auth_for(library, source), follow_redirects=True) as client:
            assert (await client.get("/")).status_code == 403
        assert (source.calls, len(service.came), len(other.came)) == (1, 1, 1)


async def test_a_redirect_after_a_new_session(library: Library) -> None:
    """The second attempt of a request is guarded like the first."""
    source = Source(keys(1), keys(2))
    async with serving() as service, serving() as other:

        def answer(came: Came) -> Answer:
            return xml(400, "ExpiredToken") if came.access_key_id == keys(1).access_key_id else to(other.url)

        service.answer = answer
        other.answer = always(Answer(200))
        async with library.client(service, auth_for(library, source), follow_redirects=True) as client:
            assert (await client.get("/")).status_code == 200
        assert not SECRET & set(other.last.headers)
        assert len(service.came) == 2
