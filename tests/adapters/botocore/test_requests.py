"""Clients of botocore without an event loop: each request is signed with valid credentials."""

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
def open_client(session: Any, aws: SignedAws, service: str = "s3", **options: Any) -> Iterator[Any]:
    """Return a client of the server, and close it afterwards."""
    opened = client(session, aws, service, **options)
    try:
        yield opened
    finally:
        opened.close()


def test_s3(aws: SignedAws, backend: Backend) -> None:
    """Put, list and get of an object are signed with credentials of one call, with their session token."""
    source = Source(aws)
    with open_client(create_session(source.cached(), backend=backend), aws) as s3:
        s3.put_object(Bucket="bucket", Key="a key+ä", Body=b"content")
        assert s3.list_objects_v2(Bucket="bucket")["KeyCount"] == 1
        assert s3.get_object(Bucket="bucket", Key="a key+ä")["Body"].read() == b"content"
    assert aws.key_ids == ["ASIA0001"] * 3
    assert aws.error_codes == [None] * 3
    assert all(seen.has_token for seen in aws.seen)
    assert source.calls == 1


def test_sts(aws: SignedAws, backend: Backend) -> None:
    """Requests of a query service are signed."""
    with open_client(create_session(Source(aws).cached(), backend=backend), aws, "sts") as sts:
        assert sts.get_caller_identity()["UserId"] == "ASIA0001"
    assert aws.error_codes == [None]


def test_installed(aws: SignedAws) -> None:
    """An existing session signs after ``install``."""
    session = Session()
    install(session, Source(aws).cached())
    with open_client(session, aws, "sts") as sts:
        assert sts.get_caller_identity()["UserId"] == "ASIA0001"
    assert aws.error_codes == [None]


def test_plain_function_is_cached(aws: SignedAws) -> None:
    """The adapter caches a plain async function: two requests cause one call."""
    source = Source(aws)
    with open_client(create_session(source), aws, "sts") as sts:
        sts.get_caller_identity()
        sts.get_caller_identity()
    assert source.calls == 1


def test_no_call_before_the_first_request(aws: SignedAws) -> None:
    """Creating sessions and clients neither calls the provider nor starts a thread."""
    source = Source(aws)
    before = set(threading.enumerate())
    with open_client(create_session(source), aws, "dynamodb"):
        assert source.calls == 0
        assert set(threading.enumerate()) == before


def test_long_term_keys_have_no_token(aws: SignedAws) -> None:
    """Requests and presigned URLs with long-term keys have no session token."""
    keys = aws.know(Credentials("AKIDLONG", f"{CANARY}-secret"))

    async def long_term() -> Credentials:
        return keys

    with open_client(create_session(long_term), aws) as s3:
        s3.list_objects_v2(Bucket="bucket")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert "Token" not in url
    assert [seen.has_token for seen in aws.seen] == [False]


def test_new_credentials_after_expiration(aws: SignedAws, backend: Backend) -> None:
    """After the expiration the same client signs with new credentials, presigned URLs included."""
    source = Source(aws, lifetime=900)
    with open_client(create_session(source.cached(), backend=backend), aws) as s3:
        s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        s3.list_objects_v2(Bucket="bucket")
        source.clock.advance(901)
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.error_codes == [None, None]
    assert "Credential=ASIA0003" in url.replace("AWSAccessKeyId", "Credential")


def test_new_credentials_after_invalidation(aws: SignedAws) -> None:
    """After ``provider.invalidate`` the same client signs with new credentials."""
    source = Source(aws)
    session = create_session(source.cached())
    with open_client(session, aws, "sts") as sts:
        sts.get_caller_identity()
        source.clock.advance(2)  # past the minimum of one second between calls
        provider = session.get_credentials().provider
        assert provider.invalidate(provider._state.snapshot.cached.credentials)
        sts.get_caller_identity()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.error_codes == [None, None]


@pytest.mark.parametrize("service", ["s3", "sts", "dynamodb", "ec2"])
def test_expired_session_is_retried_once(aws: SignedAws, service: str) -> None:
    """If a service reports an expired session, the request is sent once more with new credentials."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    call, options = CALLS[service]
    with open_client(create_session(source.cached()), aws, service) as made:
        getattr(made, call)(**options)
        aws.expired.add("ASIA0001")
        response = getattr(made, call)(**options)
    assert aws.key_ids == ["ASIA0001", "ASIA0001", "ASIA0002"]
    assert [code is None for code in aws.error_codes] == [True, False, True]
    assert response["ResponseMetadata"]["RetryAttempts"] == 1


@pytest.mark.parametrize(
    "retries", [{"mode": "legacy"}, {"mode": "standard"}, {"mode": "adaptive"}, {"total_max_attempts": 1}], ids=str
)
def test_expired_session_in_every_retry_mode(aws: SignedAws, retries: dict[str, Any]) -> None:
    """An expired session is replaced in every retry mode of botocore, and with a single attempt configured."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    with open_client(create_session(source.cached()), aws, config=Config(retries=retries)) as s3:
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


