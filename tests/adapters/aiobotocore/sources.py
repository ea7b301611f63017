"""Credentials that the server knows, clients of the server, and a controllable clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.stacks import Stack
from anycreds import CachedProvider, ClientContext, Credentials, Provider, cached
from anycreds._core.io import Io
from anycreds._core.provider import WHOLE_CONTEXT
from anycreds._factories.runtime import RUNTIME
from anycreds.testing import CANARY, ManualClock

REGION = "us-east-1"


class RecordingProvider(Provider):
    """A provider whose credentials depend on the whole client context. It records the contexts."""

    def __init__(self, credentials: Credentials) -> None:
        super().__init__("recording", RUNTIME, context_fields=WHOLE_CONTEXT)
        self.contexts: list[ClientContext] = []
        self._credentials = credentials

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.contexts.append(context)
        return self._credentials


class Source:
    """An async function for ``cached``. Each call returns new credentials, which the server knows."""

    def __init__(self, aws: SignedAws, *, lifetime: float = 3600.0, accounts: tuple[str, ...] = ()) -> None:
        self.clock = ManualClock(time.time())
        self.calls = 0
        self.error: Exception | None = None
        self.repeats = False
        """Whether it returns the last credentials again."""
        self._aws = aws
        self._lifetime = lifetime
        self._accounts = accounts

    async def __call__(self) -> Credentials:
        if self.error is not None:
            raise self.error
        self.calls += not self.repeats
        account = self._accounts[min(self.calls, len(self._accounts)) - 1] if self._accounts else None
        return self._aws.know(
            Credentials(
                f"ASIA{self.calls:04d}",
                f"{CANARY}-secret-{self.calls}",
                f"{CANARY}-session-{self.calls}",
                expiration=datetime.fromtimestamp(self.clock.time(), UTC) + timedelta(seconds=self._lifetime),
                account_id=account,
            )
        )

    def cached(self) -> CachedProvider:
        """Return the cached provider, with the source's clock."""
        return cached(self, clock=self.clock)


def client(session: Any, aws: SignedAws, service: str = "s3", **options: Any) -> Any:
    """Return the async context manager of a client of the server."""
    session.register_component("data_loader", _loader())
    return session.create_client(service, **{"region_name": REGION, "endpoint_url": aws.url, **options})


def plain_session(stack: Stack) -> Any:
    """Return a session of aiobotocore itself, for a stack's HTTP library."""
    from aiobotocore.config import AioConfig
    from aiobotocore.httpxsession import HttpxSession
    from aiobotocore.session import get_session

    session = get_session()
    if stack.http == "httpx":
        session.set_default_client_config(AioConfig(http_session_cls=HttpxSession))
    return session


@cache
def _loader() -> Any:
    """Return the models of AWS's services, loaded once for all sessions."""
    from botocore.session import Session

    return Session().get_component("data_loader")
