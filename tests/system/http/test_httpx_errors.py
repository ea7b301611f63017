"""Service calls with a mocked transport of httpx: its errors, redirects and log records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import respx

import anycreds
from anycreds._system.http import library
from anycreds.testing import CANARY
from support.event_loops import each_loop, on_asyncio
from support.raw_http_server import DOCUMENT
from support.rows import row

pytestmark = pytest.mark.anyio

SERVICE = "https://creds.example.invalid/creds"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.Router]:
    """Mock the transport of httpx; an unexpected request is an error."""
    monkeypatch.setattr(library, "chosen", httpx)  # respx does not know httpx2
    with respx.mock(assert_all_called=False) as router:
        yield router


def errors_of_httpx() -> list[type[httpx.RequestError]]:
    """Return every error that a request can raise."""
    found: list[type[httpx.RequestError]] = []
    waiting: list[type[httpx.RequestError]] = [httpx.RequestError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.fault("S09")
@on_asyncio
async def test_every_error_of_httpx_is_converted(network: respx.Router) -> None:
    """Every error that httpx lets through becomes an error of ours, without its text, which may repeat a secret."""
    for kind in (*errors_of_httpx(), httpx.InvalidURL, OSError, ValueError, UnicodeError):
        network.get(SERVICE).mock(side_effect=kind(f"{CANARY} in its text"))
        provider = anycreds.from_http(full_uri=SERVICE, authorization_token=f"{CANARY}-token", max_retries=0)
        with row(kind.__name__), pytest.raises(anycreds.RetrievalError) as caught:
            await provider()
        assert CANARY not in str(caught.value), kind
        assert caught.value.__context__ is None, kind
        assert caught.value.__cause__ is None, kind


@each_loop
async def test_error_in_the_middle_of_the_body_is_converted(network: respx.Router) -> None:
    """An error while the body is read becomes an error of ours."""

    async def broken() -> AsyncIterator[bytes]:
        yield DOCUMENT[:10]
        raise httpx.ReadError("gone")

    network.get(SERVICE).mock(side_effect=lambda _: httpx.Response(200, content=broken()))
    with pytest.raises(anycreds.MalformedResponseError, match="ReadError"):
        await anycreds.from_http(full_uri=SERVICE, max_retries=0)()


@on_asyncio
async def test_services_are_called_through_proxies_without_redirects(
    network: respx.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service is called by one client that uses the proxies of the environment, and follows no redirects."""
    made: list[dict[str, Any]] = []
    make = httpx.AsyncClient.__init__

    def seen(self: httpx.AsyncClient, **options: Any) -> None:
        made.append(options)
        make(self, **options)

    monkeypatch.setattr(httpx.AsyncClient, "__init__", seen)
    network.get(SERVICE).respond(302, headers={"Location": "https://elsewhere.invalid/"})
    with pytest.raises(anycreds.RetrievalError, match=r"a redirect to elsewhere\.invalid; redirects are not followed"):
        await anycreds.from_http(full_uri=SERVICE, max_retries=0)()
    (options,) = made
    assert options.get("trust_env", True)
    assert options["follow_redirects"] is False
    assert len(network.calls) == 1


@pytest.mark.fault("S09")
@on_asyncio
async def test_path_and_query_are_not_logged(network: respx.Router, caplog: pytest.LogCaptureFixture) -> None:
    """The path and query of a URL, which may be secret, are in no log record of any library."""
    url = f"{SERVICE}/{CANARY}?token={CANARY}"
    network.get(url).respond(content=DOCUMENT)
    await anycreds.from_http(full_uri=url, max_retries=0)()
    assert "GET https://creds.example.invalid " in caplog.text
    assert CANARY not in caplog.text