def test_second_expired_session_is_raised(aws: SignedAws) -> None:
    """If the new session has expired, too, the client raises the error and the credentials are invalidated."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired |= {"ASIA0001", "ASIA0002"}
    with open_client(create_session(source.cached()), aws) as s3:
        with pytest.raises(ClientError, match="ExpiredToken"):
            s3.list_objects_v2(Bucket="bucket")
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIA0002", "ASIA0003"]


def test_unchanged_credentials_are_not_retried(aws: SignedAws) -> None:
    """If the source returns the same credentials, the request is not sent again."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    source.calls, source.repeats = 1, True
    with open_client(create_session(source.cached()), aws) as s3, pytest.raises(ClientError, match="ExpiredToken"):
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001"]


def test_seekable_body_is_rewound(aws: SignedAws) -> None:
    """A seekable stream is sent again from its start."""
    source = Source(aws)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    with open_client(create_session(source.cached()), aws) as s3:
        s3.put_object(Bucket="bucket", Key="key", Body=io.BytesIO(b"content"))
    assert aws.objects == {"/bucket/key": b"content"}
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


def test_provider_error_is_raised_unchanged(aws: SignedAws, backend: Backend) -> None:
    """The client raises the provider's own error, once, and sends nothing."""
    source = Source(aws)
    source.error = RetrievalError("source failed", source="test")
    session = create_session(source.cached(), backend=backend)
    config = Config(retries={"mode": "standard", "total_max_attempts": 5})
    with open_client(session, aws, config=config) as s3, pytest.raises(RetrievalError, match="source failed") as caught:
        s3.list_objects_v2(Bucket="bucket")
    assert type(caught.value) is RetrievalError
    assert caught.value.__context__ is None
    assert aws.seen == []


def test_host_and_signature_have_one_account(aws: SignedAws) -> None:
    """The account id in the host is that of the signing credentials, although others arrive in between."""
    source = Source(aws, lifetime=900, accounts=("000000000001", "000000000002"))
    session = create_session(source.cached(), region="us-east-1")
    sent = []

    def seen(request: Any, **_: Any) -> Any:
        key_id = request.headers["Authorization"].decode().partition("Credential=")[2].partition("/")[0]
        sent.append((request.url.partition("://")[2].partition(".")[0], key_id))
        return CannedResponse()

    session.register("before-call.dynamodb", lambda **_: source.clock.advance(901))  # the endpoint is resolved by then
    session.register("before-send.dynamodb", seen)
    dynamodb = session.create_client("dynamodb", config=Config(account_id_endpoint_mode="required"))
    for _ in range(2):
        dynamodb.list_tables()
    dynamodb.close()
    assert sent == [("000000000001", "ASIA0001"), ("000000000002", "ASIA0003")]


class CannedResponse:
    """A response of DynamoDB without a request."""

    status_code = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never modified
    content = b'{"TableNames": []}'


def test_thirty_threads_make_one_call(aws: SignedAws, backend: Backend) -> None:
    """Thirty threads with one cold provider cause one call and send thirty valid signatures."""
    source = Source(aws)
    ready = threading.Barrier(30)
    with open_client(create_session(cached(source), backend=backend), aws, "sts") as sts:

        def call() -> None:
            ready.wait()
            sts.get_caller_identity()

        threads = [threading.Thread(target=call) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert aws.error_codes == [None] * 30
    assert source.calls == 1


def test_client_with_its_own_keys(aws: SignedAws) -> None:
    """A client with its own keys uses them, and its expired session invalidates nothing of the provider."""
    source = Source(aws)
    own = aws.know(Credentials("ASIAOWN", f"{CANARY}-secret-own", f"{CANARY}-session-own"))
    aws.expired.add("ASIAOWN")
    session = create_session(source.cached())
    keys: dict[str, Any] = {
        "aws_access_key_id": own.access_key_id,
        "aws_secret_access_key": own.secret_access_key,
        "aws_session_token": own.session_token,
    }
    with open_client(session, aws) as s3, open_client(session, aws, **keys) as other:
        s3.list_objects_v2(Bucket="bucket")
        with pytest.raises(ClientError, match="ExpiredToken"):
            other.list_objects_v2(Bucket="bucket")
        s3.list_objects_v2(Bucket="bucket")
    assert aws.key_ids == ["ASIA0001", "ASIAOWN", "ASIA0001"]
    assert source.calls == 1
