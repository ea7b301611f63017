"""awscrt, AWS's common runtime in C: its default chain, which is cached. Its futures are awaited on asyncio."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from . import Ahead, Peer, not_installed, python_peer

FIRST = """
from awscrt.auth import AwsCredentialsProvider
AwsCredentialsProvider.new_default_chain().get_credentials().result()
"""

PEERS = (
    Peer(
        name="awscrt on asyncio",
        worker=python_peer(__name__, "asyncio"),
        packages=("awscrt",),
        first=(sys.executable, "-c", FIRST),
        missing=not_installed("awscrt"),
        ahead=Ahead(life=240.0, after=0.0),
        cannot={
            "role": "it takes the whole of AWS_ENDPOINT_URL for the name of a host, and aborts the process",
            "sso": "its default chain does not ask IAM Identity Center",
        },
    ),
)


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
    del loop  # asyncio, as futures of threads can be awaited there
    from asyncio import wrap_future

    from awscrt.auth import AwsCredentialsProvider

    provider = AwsCredentialsProvider.new_default_chain()

    async def ask() -> str:
        key: str = (await wrap_future(provider.get_credentials())).access_key_id
        return key

    return ask
