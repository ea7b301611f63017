"""A Litestar app whose credentials are always fresh: ``litestar --app litestar_app:app run``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, get

import anycreds

provider = anycreds.from_default_chain()


@asynccontextmanager
async def always_fresh(app: Litestar) -> AsyncIterator[None]:
    """Refresh ahead of need for as long as the app runs. It does not start without credentials."""
    async with provider.keep_fresh():
        yield


@get("/key")
async def key() -> dict[str, str | None]:
    """Return which key signs, and until when. Both are no secrets."""
    credentials = await provider()  # returns at once
    expiration = credentials.expiration
    return {
        "key": credentials.access_key_id,
        "expires": None if expiration is None else expiration.isoformat(),
    }


app = Litestar([key], lifespan=[always_fresh], logging_config=None)
