"""Libraries on top of aiobotocore: s3fs, and a moto server as S3."""

from __future__ import annotations

import functools
import gc
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import REGION, Source
from adapters.aiobotocore.stacks import Stack
from anycreds import CachedProvider, Credentials, cached
from anycreds.testing import CANARY

pytest.importorskip("aiobotocore")

from anycreds.adapters.aiobotocore import create_session

pytestmark = pytest.mark.filterwarnings("ignore:aiobotocore's httpx backend:DeprecationWarning")

KEYS = Credentials("AKIDMINE", f"{CANARY}-secret", f"{CANARY}-session")


async def my_keys() -> Credentials:
    """Return credentials."""
    return KEYS


@functools.cache
def shared_provider() -> CachedProvider:
    """Return the provider that all sessions of this process share."""
    return cached(my_keys)


@pytest.fixture(scope="module")
def s3fs() -> Any:
    """Import s3fs, and start the thread of its event loop, which lives until the process ends."""
    found = pytest.importorskip("s3fs")
    from fsspec.asyn import get_loop

    get_loop()
    return found


def options(aws: SignedAws) -> dict[str, Any]:
    """Return the options of a file system on the server, which is not cached between tests."""
    return {
        "client_kwargs": {"endpoint_url": aws.url, "region_name": REGION},
        "skip_instance_cache": True,
        "use_listings_cache": False,
    }


def close(files: Any) -> None:
    """Close the connections of a file system."""
    from fsspec.asyn import sync

    sync(files.loop, files._s3.__aexit__, None, None, None)


def test_s3fs(aws: SignedAws, s3fs: Any) -> None:
    """A file system on a session signs with the current credentials, and an expired session is replaced."""
    source = Source(aws, lifetime=900)
    files = s3fs.S3FileSystem(session=create_session(source.cached()), **options(aws))
    files.pipe_file("bucket/key", b"content")
    source.clock.advance(901)
    assert files.cat_file("bucket/key") == b"content"
    aws.before = lambda: source.clock.advance(2)
    aws.expired.add("ASIA0002")
    assert files.ls("bucket", detail=False) == ["bucket/key"]
    close(files)
    assert list(dict.fromkeys(aws.key_ids)) == ["ASIA0001", "ASIA0002", "ASIA0003"]
    assert [code for code in aws.error_codes if code] == ["ExpiredToken"]


@pytest.mark.parametrize("arguments", [{"provider": my_keys}, {"factory": shared_provider}], ids=[*"pf"])
def test_s3fs_pickled(aws: SignedAws, s3fs: Any, arguments: dict[str, Any]) -> None:
    """A file system on a session with a provider or a factory can be pickled, and has no secret in its pickle."""
    aws.know(KEYS)
    before = s3fs.S3FileSystem(session=create_session(**arguments), **options(aws))
    before.pipe_file("bucket/key", b"content")
    text = pickle.dumps(before)
    assert CANARY.encode() not in text
    files = pickle.loads(text)
    assert files.cat_file("bucket/key") == b"content"
    close(files)
    close(before)
    assert set(aws.key_ids) == {"AKIDMINE"}
    assert set(aws.error_codes) == {None}


def test_s3fs_is_unpickled_once(s3fs: Any) -> None:
    """All pickles of a file system are one file system in a process, with one client, unless its cache is skipped."""
    text = pickle.dumps(s3fs.S3FileSystem(session=create_session(my_keys)))
    s3fs.S3FileSystem.clear_instance_cache()
    gc.collect()
    files = pickle.loads(text)
    assert pickle.loads(text) is files
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.anyio
async def test_s3fs_in_an_event_loop(aws: SignedAws, s3fs: Any, stack: Stack) -> None:
    """An asynchronous file system runs on the current event loop."""
    if stack.backend != "asyncio":
        pytest.skip("s3fs runs on asyncio only")
    source = Source(aws)
    files = s3fs.S3FileSystem(session=create_session(source), asynchronous=True, **options(aws))
    client = await files.set_session()
    await files._pipe_file("bucket/key", b"content")
    assert await files._cat_file("bucket/key") == b"content"
    await client.close()
    assert set(aws.key_ids) == {"ASIA0001"}
    assert source.calls == 1


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Run a moto server on a free loopback port, and return its URL."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.mark.anyio
async def test_moto(moto: str, config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an assumed role, a bucket is created, written, listed, read and deleted on a moto server."""
    import anycreds

    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)

    async def user() -> Credentials:
        return Credentials("AKIDMOTO", f"{CANARY}-secret")

    role = anycreds.from_temporary_credentials("arn:aws:iam::123456789012:role/app", source_credentials=user)
    session = create_session(role, region=REGION, config=config)
    async with session.create_client("s3") as s3, session.create_client("sts") as sts:
        assert ":assumed-role/app/" in (await sts.get_caller_identity())["Arn"]
        await s3.create_bucket(Bucket="bucket")
        await s3.put_object(Bucket="bucket", Key="key", Body=b"content")
        pages = [page async for page in s3.get_paginator("list_objects_v2").paginate(Bucket="bucket")]
        response = await s3.get_object(Bucket="bucket", Key="key")
        assert await response["Body"].read() == b"content"
        await s3.delete_object(Bucket="bucket", Key="key")
        await s3.delete_bucket(Bucket="bucket")
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ["key"]
