"""The metadata services of ``FakeAWS``, called by a plain HTTP client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from anycreds.testing import CANARY, FakeAWS, ManualClock
from support import plain_http
from support.event_loops import each_loop

TTL = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "x-aws-ec2-metadata-token"
TOKEN_PATH = "/latest/api/token"
ROLES = "/latest/meta-data/iam/security-credentials/"

anyio_test = pytest.mark.anyio


def client(aws: FakeAWS) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=aws.metadata_url, trust_env=False, verify=plain_http.NO_TLS)


async def token_headers(http: httpx.AsyncClient) -> dict[str, str]:
    response = await http.put(TOKEN_PATH, headers={TTL: "21600"})
    return {TOKEN: response.text}


async def get_credentials(http: httpx.AsyncClient, aws: FakeAWS) -> dict[str, str]:
    response = await http.get(aws.container_url, headers={"Authorization": aws.container_token})
    document: dict[str, str] = response.json()
    return document


@each_loop
@anyio_test
async def test_instance_metadata_is_served_as_on_ec2() -> None:
    """Token, role list and role are served as on EC2, and each request is counted."""
    clock = ManualClock(1_767_225_600.0)
    async with FakeAWS(clock=clock, lifetime=3600) as aws, client(aws) as http:
        token = await http.put(TOKEN_PATH, headers={TTL: "60"})
        assert token.headers[TTL] == "60"
        headers = {TOKEN: token.text}
        role = (await http.get(ROLES, headers=headers)).text
        assert role == aws.role_name
        document = (await http.get(ROLES + role, headers=headers)).json()
        assert document == {
            "Code": "Success",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "Type": "AWS-HMAC",
            "AccessKeyId": "ASIAFAKEFAKEFAKE0001",
            "SecretAccessKey": document["SecretAccessKey"],
            "Token": document["Token"],
            "Expiration": "2026-01-01T01:00:00Z",
        }
        assert [(one.route, one.method, one.status, one.connection) for one in aws.exchanges] == [
            ("token", "PUT", 200, 1),
            ("role list", "GET", 200, 1),
            ("role", "GET", 200, 1),
        ]
        assert {one.at for one in aws.exchanges} == {clock.time()}
        assert [aws.count(route) for route in ("token", "role list", "role", "container", None)] == [1, 1, 1, 0, 3]
        assert (aws.issued, aws.connections) == (1, 1)


@anyio_test
async def test_container_returns_credentials() -> None:
    """The container endpoint returns credentials, their role and their account."""
    clock = ManualClock(1_767_225_600.0)
    async with FakeAWS(clock=clock, account_id="210987654321") as aws, client(aws) as http:
        document = await get_credentials(http, aws)
        assert document["RoleArn"] == f"arn:aws:iam::210987654321:role/{aws.role_name}"
        assert document["AccountId"] == "210987654321"
        assert document["Expiration"] == "2026-01-01T06:00:00Z"
        assert document.keys() == {"RoleArn", "AccountId", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
        assert aws.count("container") == 1


@anyio_test
async def test_request_line_may_contain_the_whole_url() -> None:
    """A request line may contain the whole URL, as for a proxy."""
    async with FakeAWS() as aws, client(aws) as http:
        whole = {"target": aws.container_url.encode()}
        response = await http.get("/", headers={"Authorization": aws.container_token}, extensions=whole)
        assert response.json()["AccessKeyId"] == "ASIAFAKEFAKEFAKE0001"
        assert aws.exchanges[0].route == "container"


@anyio_test
async def test_every_secret_is_planted() -> None:
    """Every secret contains ``CANARY``; access key ids do not."""
    async with FakeAWS() as aws, client(aws) as http:
        headers = await token_headers(http)
        document = await get_credentials(http, aws)
        for secret in (headers[TOKEN], document["SecretAccessKey"], document["Token"], aws.container_token):
            assert CANARY in secret
        assert CANARY not in document["AccessKeyId"]


@anyio_test
async def test_credentials_are_unique() -> None:
    """Each response has a new key, secret and token."""
    async with FakeAWS() as aws, client(aws) as http:
        issued = [await get_credentials(http, aws) for _ in range(3)]
        for field in ("AccessKeyId", "SecretAccessKey", "Token"):
            assert len({one[field] for one in issued}) == 3
        assert aws.issued == 3


@anyio_test
async def test_token_needs_a_lifetime() -> None:
    """A token request without a lifetime from 1 to 21,600 seconds gets a 400."""
    async with FakeAWS() as aws, client(aws) as http:
        for ttl in (None, "", "0", "-1", "21601", "1.5", "soon", "9" * 30):
            response = await http.put(TOKEN_PATH, headers={} if ttl is None else {TTL: ttl})
            assert (ttl, response.status_code) == (ttl, 400)


@anyio_test
async def test_no_token_through_a_proxy() -> None:
    """A token request from a proxy gets a 403."""
    async with FakeAWS() as aws, client(aws) as http:
        response = await http.put(TOKEN_PATH, headers={TTL: "60", "X-Forwarded-For": "127.0.0.1"})
        assert response.status_code == 403


@anyio_test
async def test_token_expires() -> None:
    """A token is accepted until it expires, and gets a 401 afterwards."""
    clock = ManualClock()
    async with FakeAWS(clock=clock, token_ttl=30) as aws, client(aws) as http:
        granted = await http.put(TOKEN_PATH, headers={TTL: "60"})
        assert granted.headers[TTL] == "30"
        clock.advance(29)
        assert (await http.get(ROLES, headers={TOKEN: granted.text})).status_code == 200
        clock.advance(1)
        assert (await http.get(ROLES, headers={TOKEN: granted.text})).status_code == 401


@anyio_test
async def test_metadata_needs_a_token() -> None:
    """A request without a token, or with an unknown one, gets a 401."""
    async with FakeAWS() as aws, client(aws) as http:
        for headers in ({}, {TOKEN: "made up"}):
            assert (await http.get(ROLES, headers=headers)).status_code == 401
            assert (await http.get(ROLES + "anything", headers=headers)).status_code == 401


@anyio_test
async def test_imds_v1_needs_no_token() -> None:
    """With ``imds_v1``, a missing token is accepted and a wrong one is not. ``token_status`` rejects token requests."""
    async with FakeAWS(imds_v1=True, token_status=403) as aws, client(aws) as http:
        assert (await http.put(TOKEN_PATH, headers={TTL: "60"})).status_code == 403
        assert (await http.get(ROLES)).text == aws.role_name
        assert (await http.get(ROLES, headers={TOKEN: "made up"})).status_code == 401


@anyio_test
async def test_instance_without_a_role_returns_404() -> None:
    """An instance without a role returns a 404 for the role list."""
    async with FakeAWS(role_name=None) as aws, client(aws) as http:
        headers = await token_headers(http)
        assert (await http.get(ROLES, headers=headers)).status_code == 404
        assert (await http.get(ROLES + "anycreds-fake-role", headers=headers)).status_code == 404


@anyio_test
async def test_unknown_paths_and_methods() -> None:
    """An unknown path or role gets a 404, and an unsupported method a 405."""
    async with FakeAWS() as aws, client(aws) as http:
        headers = await token_headers(http)
        assert (await http.get("/latest/user-data", headers=headers)).status_code == 404
        assert (await http.get(ROLES + "another-role", headers=headers)).status_code == 404
        assert (await http.post(ROLES, headers=headers)).status_code == 405
        assert (await http.get(TOKEN_PATH)).status_code == 405
        assert (await http.put(aws.container_url, headers={"Authorization": aws.container_token})).status_code == 405
        assert aws.count("other") == 1


@anyio_test
async def test_container_needs_its_token() -> None:
    """A request without the authorization token gets an error in AWS's format."""
    async with FakeAWS() as aws, client(aws) as http:
        for headers, status in (({}, 401), ({"Authorization": "wrong"}, 403)):
            response = await http.get(aws.container_url, headers=headers)
            assert response.status_code == status
            assert response.json().keys() == {"Code", "Message"}
        assert aws.issued == 0


