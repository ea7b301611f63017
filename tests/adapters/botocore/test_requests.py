"""Real clients of botocore, each request of theirs signed with the right set, without anybody who awaits."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import Source, client
from anycreds import Credentials, RetrievalError, cached
from anycreds.testing import CANARY

pytest.importorskip("botocore")

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from anycreds.adapters.botocore import create_session, install

Backend = Literal["asyncio", "trio"]

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("list_objects_v2", {"Bucket": "bucket"}),
    "sts": ("get_caller_identity", {}),
    "dynamodb": ("list_tables", {}),
    "ec2": ("describe_regions", {}),
}


@contextmanager
def asking(session: Any, aws: SignedAws, service: str = "s3", **options: Any) -> Iterator[Any]:
    """Give a client that asks the server, and close it."""
    asked = client(session, aws, service, **options)
    try:
        yield asked
    finally:
        asked.close()


def test_s3(aws: SignedAws, backend: Backend) -> None:
    """An object is put, listed and read again with one set, whose every signature is right, token and all."""
    source = Source(aws)
    with asking(create_session(source.cached(), backend=backend), aws) as s3:
        s3.put_object(Bucket="bucket", Key="a key+ä", Body=b"content")
        assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 1
        assert s3.get_object(Bucket="bucket", Key="a key+ä")["Body"].read() == b"content"
    assert aws.key_ids == ["ASIA0001"] * 3
    assert aws.refusals == [None] * 3
    assert all(seen.has_token for seen in aws.seen)
    assert source.calls == 1


def test_sts(aws: SignedAws, backend: Backend) -> None:
    """A service that is asked by forms."""
    with asking(create_session(Source(aws).cached(), backend=backend), aws, "sts") as sts:
        assert sts.get_caller_identity()["UserId"] == "ASIA0001"
    assert aws.refusals == [None]


def test_installed(aws: SignedAws) -> None:
    """A session that there was before."""
    session = Session()
    install(session, Source(aws).cached())
    with asking(session, aws, "sts") as sts:
        assert sts.get_caller_identity()["UserId"] == "ASIA0001"
    assert aws.refusals == [None]


def test_a_plain_function(aws: SignedAws) -> None:
    """An async function without arguments is cached by the adapter: two requests, one call."""
    source = Source(aws)
    with asking(create_session(source), aws, "sts") as sts:
        sts.get_caller_identity()
        sts.get_caller_identity()
    assert source.calls == 1


def test_nothing_is_asked_before_the_first_request(aws: SignedAws) -> None:
    """Making sessions and clients asks the provider for nothing and starts no thread."""
    source = Source(aws)
    before = set(threading.enumerate())
    with asking(create_session(source), aws, "dynamodb"):
        assert source.calls == 0
        assert set(threading.enumerate()) == before


def test_long_term_keys_have_no_token(aws: SignedAws) -> None:
    """Without a session token, neither headers nor presigned URLs have one."""
    keys = aws.know(Credentials("AKIDLONG", f"{CANARY}-secret"))

    async def long_term() -> Credentials:
        return keys

    with asking(create_session(long_term), aws) as s3:
        s3.list_objects_v2(Bucket="bucket")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert "Token" not in url
    assert [seen.has_token for seen in aws.seen] == [False]


def test_another_set_after_expiry(aws: SignedAws, backend: Backend) -> None:
    """When the set has ended, the same client signs with the next one, a presigned URL included."""
    source = Source(aws, life=900)
    with asking(create_session(source.cached(), backend=backend), aws) as s3:
        s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.refusals == [None, None]
    assert "Credential=ASIA0003" in url.replace("AWSAccessKeyId", "Credential")


def test_another_set_after_invalidation(aws: SignedAws) -> None:
    """When somebody invalidates the set, the same client signs with the next one."""
    source = Source(aws)
    session = create_session(source.cached())
    with asking(session, aws, "sts") as sts:
        sts.get_caller_identity()
        source.clock.advance(2)  # past the second in which nobody is asked again
        provider = session.get_credentials().provider
        assert provider.invalidate(provider._memory.held.credentials)
        sts.get_caller_identity()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.refusals == [None, None]


@pytest.mark.parametrize("service", ["s3", "sts", "dynamodb", "ec2"])
def test_an_expired_token_is_replaced_once(aws: SignedAws, service: str) -> None:
    """When a service says that the token has expired, the request is signed with the next set and sent once more."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    call, options = CALLS[service]
    with asking(create_session(source.cached()), aws, service) as asked:
        getattr(asked, call)(**options)
        aws.expired.add("ASIA0001")
        answer = getattr(asked, call)(**options)
    assert aws.key_ids == ["ASIA0001", "ASIA0001", "ASIA0002"]
    assert [refusal is None for refusal in aws.refusals] == [True, False, True]
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize(
    "retries", [{"mode": "legacy"}, {"mode": "standard"}, {"mode": "adaptive"}, {"total_max_attempts": 1}], ids=str
)
def test_whatever_botocore_retries(aws: SignedAws, retries: dict[str, Any]) -> None:
    """An expired token is replaced in every retry mode of botocore's, and if it is told to try only once."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    with asking(create_session(source.cached()), aws, config=Config(retries=retries)) as s3:
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


def test_once_only(aws: SignedAws) -> None:
    """When the next set is refused, too, the caller is told; the set is dropped all the same."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired |= {"ASIA0001", "ASIA0002"}
    with asking(create_session(source.cached()), aws) as s3:
        with pytest.raises(ClientError, match="ExpiredToken"):
            s3.list_objects_v2(Bucket="bucket")
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002", "ASIA0003"]


