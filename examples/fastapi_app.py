"""A FastAPI app that returns the AWS account of its credentials: ``uvicorn fastapi_app:app``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request

import anycreds
from anycreds.adapters.aiobotocore import create_session

provider = anycreds.from_default_chain()  # no I/O yet


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open one client for all requests. Clients are closed; a provider has nothing to close."""
    async with create_session(provider, region="eu-central-1").create_client("sts") as sts:
        app.state.sts = sts
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/account")
async def account(request: Request) -> dict[str, Any]:
    """Return the account of the credentials."""
    try:
        identity = await request.app.state.sts.get_caller_identity()
    except anycreds.RetrievalError as error:  # a later request may succeed
        raise HTTPException(503, "no credentials at the moment") from error
    return {"account": identity["Account"]}
