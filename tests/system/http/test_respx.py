"""Tests with a mocked transport of httpx: the addresses that no test may reach, and every error of httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import respx

import anycreds
from anycreds.testing import CANARY
from support.raw_http_server import DOCUMENT

pytestmark = pytest.mark.anyio

ECS = "http://169.254.170.2"
FAR = "https://creds.example.invalid/creds"


@pytest.fixture
def network() -> Iterator[respx.Router]:
    """Mock the transport of httpx; an unexpected request is an error."""
    with respx.mock(assert_all_called=False) as router:
        yield router


async def test_container_on_ecs(network: respx.Router) -> None:
    """A relative URI is requested from the link-local address of the ECS agent, over plain http."""
    route = network.get(f"{ECS}/v2/creds").respond(content=DOCUMENT)
    assert (await anycreds.from_http(relative_uri="/v2/creds", max_retries=0)()).access_key_id == "AKIDPEER"
    (call,) = route.calls
    assert call.request.headers["Host"] == "169.254.170.2"
    assert call.request.headers["Accept-Encoding"] == "identity"
    assert call.request.headers["User-Agent"] == f"anycreds/{anycreds.__version__}"


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]"])
async def test_instance_metadata(host: str, network: respx.Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata service is called at its IPv4 or IPv6 address, with a token, in three exchanges."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    roles = f"http://{host}/latest/meta-data/iam/security-credentials/"
    ttl = {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "21600"}
    network.put(f"http://{host}/latest/api/token").respond(text=f"{CANARY}-token", headers=ttl)
    network.get(roles).respond(text="a-role")
    last = network.get(f"{roles}a-role").respond(content=DOCUMENT)
    mode = "IPv6" if ":" in host else "IPv4"
    assert (await anycreds.from_instance_metadata(endpoint_mode=mode)()).access_key_id == "AKIDPEER"
    assert [call.request.method for call in network.calls] == ["PUT", "GET", "GET"]
    assert last.calls[0].request.headers["Host"] == host
    assert last.calls[0].request.headers["X-aws-ec2-metadata-token"] == f"{CANARY}-token"


async def test_direct_and_proxied_hosts(network: respx.Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """Link-local hosts are called by a transport, other hosts by a client that uses proxies but no redirects."""
    made: list[dict[str, Any]] = []
    make = httpx.AsyncClient.__init__

    def seen(self: httpx.AsyncClient, **options: Any) -> None:
        made.append(options)
        make(self, **options)

    monkeypatch.setattr(httpx.AsyncClient, "__init__", seen)
    network.get(f"{ECS}/creds").respond(content=DOCUMENT)
    network.get(FAR).respond(302, headers={"Location": "https://elsewhere.invalid/"})
    await anycreds.from_http(relative_uri="/creds", max_retries=0)()
    assert made == []
    with pytest.raises(anycreds.RetrievalError, match=r"a redirect to elsewhere\.invalid; redirects are not followed"):
        await anycreds.from_http(full_uri=FAR, max_retries=0)()
    assert len(made) == 1
    assert made[0].get("trust_env", True)
    assert made[0]["follow_redirects"] is False
    assert len(network.calls) == 2


async def test_path_and_query_are_not_logged(network: respx.Router, caplog: pytest.LogCaptureFixture) -> None:
    """The path and query of a URL, which may be secret, are in no log record of any library."""
    network.get(f"{FAR}/{CANARY}?token={CANARY}").respond(content=DOCUMENT)
    await anycreds.from_http(full_uri=f"{FAR}/{CANARY}?token={CANARY}", max_retries=0)()
    assert "GET https://creds.example.invalid " in caplog.text


def errors_of_httpx() -> list[type[httpx.RequestError]]:
    """Return every error that a request can raise."""
    found: list[type[httpx.RequestError]] = []
    waiting: list[type[httpx.RequestError]] = [httpx.RequestError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", errors_of_httpx(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("uri", [f"{ECS}/creds", FAR], ids=["transport", "client"])
async def test_errors_of_httpx_are_converted(uri: str, kind: type[httpx.RequestError], network: respx.Router) -> None:
    """Every error of httpx becomes an error of ours, without its text, which may repeat what was sent."""
    network.get(uri).mock(side_effect=kind(f"{CANARY} in its text"))
    provider = anycreds.from_http(full_uri=uri, authorization_token=f"{CANARY}-token", max_retries=0)
    with pytest.raises(anycreds.RetrievalError) as caught:
        await provider()
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", [httpx.InvalidURL, OSError, ValueError, UnicodeError])
async def test_other_errors_are_converted(kind: type[Exception], network: respx.Router) -> None:
    """Other errors that httpx lets through become errors of ours too."""
    network.get(f"{ECS}/creds").mock(side_effect=kind("no"))
    with pytest.raises(anycreds.RetrievalError):
        await anycreds.from_http(relative_uri="/creds", max_retries=0)()


async def test_error_in_the_middle_of_the_body(network: respx.Router) -> None:
    """An error while the body is read becomes an error of ours."""

    async def broken() -> AsyncIterator[bytes]:
        yield DOCUMENT[:10]
        raise httpx.ReadError("gone")

    network.get(f"{ECS}/creds").mock(side_effect=lambda _: httpx.Response(200, content=broken()))
    with pytest.raises(anycreds.MalformedResponseError, match="ReadError"):
        await anycreds.from_http(relative_uri="/creds", max_retries=0)()


async def test_refused_connection_is_retried(network: respx.Router) -> None:
    """A refused connection is tried again, and succeeds."""
    route = network.get(f"{ECS}/creds").mock(
        side_effect=[httpx.ConnectError("no"), httpx.Response(200, content=DOCUMENT)]
    )
    assert (await anycreds.from_http(relative_uri="/creds", max_retries=3)()).access_key_id == "AKIDPEER"
    assert route.call_count == 2
