"""Real clients of aiobotocore: each request is signed with the right set, on every event loop and HTTP library."""

from __future__ import annotations

import io
from typing import Any

import anyio
import pytest

from adapters.aiobotocore.loops import Stack
from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import REGION, Source, client, plain_session
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
    """An object is put, listed and read again with one set, whose every signature is right, token and all."""
    source = Source(aws)
    async with client(create_session(source.cached(), config=config), aws) as s3:
        await s3.put_object(Bucket="bucket", Key="a key+ä", Body=b"content")
        listed = await s3.list_objects_v2(Bucket="bucket")
        answer = await s3.get_object(Bucket="bucket", Key="a key+ä")
        assert await answer["Body"].read() == b"content"
    assert listed["KeyCount"] == 1
    assert aws.key_ids == ["ASIA0001"] * 3
    assert aws.refusals == [None] * 3
    assert all(seen.has_token for seen in aws.seen)
    assert source.calls == 1


async def test_sts(aws: SignedAws, config: Any) -> None:
    """A service that is asked by forms."""
    async with client(create_session(Source(aws).cached(), config=config), aws, "sts") as sts:
        assert (await sts.get_caller_identity())["UserId"] == "ASIA0001"
    assert aws.refusals == [None]


async def test_dynamodb(aws: SignedAws, config: Any) -> None:
    """A service that is asked by JSON, and for which the account id is asked."""
    provider = Source(aws, accounts=("123456789012",)).cached()
    async with client(create_session(provider, config=config), aws, "dynamodb") as dynamodb:
        assert (await dynamodb.list_tables())["TableNames"] == []
    assert aws.refusals == [None]


async def test_installed(aws: SignedAws, stack: Stack) -> None:
    """A session that there was before, and that names its HTTP library itself."""
    session = plain_session(stack)
    install(session, Source(aws).cached())
    async with client(session, aws, "sts") as sts:
        assert (await sts.get_caller_identity())["UserId"] == "ASIA0001"
    assert aws.refusals == [None]


async def test_a_plain_function(aws: SignedAws, config: Any) -> None:
    """An async function without arguments is cached by the adapter: two requests, one call."""
    source = Source(aws)
    async with client(create_session(source, config=config), aws, "sts") as sts:
        await sts.get_caller_identity()
        await sts.get_caller_identity()
    assert source.calls == 1


async def test_nothing_is_asked_before_the_first_request(aws: SignedAws, config: Any) -> None:
    """Making sessions and clients asks the provider for nothing."""
    source = Source(aws)
    async with client(create_session(source, config=config), aws, "dynamodb"):
        assert source.calls == 0


