"""boto3 with a provider: clients, resources, and transfers in the threads of s3transfer."""

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


def test_credentials_expire_during_transfers(aws: SignedAws) -> None:
    """Thirty uploads by ten threads, during which the credentials expire: all signatures are valid, from two calls."""
    source = Source(aws, lifetime=900)
    has_expired = threading.Event()

    def on_request() -> None:
        if len(aws.seen) == 15 and not has_expired.is_set():
            has_expired.set()
            source.clock.advance(901)

    aws.before = on_request
    s3 = make_session(source).client("s3", endpoint_url=aws.url)
    with TransferManager(s3) as transfers:
        results = [transfers.upload(io.BytesIO(b"%d" % number), "bucket", f"key{number}") for number in range(30)]
        for result in results:
            result.result()
    s3.close()
    assert aws.objects == {f"/bucket/key{number}": b"%d" % number for number in range(30)}
    assert aws.error_codes == [None] * 30
    assert set(aws.key_ids) == {"ASIA0001", "ASIA0002"}
    assert source.calls == 2


def test_session_expires_during_transfers(aws: SignedAws) -> None:
    """A session that expires during transfers is replaced by one call, for all threads that got the error."""
    source = Source(aws)

    def on_request() -> None:
        source.clock.advance(2)
        if len(aws.seen) >= 10:
            aws.expired.add("ASIA0001")

    aws.before = on_request
    s3 = make_session(source).client("s3", endpoint_url=aws.url)
    with TransferManager(s3) as transfers:
        results = [transfers.upload(io.BytesIO(b"x"), "bucket", f"key{number}") for number in range(30)]
        for result in results:
            result.result()
    s3.close()
    assert len(aws.objects) == 30
    assert source.calls == 2
    assert set(aws.error_codes) == {None, "ExpiredToken"}


def test_upload_fileobj(aws: SignedAws) -> None:
    """boto3's own transfer methods work with threads and without."""
    for threads in (True, False):
        s3 = make_session(Source(aws)).client("s3", endpoint_url=aws.url)
        config = TransferConfig(use_threads=threads)
        s3.upload_fileobj(io.BytesIO(b"content"), "bucket", "key", Config=config)
        assert aws.objects == {"/bucket/key": b"content"}
        s3.close()
    assert set(aws.error_codes) == {None}


def test_provider_error_in_a_transfer(aws: SignedAws) -> None:
    """A transfer raises the provider's own error."""
    source = Source(aws)
    source.error = RetrievalError("source failed", source="test")
    s3 = make_session(source).client("s3", endpoint_url=aws.url)
    with pytest.raises(RetrievalError, match="source failed"):
        s3.upload_fileobj(io.BytesIO(b"content"), "bucket", "key")
    s3.close()
    assert aws.seen == []


def test_resource_signs_with_current_credentials(aws: SignedAws) -> None:
    """boto3's resources sign with the current credentials, also after the first ones expired."""
    source = Source(aws, lifetime=900)
    s3 = make_session(source).resource("s3", endpoint_url=aws.url)
    s3.Bucket("bucket").put_object(Key="key", Body=b"content")
    source.clock.advance(901)
    s3.Bucket("bucket").put_object(Key="key", Body=b"content")
    s3.meta.client.close()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
    assert aws.error_codes == [None, None]


def test_install_in_a_boto3_session(aws: SignedAws) -> None:
    """A session of boto3 signs with an installed provider, and an expired session is replaced."""
    source = Source(aws)
    provider = cached(source, clock=source.clock)
    session = boto3.Session(region_name="eu-central-1")
    install(session, provider)
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0001")
    sts = session.client("sts", endpoint_url=aws.url)
    assert sts.get_caller_identity()["UserId"] == "ASIA0002"
    sts.close()
    assert session.get_credentials().provider is provider
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]
