"""The tasks of all engines. Workers import this module."""

from __future__ import annotations

import asyncio
import os
from typing import Any, NamedTuple

from anycreds import CachedProvider

BUCKET = "bucket"


class Reading(NamedTuple):
    """What a task has read, and in which process."""

    process: int
    name: str
    content: bytes


def file_system(provider: CachedProvider, url: str) -> Any:
    """Return s3fs with a provider."""
    import s3fs

    from anycreds.adapters.aiobotocore import create_session

    session = create_session(provider, region="us-east-1")
    return s3fs.S3FileSystem(session=session, client_kwargs={"endpoint_url": url}, use_listings_cache=False)


def object_store(provider: CachedProvider, url: str) -> Any:
    """Return a store of obstore with a provider."""
    from obstore.store import S3Store

    from anycreds.adapters.obstore import StoreCredentials

    credentials = StoreCredentials(provider, region="us-east-1")
    return S3Store(BUCKET, endpoint=url, client_options={"allow_http": True}, credential_provider=credentials)


def read_file(files: Any, name: str) -> Reading:
    """Read an object with s3fs."""
    return Reading(os.getpid(), name, files.cat_file(f"{BUCKET}/{name}"))


async def read_object(store: Any, name: str) -> Reading:
    """Read an object with obstore, on the event loop of the worker."""
    import obstore

    found = await obstore.get_async(store, name)
    return Reading(os.getpid(), name, bytes(await found.bytes_async()))


def use(provider: CachedProvider) -> str:
    """Return the access key that a task gets without any library."""
    return asyncio.run(provider()).access_key_id