def test_unknown_setting_is_rejected() -> None:
    """A setting that ``FakeAWS`` does not have is an error that names it."""
    settings: Any = {"lifetimes": 60}
    with pytest.raises(TypeError, match="no setting lifetimes"):
        FakeAWS(**settings)


@anyio_test
async def test_sticky_fake_repeats_credentials() -> None:
    """A sticky fake returns the same credentials until five minutes before they expire."""
    clock = ManualClock()
    async with FakeAWS(sticky=True, lifetime=3600, clock=clock) as aws, client(aws) as http:
        first = await get_credentials(http, aws)
        clock.advance(3299)
        assert await get_credentials(http, aws) == first
        clock.advance(1)
        second = await get_credentials(http, aws)
        assert second["AccessKeyId"] != first["AccessKeyId"]
        assert await get_credentials(http, aws) == second
        assert aws.issued == 2


@anyio_test
async def test_expiration_is_rounded_up() -> None:
    """The expiration is rounded up to whole seconds, unless the lifetime has a fraction."""
    clock = ManualClock(1_767_225_600.25)
    async with FakeAWS(lifetime=10, clock=clock) as aws, client(aws) as http:
        assert (await get_credentials(http, aws))["Expiration"] == "2026-01-01T00:00:11Z"
        aws.lifetime = 0.5
        assert (await get_credentials(http, aws))["Expiration"] == "2026-01-01T00:00:00.750000Z"


