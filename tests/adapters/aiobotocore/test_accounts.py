"""Where the host of a service has an account in its name, that account and the signature come from one set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import REGION, Source, client
from anycreds.testing._fake_aws.issued_keys import AccessKey

pytest.importorskip("aiobotocore")

from botocore.exceptions import ClientError

from anycreds.adapters.aiobotocore import create_session

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:aiobotocore's httpx backend:DeprecationWarning")]

FIRST, SECOND = "111111111111", "222222222222"


class _Answer:
    """An answer that no network brought."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status_code = status
        self.headers: dict[str, str] = {}
        self._body = body

    @property
    async def content(self) -> bytes:
        return self._body


class Hosts:
    """Answers in the place of AWS's hosts, after it has checked the signature."""

    def __init__(self, aws: SignedAws) -> None:
        self.hosts: list[str] = []
        self.bodies: list[bytes] = []
        self._aws = aws

    def answer(self, request: Any, **_: Any) -> _Answer:
        """Handle ``before-send``."""
        parts = urlsplit(request.url)
        texts = {name: value if isinstance(value, bytes) else value.encode() for name, value in request.headers.items()}
        headers = {name.lower().encode(): value for name, value in texts.items()}
        body = (request.body or b"") if isinstance(request.body, bytes | None) else request.body.encode()
        self.hosts.append(parts.netloc)
        self.bodies.append(body)
        headers[b"host"] = parts.netloc.encode()
        judged = self._aws.check(request.method, parts.path or "/", headers, body)
        if isinstance(judged, AccessKey):
            return _Answer(200, b"{}" if b"x-amz-target" in headers else b"<Answer/>")
        return _Answer(judged.status, f'{{"__type": "x#{judged.code}"}}'.encode())


def between(session: Any, do: Callable[[], object]) -> None:
    """Do something after the host of each request was chosen, and before it is signed."""
    session.register("before-call.dynamodb", lambda **_: do() and None)


def dynamodb(session: Any, aws: SignedAws, hosts: Hosts) -> Any:
    """Return a client that talks to AWS's own hosts, as far as it knows."""
    asked = client(session, aws, "dynamodb", endpoint_url=None)
    session.register("before-send", hosts.answer)
    return asked


async def test_the_account_is_in_the_host(aws: SignedAws, config: Any) -> None:
    """The account of the set is in the name of the host."""
    hosts = Hosts(aws)
    async with dynamodb(create_session(Source(aws, accounts=(FIRST,)), config=config), aws, hosts) as asked:
        await asked.list_tables()
    assert hosts.hosts == [f"{FIRST}.ddb.{REGION}.amazonaws.com"]
    assert aws.refusals == [None]


async def test_without_an_account(aws: SignedAws, config: Any) -> None:
    """A set that says nothing of an account goes to the host that has none."""
    hosts = Hosts(aws)
    async with dynamodb(create_session(Source(aws), config=config), aws, hosts) as asked:
        await asked.list_tables()
    assert hosts.hosts == [f"dynamodb.{REGION}.amazonaws.com"]
    assert aws.refusals == [None]


async def test_another_account_meanwhile(aws: SignedAws, config: Any) -> None:
    """A set of another account, that comes after the host was chosen, signs the next request and not this one."""
    hosts, source = Hosts(aws), Source(aws, life=900, accounts=(FIRST, SECOND))
    session = create_session(source.cached(), config=config)
    between(session, lambda: source.clock.advance(901) if not hosts.hosts else None)
    async with dynamodb(session, aws, hosts) as asked:
        await asked.list_tables()
        await asked.list_tables()
    assert [host[:12] for host in hosts.hosts] == [FIRST, SECOND]
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_the_same_account_meanwhile(aws: SignedAws, config: Any) -> None:
    """A newer set of the same account signs at once."""
    hosts, source = Hosts(aws), Source(aws, life=900, accounts=(FIRST,))
    session = create_session(source.cached(), config=config)
    between(session, lambda: source.clock.advance(901))
    async with dynamodb(session, aws, hosts) as asked:
        await asked.list_tables()
    assert aws.key_ids == ["ASIA0002"]


async def test_an_expired_token_of_the_same_account(aws: SignedAws, config: Any) -> None:
    """An expired token is replaced as long as the account stays."""
    hosts, source = Hosts(aws), Source(aws, accounts=(FIRST,))
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with dynamodb(create_session(source.cached(), config=config), aws, hosts) as asked:
        await asked.list_tables()
    assert [host[:12] for host in hosts.hosts] == [FIRST, FIRST]
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_an_expired_token_and_another_account(aws: SignedAws, config: Any) -> None:
    """No request goes to the host of one account with the keys of another: the caller hears of the expired token."""
    hosts, source = Hosts(aws), Source(aws, accounts=(FIRST, SECOND))
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with dynamodb(create_session(source.cached(), config=config), aws, hosts) as asked:
        with pytest.raises(ClientError, match="ExpiredToken"):
            await asked.list_tables()
        await asked.list_tables()
    assert [host[:12] for host in hosts.hosts] == [FIRST, SECOND]
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_a_request_within_a_request(aws: SignedAws, config: Any) -> None:
    """EC2 wants a presigned request inside of another: both are signed, each for its region."""
    hosts, source = Hosts(aws), Source(aws, accounts=(FIRST,))
    session = create_session(source.cached(), config=config)
    async with client(session, aws, "ec2", endpoint_url=None) as ec2:
        ec2.meta.events.register("before-send", hosts.answer)
        await ec2.copy_snapshot(SourceRegion="eu-west-1", SourceSnapshotId="snap-1")
    (url,) = parse_qs(hosts.bodies[0].decode())["PresignedUrl"]
    inner = urlsplit(url)
    assert inner.netloc == "ec2.eu-west-1.amazonaws.com"
    judged = aws.check("GET", f"{inner.path}?{inner.query}", {b"host": inner.netloc.encode()}, b"")
    assert isinstance(judged, AccessKey)
    assert aws.refusals == [None, None]
