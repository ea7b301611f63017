"""A provider of your own: AWS credentials from a broker of the company, in a chain before the default one."""

import os
from datetime import datetime

import anyio
import httpx

import anycreds


async def from_broker() -> anycreds.Credentials:
    """Return the credentials that the broker issues."""
    url = os.environ.get("BROKER_URL")
    if url is None:
        raise anycreds.NotConfiguredError("BROKER_URL is not set", source="broker")  # a chain continues
    async with httpx.AsyncClient(timeout=5) as client:
        response = await client.get(url)
    if response.status_code != 200:
        raise anycreds.RetrievalError("the broker rejected the request", status=response.status_code, source="broker")
    document = response.json()
    return anycreds.Credentials(
        document["AccessKeyId"],
        document["SecretAccessKey"],
        document["Token"],
        expiration=datetime.fromisoformat(document["Expiration"]),
        source="broker",
    )


provider = anycreds.cached(anycreds.create_credential_chain(from_broker, anycreds.from_default_chain()))


async def main() -> None:
    """Print where the credentials come from."""
    print((await provider()).source)


if __name__ == "__main__":
    anyio.run(main)
