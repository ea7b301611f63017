"""Redirects are followed without a signature and a session token, unless the user sends the next request."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.httpx.service import (
    REGION,
    CannedResponse,
    FastClock,
    Library,
    ReceivedRequest,
    Source,
    always,
    each_library,
    keys,
    serving,
    xml_error,
)
from anycreds import cached
from support.event_loops import each_loop

pytestmark = pytest.mark.anyio

SECRET = {b"authorization", b"x-amz-security-token", b"x-amz-date", b"x-amz-content-sha256"}
STATUSES = [301, 302, 303, 307, 308]


def auth_for(library: Library, source: Source | None = None) -> Any:
    provider = cached(source or Source(), clock=FastClock())
    return library.SigV4Auth(provider, service="dynamodb", region=REGION)


def redirect(url: str, status: int = 307) -> CannedResponse:
    return CannedResponse(status, b"elsewhere", (("Location", url),))


@pytest.mark.parametrize("method", ["GET", "POST"])
@each_library
async def test_redirect_to_another_host_is_unsigned(library: Library, method: str) -> None:
    """A client that follows a redirect to another host sends no signature there, whatever the redirect's status."""
    async with serving() as service, serving() as other:
        other.respond = always(CannedResponse(200, b"public"))
        async with library.client(service, auth_for(library), follow_redirects=True) as client:
            for status in STATUSES:
                service.respond = always(redirect(f"{other.url}/{status}", status))
                response = await client.request(method, "/", content=b"body" if method == "POST" else None)
                assert (response.status_code, response.content, other.last.target) == (200, b"public", f"/{status}")
                assert service.last.error is None
                assert not SECRET & set(other.last.headers)


async def test_redirect_to_the_same_host_is_unsigned(library: Library) -> None:
    """A redirect to the same host is followed without a signature, because the first one does not match."""
    async with serving() as service:
        service.respond = lambda received: redirect("/there") if received.target == "/" else None
        async with library.client(service, auth_for(library), follow_redirects=True) as client:
            response = await client.get("/")
        assert response.status_code == 403
        assert not SECRET & set(service.last.headers)


@each_library
@each_loop
async def test_chain_of_redirects(library: Library) -> None:
    """The ``trace`` extension of the user is called for each redirect, and no redirected request is signed."""
    events: list[str] = []

    async def tracing(event: str, info: dict[str, Any]) -> None:
        events.append(event)

    async with serving() as service, serving() as other:
        service.respond = always(redirect(f"{other.url}/1"))
        other.respond = lambda received: redirect(f"{other.url}/2") if received.target == "/1" else CannedResponse(200)
        async with library.client(service, auth_for(library), follow_redirects=True) as client:
            await client.get("/", extensions={"trace": tracing})
        assert not any(SECRET & set(received.headers) for received in other.requests)
        assert sum(event.endswith("receive_response_headers.complete") for event in events) == 3


@pytest.mark.parametrize("traces", [True, False])
@each_library
async def test_next_request_is_signed_when_sent(library: Library, traces: bool) -> None:
    """A redirect that is not followed is returned; its next request is unsigned until the user sends it."""
    transport = library.http.MockTransport(lambda _: library.http.Response(307, headers={"Location": "/there"}))
    async with serving() as service:
        service.respond = lambda received: redirect(f"{service.url}/there") if received.target == "/" else None
        options = {} if traces else {"transport": transport}
        async with library.client(service, auth_for(library), **options) as client:
            response = await client.get("/", extensions={"custom": 1})
            assert response.status_code == 307
            assert not SECRET & {name.encode() for name in response.next_request.headers}
            assert "trace" not in response.next_request.extensions
            assert response.next_request.extensions["custom"] == 1
            if traces:
                assert (await client.send(response.next_request)).status_code == 200


async def test_other_host_does_not_invalidate_credentials(library: Library) -> None:
    """An expired session that another host reports after a redirect does not invalidate the credentials."""
    source = Source(keys(1), keys(2))
    async with serving() as service, serving() as other:
        service.respond = always(redirect(other.url))
        other.respond = always(xml_error(403, "ExpiredToken"))
        async with library.client(service, auth_for(library, source), follow_redirects=True) as client:
            assert (await client.get("/")).status_code == 403
        assert (source.calls, len(service.requests), len(other.requests)) == (1, 1, 1)


async def test_redirect_of_the_second_attempt(library: Library) -> None:
    """A redirect of the second attempt is followed without a signature, too."""
    source = Source(keys(1), keys(2))
    async with serving() as service, serving() as other:

        def respond(received: ReceivedRequest) -> CannedResponse:
            is_first = received.access_key_id == keys(1).access_key_id
            return xml_error(400, "ExpiredToken") if is_first else redirect(other.url)

        service.respond = respond
        other.respond = always(CannedResponse(200))
        async with library.client(service, auth_for(library, source), follow_redirects=True) as client:
            assert (await client.get("/")).status_code == 200
        assert not SECRET & set(other.last.headers)
        assert len(service.requests) == 2
