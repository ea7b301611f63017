"""boto3 on a provider: clients, resources, and transfers in threads that nobody here has started."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import Source
from anycreds import RetrievalError, cached

boto3: Any = pytest.importorskip("boto3")

from boto3.s3.transfer import TransferConfig  # noqa: E402
from s3transfer.manager import TransferManager  # noqa: E402

from anycreds.adapters.botocore import create_session, install  # noqa: E402


def make_session(source: Source, **options: Any) -> Any:
    return boto3.Session(botocore_session=create_session(source.cached(), region="us-east-1", **options))


def test_transfers_in_threads(aws: SignedAws) -> None:
    """Thirty uploads by ten threads through one cold provider whose set ends between them: every signature is right."""
    source = Source(aws, life=900)
    ended = threading.Event()

    def passing() -> None:
        if len(aws.seen) == 15 and not ended.is_set():
            ended.set()
            source.clock.advance(901)

    aws.before = passing
    s3 = make_session(source).client("s3", endpoint_url=aws.url)
    with TransferManager(s3) as transfers:
        results = [transfers.upload(io.BytesIO(b"%d" % number), "bucket", f"key{number}") for number in range(30)]
        for result in results:
            result.result()
    s3.close()
    assert aws.objects == {f"/bucket/key{number}": b"%d" % number for number in range(30)}
    assert aws.refusals == [None] * 30
    assert set(aws.key_ids) == {"ASIA0001", "ASIA0002"}
    assert source.calls == 2


def test_an_expired_token_in_transfers(aws: SignedAws) -> None:
    """A token that ends in the middle of transfers is replaced by one call, for all the threads that were refused."""
    source = Source(aws)

    def passing() -> None:
        source.clock.advance(2)
        if len(aws.seen) >= 10:
            aws.expired.add("ASIA0001")

    aws.before = passing
    s3 = make_session(source).client("s3", endpoint_url=aws.url)
    with TransferManager(s3) as transfers:
        results = [transfers.upload(io.BytesIO(b"x"), "bucket", f"key{number}") for number in range(30)]
        for result in results:
            result.result()
    s3.close()
    assert len(aws.objects) == 30
    assert source.calls == 2
    assert set(aws.refusals) == {None, "ExpiredToken"}


def test_upload_and_download(aws: SignedAws) -> None:
    """The functions that boto3 adds to its clients, with threads and without."""
    for threads in (True, False):
        s3 = make_session(Source(aws)).client("s3", endpoint_url=aws.url)
        config = TransferConfig(use_threads=threads)
        s3.upload_fileobj(io.BytesIO(b"content"), "bucket", "key", Config=config)
        assert aws.objects == {"/bucket/key": b"content"}
        s3.close()
    assert set(aws.refusals) == {None}


def test_the_provider_fails_in_a_transfer(aws: SignedAws) -> None:
    """The provider's own error comes out of a transfer."""
    source = Source(aws)
    source.error = RetrievalError("no luck", source="test")
    s3 = make_session(source).client("s3", endpoint_url=aws.url)
    with pytest.raises(RetrievalError, match="no luck"):
        s3.upload_fileobj(io.BytesIO(b"content"), "bucket", "key")
    s3.close()
    assert aws.seen == []


def test_a_resource(aws: SignedAws) -> None:
    """boto3's resources sign with the provider's set, too, and with the next one after that has ended."""
    source = Source(aws, life=900)
    s3 = make_session(source).resource("s3", endpoint_url=aws.url)
    s3.Bucket("bucket").put_object(Key="key", Body=b"content")
    source.clock.advance(901)
    s3.Bucket("bucket").put_object(Key="key", Body=b"content")
    s3.meta.client.close()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.refusals == [None, None]


def test_installed_in_a_session_of_boto3s(aws: SignedAws) -> None:
    """A session that boto3 made takes a provider, which is told of its region, and an expired token is replaced."""
    source = Source(aws)
    provider = cached(source, clock=source.clock)
    session = boto3.Session(region_name="eu-central-1")
    install(session, provider)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    sts = session.client("sts", endpoint_url=aws.url)
    assert sts.get_caller_identity()["UserId"] == "ASIA0002"
    sts.close()
    assert session.get_credentials().provider._context.region == "eu-central-1"
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