async def test_long_term_keys_have_no_token(aws: SignedAws, config: Any) -> None:
    """Without a session token, neither headers nor presigned URLs have one."""
    keys = aws.know(Credentials("AKIDLONG", f"{CANARY}-secret"))

    async def long_term() -> Credentials:
        return keys

    async with client(create_session(long_term, config=config), aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert "Token" not in url
    assert [seen.has_token for seen in aws.seen] == [False]


async def test_another_set_after_expiry(aws: SignedAws, config: Any) -> None:
    """When the set has ended, the same client signs with the next one, a presigned URL included."""
    source = Source(aws, life=900)
    async with client(create_session(source.cached(), config=config), aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        await s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.refusals == [None, None]
    assert "Credential=ASIA0003" in url.replace("AWSAccessKeyId", "Credential")


async def test_another_set_after_invalidation(aws: SignedAws, config: Any) -> None:
    """When somebody invalidates the set, the same client signs with the next one."""
    source = Source(aws)
    provider = source.cached()
    async with client(create_session(provider, config=config), aws, "sts") as sts:
        await sts.get_caller_identity()
        source.clock.advance(2)  # past the second in which nobody is asked again
        assert provider.invalidate(await provider())
        await sts.get_caller_identity()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.refusals == [None, None]


async def test_presigned_urls(aws: SignedAws, config: Any) -> None:
    """A presigned URL carries a signature that the server computes alike, with the token in it."""
    from aiobotocore.config import AioConfig

    session = create_session(Source(aws).cached())
    async with client(session, aws, config=AioConfig(signature_version="s3v4")) as s3:
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"}, ExpiresIn=60)
    host, _, target = url.removeprefix("http://").partition("/")
    assert aws.answer("GET", f"/{target}", {b"host": host.encode()}, b"")[0] == 404  # it was let in, and is not there
    assert aws.key_ids == ["ASIA0001"]
    assert aws.refusals == [None]
    assert aws.seen[0].has_token


async def test_presigned_urls_that_live_long_enough(aws: SignedAws, config: Any) -> None:
    """Who first asks the session's provider for a longer life, presigns with a set that has it."""
    source = Source(aws, life=900)
    session = create_session(source.cached(), region=REGION, config=config)
    async with client(session, aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(300)
        await (await session.get_credentials()).provider(min_ttl=700)
        url = await s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"}, ExpiresIn=700)
    assert "ASIA0002" in url


@pytest.mark.parametrize("service", ["s3", "sts", "dynamodb", "ec2"])
async def test_an_expired_token_is_replaced_once(aws: SignedAws, config: Any, service: str) -> None:
    """When a service says that the token has expired, the request is signed with the next set and sent once more."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    call, options = CALLS[service]
    async with client(create_session(source.cached(), config=config), aws, service) as asked:
        await getattr(asked, call)(**options)
        aws.expired.add("ASIA0001")
        answer = await getattr(asked, call)(**options)
    assert aws.key_ids == ["ASIA0001", "ASIA0001", "ASIA0002"]
    assert [refusal is None for refusal in aws.refusals] == [True, False, True]
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize("retries", [{"mode": "standard"}, {"mode": "adaptive"}, {"total_max_attempts": 1}], ids=str)
async def test_whatever_botocore_retries(aws: SignedAws, config: Any, retries: dict[str, Any]) -> None:
    """An expired token is replaced in every retry mode of botocore's, and if it is told to try only once."""
    from aiobotocore.config import AioConfig

    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws, config=AioConfig(retries=retries)) as s3:
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_once_only(aws: SignedAws, config: Any) -> None:
    """When the next set is refused, too, the caller is told; the set is dropped all the same."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired |= {"ASIA0001", "ASIA0002"}
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(ClientError, match="ExpiredToken"):
            await s3.list_objects_v2(Bucket="bucket")
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002", "ASIA0003"]


async def test_after_another_retry(aws: SignedAws, config: Any) -> None:
    """A token that is found expired only at the second attempt is replaced all the same."""
    source = Source(aws)

    def passing() -> None:
        source.clock.advance(2)
        if len(aws.seen) == 1:
            aws.expired.add("ASIA0001")

    aws.before, aws.broken = passing, 1
    async with client(create_session(source.cached(), config=config), aws, "sts") as sts:
        await sts.get_caller_identity()
    assert aws.refusals == ["SlowDown", "ExpiredToken", None]
    assert aws.key_ids == ["ASIA0001", "ASIA0001", "ASIA0002"]


async def test_the_same_set_is_not_tried_again(aws: SignedAws, config: Any) -> None:
    """When the source has no other set, the request is not sent again."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        source.calls, source.repeats = 1, True
        with pytest.raises(ClientError, match="ExpiredToken"):
            await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001"]


async def test_a_set_that_was_replaced_meanwhile_stays(aws: SignedAws, config: Any) -> None:
    """Only the set that the request was signed with is dropped: one that came meanwhile signs the second try."""
    source = Source(aws)
    provider = source.cached()
    first = await provider()

    def replaced() -> None:
        if not aws.seen:
            source.clock.advance(2)
            assert provider.invalidate(first)

    aws.before = replaced
    aws.expired.add("ASIA0001")
    async with client(create_session(provider, config=config), aws) as s3:
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert source.calls == 2


async def test_a_body_is_sent_again_from_its_start(aws: SignedAws, config: Any) -> None:
    """A stream that can be set back is sent whole after the token was replaced."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        await s3.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(b"content"))
    assert aws.objects == {"/bucket/key": b"content"}
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_a_body_that_cannot_be_sent_again(aws: SignedAws, config: Any) -> None:
    """When a stream cannot be set back, the caller is told of the expired token, and the next request has another."""

    class Once(io.BytesIO):
        def seek(self, *place: int) -> int:
            if aws.seen:
                raise OSError("it has gone by")
            return super().seek(*place)

    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(ClientError, match="ExpiredToken"):
            await s3.put_object(Bucket="bucket", Key="key", Body=Once(b"content"))
        await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def test_errors_reach_the_caller(aws: SignedAws, config: Any) -> None:
    """A provider that fails raises its own error where the client is called, and nothing is sent."""
    source = Source(aws)
    source.error = RetrievalError("no luck", source="test")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(RetrievalError, match="no luck"):
            await s3.list_objects_v2(Bucket="bucket")
    assert aws.seen == []


async def test_no_other_set_after_an_expired_one(aws: SignedAws, config: Any) -> None:
    """When the token has expired and the source fails, the caller gets the source's error."""
    source = Source(aws)

    def down() -> None:
        source.clock.advance(2)
        source.error = RetrievalError("no luck", source="test")

    aws.before = down
    aws.expired.add("ASIA0001")
    async with client(create_session(source.cached(), config=config), aws) as s3:
        with pytest.raises(RetrievalError, match="no luck"):
            await s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001"]


async def test_keys_of_a_client_are_its_own(aws: SignedAws, config: Any) -> None:
    """A client with keys of its own signs with those, and its expired token drops nothing of the provider's."""
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


async def test_the_http_library(aws: SignedAws, config: Any, stack: Stack) -> None:
    """On trio clients use httpx without being told, also those with a configuration of their own; elsewhere aiohttp."""
    from aiobotocore.config import AioConfig

    session = create_session(Source(aws), config=config)
    more = AioConfig(read_timeout=5) if stack.backend == "trio" else None
    async with client(session, aws) as s3, client(session, aws, config=more) as other:
        kinds = {type(asked._endpoint.http_session).__name__ for asked in (s3, other)}
    assert kinds == {{"aiohttp": "AIOHTTPSession", "httpx": "HttpxSession"}[stack.http]}


async def test_many_at_once(aws: SignedAws, config: Any) -> None:
    """Fifty requests at once through one cold provider: one call, fifty right signatures."""
    source = Source(aws)
    asked = client(create_session(cached(source), config=config), aws, "sts")
    async with asked as sts, anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(sts.get_caller_identity)
    assert aws.refusals == [None] * 50
    assert source.calls == 1