@anyio_test
async def test_response_takes_the_latency() -> None:
    """Each response takes the fake's latency."""
    async with FakeAWS(latency=0.02) as aws, client(aws) as http:
        started = anyio.current_time()
        await get_credentials(http, aws)
        assert anyio.current_time() - started >= 0.02


@each_loop
@anyio_test
async def test_hundreds_of_connections_are_served_at_once() -> None:
    """Hundreds of connections at once are served, each with new credentials."""
    async with FakeAWS() as aws:
        port = int(aws.metadata_url.rpartition(":")[2])
        request = f"GET /v2/credentials/anycreds HTTP/1.0\r\nAuthorization: {aws.container_token}\r\n\r\n".encode()
        responses: list[bytes] = []

        async def fetch() -> None:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(request)
                responses.append(await stream.receive())

        async with anyio.create_task_group() as tasks:
            for _ in range(300):  # three file descriptors each would pass the usual limit at a thousand
                tasks.start_soon(fetch)
        assert len({response.partition(b"AccessKeyId")[2] for response in responses}) == 300
        assert (aws.connections, aws.issued) == (300, 300)


@anyio_test
async def test_malformed_request_gets_a_400() -> None:
    """A malformed request gets a 400 and the end of its connection, and the fake continues to serve."""
    async with FakeAWS() as aws, client(aws) as http:
        async with await anyio.connect_tcp("127.0.0.1", int(aws.metadata_url.rpartition(":")[2])) as stream:
            await stream.send(b"\x16\x03\x01 is no HTTP\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 400 ")
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        assert aws.exchanges == []
        assert (await get_credentials(http, aws))["AccessKeyId"]


class BodyError(Exception):
    pass


@each_loop
@anyio_test
async def test_errors_of_the_body_pass_unchanged() -> None:
    """An error in the body of ``async with`` leaves unchanged, not in a group."""
    error = BodyError()
    with pytest.raises(BodyError) as caught:
        async with FakeAWS():
            raise error
    assert caught.value is error


@each_loop
@anyio_test
async def test_cancellation_of_the_body_passes() -> None:
    """A cancellation ends ``async with`` at once, and raises nothing else."""
    with anyio.move_on_after(0) as scope:
        async with FakeAWS():
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    with anyio.move_on_after(0) as scope:
        async with FakeAWS(latency=3600.0) as aws, client(aws) as http:
            await get_credentials(http, aws)
    assert scope.cancelled_caught


