"""Clients of aiobotocore: each request is signed with valid credentials, on every event loop and HTTP library."""

from __future__ import annotations

import io
from typing import Any

import anyio
import pytest

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import REGION, Source, client, plain_session
from adapters.aiobotocore.stacks import Stack
from anycreds import Credentials, RetrievalError, cached
from anycreds.testing import CANARY

pytest.importorskip("aiobotocore")

from botocore.exceptions import ClientError

from anycreds.adapters.aiobotocore import create_session, install

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:aiobotocore's httpx backend:DeprecationWarning")]


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("list_objects_v2", {"Bucket": "bucket"}),
    "sts": ("get_caller_identity", {}),
    "dynamodb": ("list_tables", {}),
    "ec2": ("describe_regions", {}),
}


async def test_s3(aws: SignedAws, config: Any) -> None:
    """Put, list and get of an object are signed with credentials of one call, with their session token."""
    source = Source(aws)
    async with client(create_session(source.cached(), config=config), aws) as s3:
        await s3.put_object(Bucket="bucket", Key="a key+ä", Body=b"content")
        listed = await s3.list_objects_v2(Bucket="bucket")
        response = await s3.get_object(Bucket="bucket", Key="a key+ä")
        assert await response["Body"].read() == b"content"
    assert listed["KeyCount"] == 1
    assert aws.key_ids == ["ASIA0001"] * 3
    assert aws.error_codes == [None] * 3
    assert all(seen.has_token for seen in aws.seen)
    assert source.calls == 1


async def test_sts(aws: SignedAws, config: Any) -> None:
    """Requests of a query service are signed."""
    async with client(create_session(Source(aws).cached(), config=config), aws, "sts") as sts:
        assert (await sts.get_caller_identity())["UserId"] == "ASIA0001"
    assert aws.error_codes == [None]


async def test_dynamodb(aws: SignedAws, config: Any) -> None:
    """Requests of a JSON service with account-based endpoints are signed."""
    provider = Source(aws, accounts=("123456789012",)).cached()
    async with client(create_session(provider, config=config), aws, "dynamodb") as dynamodb:
        assert (await dynamodb.list_tables())["TableNames"] == []
    assert aws.error_codes == [None]


async def test_installed(aws: SignedAws, stack: Stack) -> None:
    """An existing session, which names its HTTP library itself, signs after ``install``."""
    session = plain_session(stack)
    install(session, Source(aws).cached())
    async with client(session, aws, "sts") as sts:
        assert (await sts.get_caller_identity())["UserId"] == "ASIA0001"
    assert aws.error_codes == [None]


async def test_plain_function_is_cached(aws: SignedAws, config: Any) -> None:
    """The adapter caches a plain async function: two requests cause one call."""
    source = Source(aws)
    async with client(create_session(source, config=config), aws, "sts") as sts:
        await sts.get_caller_identity()
        await sts.get_caller_identity()
    assert source.calls == 1


async def test_no_call_before_the_first_request(aws: SignedAws, config: Any) -> None:
    """Creating sessions and clients does not call the provider."""
    source = Source(aws)
    async with client(create_session(source, config=config), aws, "dynamodb"):
        assert source.calls == 0


