"""awscrt (AWS Common Runtime, in C): the cached default chain, whose futures are awaited on asyncio."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from . import AdvisoryWindow, Peer, not_installed, python_peer

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
        advisory_window=AdvisoryWindow(lifetime=240.0, after=0.0),
        cannot={
            "role": "it uses the whole AWS_ENDPOINT_URL as a host name, and aborts the process",
            "sso": "its default chain does not support IAM Identity Center",
        },
    ),
)


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Create the provider, and return the function that gets credentials."""
    del loop  # always asyncio, which can await futures of threads
    from asyncio import wrap_future

    from awscrt.auth import AwsCredentialsProvider

    provider = AwsCredentialsProvider.new_default_chain()

    async def get_key() -> str:
        key: str = (await wrap_future(provider.get_credentials())).access_key_id
        return key

    return get_key