@each_loop
@anyio_test
async def test_cancellation_does_not_replace_an_error() -> None:
    """A cancellation around ``async with`` does not replace the error of its body."""
    error = BodyError()
    with pytest.raises(BodyError) as caught, anyio.CancelScope() as scope:  # noqa: PT012 - all of it is what is tried
        async with FakeAWS():
            await anyio.lowlevel.checkpoint()
            scope.cancel()
            raise error
    assert caught.value is error


def test_native_cancellation_passes() -> None:
    """``Task.cancel`` and ``asyncio.timeout`` work through ``async with``."""

    async def main() -> None:
        async def body(entered: asyncio.Event) -> None:
            async with FakeAWS():
                entered.set()
                await asyncio.sleep(3600)

        entered = asyncio.Event()
        task = asyncio.create_task(body(entered))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await body(asyncio.Event())
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0

    asyncio.run(main())


@each_loop
@pytest.mark.realtime
@anyio_test
async def test_leaving_closes_everything() -> None:
    """At the end of ``async with``, pending connections are closed at once."""
    async with FakeAWS(latency=3600.0) as aws:
        stream = await anyio.connect_tcp("127.0.0.1", int(aws.metadata_url.rpartition(":")[2]))
        await stream.send(b"GET / HTTP/1.1\r\nHost: fake\r\n\r\n")
        while not aws.exchanges:  # noqa: ASYNC110 - only the counter changes
            await anyio.sleep(0.001)
    async with stream:
        with anyio.fail_after(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()


@each_loop
@anyio_test
async def test_fake_can_serve_again() -> None:
    """A fake can serve again, but not twice at once, and has no address while it does not serve."""
    aws = FakeAWS()
    for count in (1, 2):
        async with aws, client(aws) as http:
            await get_credentials(http, aws)
            assert aws.issued == count
            with pytest.raises(RuntimeError, match="is already serving"):
                await aws.__aenter__()
        with pytest.raises(RuntimeError, match="is not serving"):
            aws.metadata_url  # noqa: B018 - the property is what is tested


@anyio_test
async def test_fake_serves_on_ipv6() -> None:
    """The fake can serve on the IPv6 loopback address."""
    async with FakeAWS(host="::1") as aws, client(aws) as http:
        assert aws.metadata_url.startswith("http://[::1]:")
        assert (await get_credentials(http, aws))["AccessKeyId"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_in_thread_serves_every_event_loop(backend: str) -> None:
    """``in_thread()`` serves code without an event loop, and every event loop."""
    with FakeAWS.in_thread(lifetime=60, clock=ManualClock()) as aws:
        headers = {"Authorization": aws.container_token}
        end = plain_http.get(aws.container_url, headers=headers).json()["Expiration"]
        assert datetime.fromisoformat(end) == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)

        async def main() -> None:
            async with client(aws) as http:
                await get_credentials(http, aws)

        anyio.run(main, backend=backend)
        assert (aws.count("container"), aws.issued, aws.connections) == (2, 2, 2)
    with pytest.raises(RuntimeError, match="is not serving"):
        aws.metadata_url  # noqa: B018 - the property is what is tested


def test_errors_of_the_body_pass_unchanged_in_thread() -> None:
    """An error in the body of ``with`` leaves unchanged, even while a connection hangs."""
    error = BodyError()

    def body() -> None:
        with FakeAWS.in_thread(latency=3600.0) as aws:
            with pytest.raises(httpx.ReadTimeout):
                plain_http.get(aws.container_url, timeout=0.03)
            raise error

    with pytest.raises(BodyError) as caught:
        body()
    assert caught.value is error


def test_library_does_not_import_testing() -> None:
    """``import anycreds`` does not import ``anycreds.testing``."""
    code = "import sys, anycreds; sys.exit('anycreds.testing' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
