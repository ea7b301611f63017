"""Sends ten signed requests at once on trio. They share one refresh."""

import os

import httpx
import trio

import anycreds
from anycreds.adapters.httpx import SigV4Auth

# AWS_ENDPOINT_URL is the address of LocalStack or of another local service, if you use one.
URL = os.environ.get("AWS_ENDPOINT_URL", "https://sts.eu-central-1.amazonaws.com/")
FORM = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}


async def main() -> None:
    """Print the status of each response."""
    auth = SigV4Auth(anycreds.from_default_chain(), service="sts", region="eu-central-1")

    async def request(number: int) -> None:
        response = await client.post(URL, data=FORM)
        print(number, response.status_code)

    async with httpx.AsyncClient(auth=auth) as client, trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(request, number)


if __name__ == "__main__":
    trio.run(main)
