"""What many roles of one source share, and how much memory each takes."""

from __future__ import annotations

import gc
import itertools
import logging
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

import anycreds
from anycreds import ClientConfig, RoleCache
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds.testing import CANARY
from support.event_loops import on_asyncio

ROLE = "arn:aws:iam::123456789012:role/{}"
TOKEN = CANARY * (1000 // len(CANARY))  # about as long as a token of STS
RESPONSE = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
    "<AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>{canary}{number}</SecretAccessKey>"
    "<SessionToken>{token}{number}</SessionToken><Expiration>{end}</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>"
)
IDLE = 8 * 1024  # bytes

pytestmark = pytest.mark.anyio


class Sts:
    """The factory of HTTP clients whose requests are all answered with new credentials of a role."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    def respond(self, request: httpx.Request) -> httpx.Response:
        fields = {"number": next(self._numbers), "canary": CANARY, "token": TOKEN, "end": self._end}
        return httpx.Response(200, text=RESPONSE.format(**fields))

    def __call__(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.respond))


class UnhashableSts(Sts):
    """One that cannot be a key."""

    __hash__ = None  # type: ignore[assignment]


def role_of(config: ClientConfig) -> Callable[[object], anycreds.Provider]:
    """Return a function that makes the role of a key, all with the same source."""

    async def keys() -> anycreds.Credentials:
        return anycreds.Credentials("AKID", f"{CANARY}-secret")

    source = anycreds.cached(keys)
    return lambda key: anycreds.from_temporary_credentials(
        ROLE.format(key), source_credentials=source, role_session_name=f"session-{key}", client_config=config
    )


@on_asyncio
async def test_memory_of_an_idle_role() -> None:
    """A role that was used once takes less than 8 KiB, with a session token of one kilobyte."""
    roles = RoleCache(role_of(ClientConfig(region="eu-west-1", http_client_factory=Sts())))
    number = 150
    for key in range(-10, 0):
        await roles(key)
    gc.collect()
    logging.disable()  # pytest would keep the records
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for key in range(number):
            await roles(key)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        logging.disable(logging.NOTSET)
    assert number * len(TOKEN) < grown < number * IDLE


async def test_roles_of_one_source_warn_once(caplog: pytest.LogCaptureFixture) -> None:
    """Roles with the same source and the same options log once that no region is configured."""
    make = role_of(ClientConfig(http_client_factory=(sts := Sts())))
    other = role_of(ClientConfig(http_client_factory=sts))
    held: list[Any] = [make(1), make(2), make(3), other(1)]
    for role in held:
        await role()
    assert caplog.text.count("no region is configured") == 2


async def test_roles_of_one_source_share_what_they_know_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles with the same source and equal options have one endpoint resolver."""
    made: list[int] = []
    construct = EndpointResolver.__init__

    def counted(self: EndpointResolver, *arguments: Any, **options: Any) -> None:
        made.append(id(self))
        construct(self, *arguments, **options)

    monkeypatch.setattr(EndpointResolver, "__init__", counted)
    roles = RoleCache(role_of(ClientConfig(region="eu-west-1", http_client_factory=Sts())))
    for key in range(5):
        await roles(key)
    assert len(made) == 1


async def test_options_that_are_not_hashable() -> None:
    """A role works with options that cannot be compared with those of other roles."""
    roles = RoleCache(role_of(ClientConfig(region="eu-west-1", http_client_factory=UnhashableSts())))
    assert (await roles("red")).access_key_id == "ASIA0"
