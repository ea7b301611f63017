"""Writes an object with aiobotocore and reads it with s3fs. Both use one cache: ``python s3_files.py BUCKET``."""

import asyncio
import sys

import s3fs

import anycreds
from anycreds.adapters.aiobotocore import create_session


async def main(bucket: str) -> None:
    """Write and read an object."""
    session = create_session(anycreds.from_default_chain(), region="us-east-1")
    async with session.create_client("s3") as s3:
        await s3.put_object(Bucket=bucket, Key="greeting.txt", Body=b"hello")
    files = s3fs.S3FileSystem(session=session, asynchronous=True, skip_instance_cache=True)
    client = await files.set_session()
    try:
        content: bytes = await files._cat_file(f"{bucket}/greeting.txt")
        print(content.decode())
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
