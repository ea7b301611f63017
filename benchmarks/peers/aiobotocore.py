"""aiobotocore: one session, whose credentials are asked before each request, as its own signer does."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from . import Ahead, Peer, not_installed, python_peer

ON_ASYNCIO = """
import asyncio
from aiobotocore.session import get_session
async def main():
    await (await get_session().get_credentials()).get_frozen_credentials()
asyncio.run(main())
"""
ON_TRIO = """
import trio
from aiobotocore.config import AioConfig
from aiobotocore.httpxsession import HttpxSession
from aiobotocore.session import get_session
async def main():
    session = get_session()
    session.set_default_client_config(AioConfig(http_session_cls=HttpxSession))
    await (await session.get_credentials()).get_frozen_credentials()
trio.run(main)
"""


def _peer(loop: str, first: str, http: str) -> Peer:
    return Peer(
        name=f"aiobotocore on {loop}",
        worker=python_peer(__name__, loop),
        packages=("aiobotocore", "botocore", http),
        first=(sys.executable, "-c", first),
        missing=not_installed("aiobotocore", loop, http),
        # It refreshes from 15 minutes before the end, and lets callers wait for it from 10 minutes before.
        ahead=Ahead(life=12 * 60.0, after=0.0),
    )


PEERS = (_peer("asyncio", ON_ASYNCIO, "aiohttp"), _peer("trio", ON_TRIO, "httpx2"))


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
    from aiobotocore.session import get_session

    session = get_session()
    if loop == "trio":
        from aiobotocore.config import AioConfig
        from aiobotocore.httpxsession import HttpxSession

        session.set_default_client_config(AioConfig(http_session_cls=HttpxSession))

    async def ask() -> str:
        credentials: Any = await session.get_credentials()
        key: str = (await credentials.get_frozen_credentials()).access_key
        return key

    return ask
