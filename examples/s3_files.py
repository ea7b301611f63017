"""Writes an object with aiobotocore and reads it with s3fs. Both use one provider: ``python s3_files.py BUCKET``."""

import asyncio
import sys

import s3fs

import anycreds
from anycreds.adapters.aiobotocore import create_session

session = create_session(anycreds.from_default_chain(), region="us-east-1")


async def write(path: str, content: bytes) -> None:
    """Write an object."""
    bucket, _, key = path.partition("/")
    async with session.create_client("s3") as s3:
        await s3.put_object(Bucket=bucket, Key=key, Body=content)


def read(path: str) -> bytes:
    """Read an object. s3fs runs an event loop of its own, which uses the same cached credentials."""
    content: bytes = s3fs.S3FileSystem(session=session).cat_file(path)
    return content


if __name__ == "__main__":
    greeting = f"{sys.argv[1]}/greeting.txt"
    asyncio.run(write(greeting, b"hello"))
    print(read(greeting).decode())
