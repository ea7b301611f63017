"""A Litestar app whose requests never wait for a refresh: ``litestar --app litestar_app:app run``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, get

import anycreds

provider = anycreds.from_default_chain()


@asynccontextmanager
async def always_fresh(app: Litestar) -> AsyncIterator[None]:
    """Refresh the credentials for as long as the app runs. The app does not start without credentials."""
    async with provider.keep_fresh():
        yield


@get("/key")
async def key() -> dict[str, str | None]:
    """Return the access key ID, which is not a secret, and the expiration."""
    credentials = await provider()  # returns at once
    expiration = credentials.expiration
    return {
        "key": credentials.access_key_id,
        "expires": None if expiration is None else expiration.isoformat(),
    }


app = Litestar([key], lifespan=[always_fresh], logging_config=None)  # Litestar does not configure logging