def test_a_body_is_sent_again_from_its_start(aws: SignedAws) -> None:
    """A stream that can be set back is sent whole after the token was replaced."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    with asking(create_session(source.cached()), aws) as s3:
        s3.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(b"content"))
    assert aws.objects == {"/bucket/key": b"content"}
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


def test_errors_reach_the_caller_unchanged(aws: SignedAws, backend: Backend) -> None:
    """A provider that fails raises its own error where the client is called, once, and nothing is sent."""
    source = Source(aws)
    source.error = RetrievalError("no luck", source="test")
    session = create_session(source.cached(), backend=backend)
    config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    with asking(session, aws, config=config) as s3, pytest.raises(RetrievalError, match="no luck") as caught:
        s3.list_objects_v2(Bucket="bucket")
    assert type(caught.value) is RetrievalError
    assert caught.value.__context__ is None
    assert aws.seen == []


def test_host_and_signature_are_of_one_account(aws: SignedAws) -> None:
    """The account in the host's name is that of the set which signs, though the next set, of another, comes between."""
    source = Source(aws, life=900, accounts=("000000000001", "000000000002"))
    session = create_session(source.cached(), region="us-east-1")
    sent = []

    def seen(request: Any, **_: Any) -> Any:
        key_id = request.headers["Authorization"].decode().partition("Credential=")[2].partition("/")[0]
        sent.append((request.url.partition("://")[2].partition(".")[0], key_id))
        return Answered()

    session.register("before-call.dynamodb", lambda **_: source.clock.advance(901))  # the host is chosen by then
    session.register("before-send.dynamodb", seen)
    asked = session.create_client("dynamodb", config=Config(account_id_endpoint_mode="required"))
    for _ in range(2):
        asked.list_tables()
    asked.close()
    assert sent == [("000000000001", "ASIA0001"), ("000000000002", "ASIA0003")]


class Answered:
    """An answer of DynamoDB, in the place of a request to the internet."""

    status_code = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it
    content = b'{"TableNames": []}'


def test_many_threads_at_once(aws: SignedAws, backend: Backend) -> None:
    """Thirty threads at once through one cold provider: one call, thirty right signatures."""
    source = Source(aws)
    ready = threading.Barrier(30)
    with asking(create_session(cached(source), backend=backend), aws, "sts") as sts:

        def ask() -> None:
            ready.wait()
            sts.get_caller_identity()

        threads = [threading.Thread(target=ask) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert aws.refusals == [None] * 30
    assert source.calls == 1


def test_keys_of_a_client_are_its_own(aws: SignedAws) -> None:
    """A client with keys of its own signs with those, and its expired token drops nothing of the provider's."""
    source = Source(aws)
    own = aws.know(Credentials("ASIAOWN", f"{CANARY}-secret-own", f"{CANARY}-session-own"))
    aws.expired.add("ASIAOWN")
    session = create_session(source.cached())
    keys: dict[str, Any] = {
        "aws_access_key_id": own.access_key_id,
        "aws_secret_access_key": own.secret_access_key,
        "aws_session_token": own.session_token,
    }
    with asking(session, aws) as s3, asking(session, aws, **keys) as other:
        s3.list_objects_v2(Bucket="bucket")
        with pytest.raises(ClientError, match="ExpiredToken"):
            other.list_objects_v2(Bucket="bucket")
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIAOWN", "ASIA0001"]
    assert source.calls == 1
