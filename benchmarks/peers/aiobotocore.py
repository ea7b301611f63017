"""aiobotocore: one session; its frozen credentials are requested for each call, as its signer does."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from . import AdvisoryWindow, Peer, not_installed, python_peer

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
        # Its advisory window is 15 minutes, its mandatory window 10 minutes.
        advisory_window=AdvisoryWindow(lifetime=12 * 60.0, after=0.0),
    )


PEERS = (_peer("asyncio", ON_ASYNCIO, "aiohttp"), _peer("trio", ON_TRIO, "httpx2"))


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Create the session, and return the function that gets credentials."""
    from aiobotocore.session import get_session

    session = get_session()
    if loop == "trio":
        from aiobotocore.config import AioConfig
        from aiobotocore.httpxsession import HttpxSession

        session.set_default_client_config(AioConfig(http_session_cls=HttpxSession))

    async def get_key() -> str:
        credentials: Any = await session.get_credentials()
        key: str = (await credentials.get_frozen_credentials()).access_key
        return key

    return get_key