async def test_long_term_keys_have_no_token(aws: SignedAws, config: Any) -> None:
    """Requests and presigned URLs with long-term keys have no session token."""
    keys = aws.know(Credentials("AKIDLONG", f"{CANARY}-secret"))

    async def long_term() -> Credentials:
        return keys

    async with client(create_session(long_term, config=config), aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert "Token" not in url
    assert [seen.has_token for seen in aws.seen] == [False]


async def test_new_credentials_after_expiration(aws: SignedAws, config: Any) -> None:
    """After the expiration the same client signs with new credentials, presigned URLs included."""
    source = Source(aws, lifetime=900)
    async with client(create_session(source.cached(), config=config), aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        await s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.error_codes == [None, None]
    assert "Credential=ASIA0003" in url.replace("AWSAccessKeyId", "Credential")


async def test_new_credentials_after_invalidation(aws: SignedAws, config: Any) -> None:
    """After ``provider.invalidate`` the same client signs with new credentials."""
    source = Source(aws)
    provider = source.cached()
    async with client(create_session(provider, config=config), aws, "sts") as sts:
        await sts.get_caller_identity()
        source.clock.advance(2)  # past the minimum of one second between calls
        assert provider.invalidate(await provider())
        await sts.get_caller_identity()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.error_codes == [None, None]


async def test_presigned_url_is_accepted(aws: SignedAws, config: Any) -> None:
    """The server accepts a presigned URL, with its session token."""
    from aiobotocore.config import AioConfig

    session = create_session(Source(aws).cached())
    async with client(session, aws, config=AioConfig(signature_version="s3v4")) as s3:
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"}, ExpiresIn=60)
    host, _, target = url.removeprefix("http://").partition("/")
    assert (
        aws.respond("GET", f"/{target}", {b"host": host.encode()}, b"")[0] == 404
    )  # the signature is accepted; the key does not exist
    assert aws.key_ids == ["ASIA0001"]
    assert aws.error_codes == [None]
    assert aws.seen[0].has_token


async def test_presigned_url_with_min_ttl(aws: SignedAws, config: Any) -> None:
    """After a call with ``min_ttl``, a URL is presigned with credentials of that lifetime."""
    source = Source(aws, lifetime=900)
    session = create_session(source.cached(), region=REGION, config=config)
    async with client(session, aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(300)
        await (await session.get_credentials()).provider(min_ttl=700)
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"}, ExpiresIn=700)
    assert "ASIA0002" in url


@pytest.mark.parametrize("service", ["s3", "sts", "dynamodb", "ec2"])
async def test_expired_session_is_retried_once(aws: SignedAws, config: Any, service: str) -> None:
    """If a service reports an expired session, the request is sent once more with new credentials."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    call, options = CALLS[service]
    async with client(create_session(source.cached(), config=config), aws, service) as made:
        await getattr(made, call)(**options)
        aws.expired.add("ASIA0001")
        response = await getattr(made, call)(**options)
    assert aws.key_ids == ["ASIA0001", "ASIA0001", "ASIA0002"]
    assert [code is None for code in aws.error_codes] == [True, False, True]
    assert response["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize("retries", [{"mode": "standard"}, {"mode": "adaptive"}, {"total_max_attempts": 1}], ids=str)
async def test_expired_session_in_every_retry_mode(aws: SignedAws, config: Any, retries: dict[str, Any]) -> None:
    """An expired session is replaced in every retry mode of botocore, and with a single attempt configured."""
    from aiobotocore.config import AioConfig

    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws, config=AioConfig(retries=retries)) as s3:
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_second_expired_session_is_raised(aws: SignedAws, config: Any) -> None:
    """If the new session has expired, too, the client raises the error and the credentials are invalidated."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired |= {"ASIA0001", "ASIA0002"}
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(ClientError, match="ExpiredToken"):
            await s3.list_objects_v2(Bucket="bucket")
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002", "ASIA0003"]


async def test_expired_session_after_another_retry(aws: SignedAws, config: Any) -> None:
    """A session that is expired at the second attempt is replaced as well."""
    source = Source(aws)

    def on_request() -> None:
        source.clock.advance(2)
        if len(aws.seen) == 1:
            aws.expired.add("ASIA0001")

    aws.before, aws.broken = on_request, 1
    async with client(create_session(source.cached(), config=config), aws, "sts") as sts:
        await sts.get_caller_identity()
    assert aws.error_codes == ["SlowDown", "ExpiredToken", None]
    assert aws.key_ids == ["ASIA0001", "ASIA0001", "ASIA0002"]


async def test_unchanged_credentials_are_not_retried(aws: SignedAws, config: Any) -> None:
    """If the source returns the same credentials, the request is not sent again."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        source.calls, source.repeats = 1, True
        with pytest.raises(ClientError, match="ExpiredToken"):
            await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001"]


async def test_newer_credentials_are_not_invalidated(aws: SignedAws, config: Any) -> None:
    """Only the credentials that signed the request are invalidated; newer ones sign the second attempt."""
    source = Source(aws)
    provider = source.cached()
    first = await provider()

    def replace() -> None:
        if not aws.seen:
            source.clock.advance(2)
            assert provider.invalidate(first)

    aws.before = replace
    aws.expired.add("ASIA0001")
    async with client(create_session(provider, config=config), aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert source.calls == 2


async def test_seekable_body_is_rewound(aws: SignedAws, config: Any) -> None:
    """A seekable stream is sent again from its start."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        await s3.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(b"content"))
    assert aws.objects == {"/bucket/key": b"content"}
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_body_that_cannot_be_rewound(aws: SignedAws, config: Any) -> None:
    """A stream that cannot be rewound is not sent again; the next request has new credentials."""

    class Once(io.BytesIO):
        def seek(self, *position: int) -> int:
            if aws.seen:
                raise OSError("not seekable")
            return super().seek(*position)

    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(ClientError, match="ExpiredToken"):
            await s3.put_object(Bucket="bucket", Key="key", Body=Once(b"content"))
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_provider_error_is_raised(aws: SignedAws, config: Any) -> None:
    """The client raises the provider's own error, and sends nothing."""
    source = Source(aws)
    source.error = RetrievalError("source failed", source="test")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(RetrievalError, match="source failed"):
            await s3.list_objects_v2(Bucket="bucket")
    assert aws.seen == []


async def test_provider_error_after_an_expired_session(aws: SignedAws, config: Any) -> None:
    """If the source fails after an expired session, the client raises the source's error."""
    source = Source(aws)

    def fail_source() -> None:
        source.clock.advance(2)
        source.error = RetrievalError("source failed", source="test")

    aws.before = fail_source
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(RetrievalError, match="source failed"):
            await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001"]


async def test_client_with_its_own_keys(aws: SignedAws, config: Any) -> None:
    """A client with its own keys uses them, and its expired session invalidates nothing of the provider."""
    source = Source(aws)
    own = aws.know(Credentials("ASIAOWN", f"{CANARY}-secret-own", f"{CANARY}-session-own"))
    aws.expired.add("ASIAOWN")
    session = create_session(source.cached(), config=config)
    keys: dict[str, Any] = {
        "aws_access_key_id": own.access_key_id,
        "aws_secret_access_key": own.secret_access_key,
        "aws_session_token": own.session_token,
    }
    async with client(session, aws) as s3, client(session, aws, **keys) as other:
        await s3.list_objects_v2(Bucket="bucket")
        with pytest.raises(ClientError, match="ExpiredToken"):
            await other.list_objects_v2(Bucket="bucket")
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIAOWN", "ASIA0001"]
    assert source.calls == 1


async def test_http_library(aws: SignedAws, config: Any, stack: Stack) -> None:
    """On trio all clients use httpx; elsewhere the default is aiohttp."""
    from aiobotocore.config import AioConfig

    session = create_session(Source(aws), config=config)
    more = AioConfig(read_timeout=5) if stack.backend == "trio" else None
    async with client(session, aws) as s3, client(session, aws, config=more) as other:
        kinds = {type(opened._endpoint.http_session).__name__ for opened in (s3, other)}
    assert kinds == {{"aiohttp": "AIOHTTPSession", "httpx": "HttpxSession"}[stack.http]}


async def test_fifty_requests_make_one_call(aws: SignedAws, config: Any) -> None:
    """Fifty concurrent requests with one cold provider cause one call and have valid signatures."""
    source = Source(aws)
    opening = client(create_session(cached(source), config=config), aws, "sts")
    async with opening as sts, anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(sts.get_caller_identity)
    assert aws.error_codes == [None] * 50
    assert source.calls == 1
