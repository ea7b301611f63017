"""Account-based endpoints: the account id in the host is that of the signing credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import REGION, Source, client
from anycreds.testing._fake_aws.state import AccessKey

pytest.importorskip("aiobotocore")

from botocore.exceptions import ClientError

from anycreds.adapters.aiobotocore import create_session

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:aiobotocore's httpx backend:DeprecationWarning")]

FIRST, SECOND = "111111111111", "222222222222"


class _Response:
    """A response without a network."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        self._body = body

    @property
    async def content(self) -> bytes:
        return self._body


class FakeHosts:
    """A replacement for AWS's hosts that verifies the signatures."""

    def __init__(self, aws: SignedAws) -> None:
        self.hosts: list[str] = []
        self.bodies: list[bytes] = []
        self._aws = aws

    def respond(self, request: Any, **_: Any) -> _Response:
        """Handle ``before-send``."""
        parts = urlsplit(request.url)
        texts = {name: value if isinstance(value, bytes) else value.encode() for name, value in request.headers.items()}
        headers = {name.lower().encode(): value for name, value in texts.items()}
        body = (request.body or b"") if isinstance(request.body, bytes | None) else request.body.encode()
        self.hosts.append(parts.netloc)
        self.bodies.append(body)
        headers[b"host"] = parts.netloc.encode()
        verified = self._aws.check(request.method, parts.path or "/", headers, body)
        if isinstance(verified, AccessKey):
            return _Response(200, b"{}" if b"x-amz-target" in headers else b"<Response/>")
        return _Response(verified.status, f'{{"__type": "x#{verified.code}"}}'.encode())


def after_endpoint_resolution(session: Any, do: Callable[[], object]) -> None:
    """Call a function after the endpoint of each request is resolved and before it is signed."""
    session.register("before-call.dynamodb", lambda **_: do() and None)


def dynamodb(session: Any, aws: SignedAws, hosts: FakeHosts) -> Any:
    """Return a client that sends to AWS's own host names."""
    made = client(session, aws, "dynamodb", endpoint_url=None)
    session.register("before-send", hosts.respond)
    return made


async def test_account_is_in_the_host(aws: SignedAws, config: Any) -> None:
    """The account id of the credentials is in the host."""
    hosts = FakeHosts(aws)
    async with dynamodb(create_session(Source(aws, accounts=(FIRST,)), config=config), aws, hosts) as dynamodb_client:
        await dynamodb_client.list_tables()
    assert hosts.hosts == [f"{FIRST}.ddb.{REGION}.amazonaws.com"]
    assert aws.error_codes == [None]


async def test_host_without_account(aws: SignedAws, config: Any) -> None:
    """Credentials without an account id use the regional host."""
    hosts = FakeHosts(aws)
    async with dynamodb(create_session(Source(aws), config=config), aws, hosts) as dynamodb_client:
        await dynamodb_client.list_tables()
    assert hosts.hosts == [f"dynamodb.{REGION}.amazonaws.com"]
    assert aws.error_codes == [None]


async def test_other_account_after_endpoint_resolution(aws: SignedAws, config: Any) -> None:
    """Credentials of another account, which arrive after endpoint resolution, sign the next request only."""
    hosts, source = FakeHosts(aws), Source(aws, lifetime=900, accounts=(FIRST, SECOND))
    session = create_session(source.cached(), config=config)
    after_endpoint_resolution(session, lambda: source.clock.advance(901) if not hosts.hosts else None)
    async with dynamodb(session, aws, hosts) as dynamodb_client:
        await dynamodb_client.list_tables()
        await dynamodb_client.list_tables()
    assert [host[:12] for host in hosts.hosts] == [FIRST, SECOND]
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_same_account_after_endpoint_resolution(aws: SignedAws, config: Any) -> None:
    """Newer credentials of the same account sign at once."""
    hosts, source = FakeHosts(aws), Source(aws, lifetime=900, accounts=(FIRST,))
    session = create_session(source.cached(), config=config)
    after_endpoint_resolution(session, lambda: source.clock.advance(901))
    async with dynamodb(session, aws, hosts) as dynamodb_client:
        await dynamodb_client.list_tables()
    assert aws.key_ids == ["ASIA0002"]


async def test_expired_session_of_the_same_account(aws: SignedAws, config: Any) -> None:
    """An expired session is replaced if the account is the same."""
    hosts, source = FakeHosts(aws), Source(aws, accounts=(FIRST,))
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with dynamodb(create_session(source.cached(), config=config), aws, hosts) as dynamodb_client:
        await dynamodb_client.list_tables()
    assert [host[:12] for host in hosts.hosts] == [FIRST, FIRST]
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_expired_session_and_another_account(aws: SignedAws, config: Any) -> None:
    """No request goes to the host of one account with keys of another: the client raises the error."""
    hosts, source = FakeHosts(aws), Source(aws, accounts=(FIRST, SECOND))
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with dynamodb(create_session(source.cached(), config=config), aws, hosts) as dynamodb_client:
        with pytest.raises(ClientError, match="ExpiredToken"):
            await dynamodb_client.list_tables()
        await dynamodb_client.list_tables()
    assert [host[:12] for host in hosts.hosts] == [FIRST, SECOND]
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_request_within_a_request(aws: SignedAws, config: Any) -> None:
    """A presigned EC2 request inside another one is signed for its own region."""
    hosts, source = FakeHosts(aws), Source(aws, accounts=(FIRST,))
    session = create_session(source.cached(), config=config)
    async with client(session, aws, "ec2", endpoint_url=None) as ec2:
        ec2.meta.events.register("before-send", hosts.respond)
        await ec2.copy_snapshot(SourceRegion="eu-west-1", SourceSnapshotId="snap-1")
    (url,) = parse_qs(hosts.bodies[0].decode())["PresignedUrl"]
    inner = urlsplit(url)
    assert inner.netloc == "ec2.eu-west-1.amazonaws.com"
    verified = aws.check("GET", f"{inner.path}?{inner.query}", {b"host": inner.netloc.encode()}, b"")
    assert isinstance(verified, AccessKey)
    assert aws.error_codes == [None, None]
