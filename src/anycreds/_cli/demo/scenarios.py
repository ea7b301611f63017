"""Run the four scenarios on one backend and record what happens. ``checks`` compares it with the promises.

The moments of the calls follow from the expirations and the rules of the cache. A busy machine may still call too
late for a scenario; all scenarios are then repeated with credentials that are valid for longer.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from time import perf_counter as now
from typing import Any, NamedTuple

import anyio

from ... import CredentialsError, cached, from_instance_metadata
from ...events import Event, Refreshed
from ...testing import FakeAWS
from .._common import CommandError
from .callers import Caller, call_at_once

LATENCY = 0.15  # seconds per response of the fake: far longer than any overhead, and IMDS needs three in a row
# Seconds that credentials are valid. The scenarios take 1.6 lifetimes, the moments below are tenths of a second apart,
# and the second refresh comes more than one second after the first, which the cache enforces between two calls.
LIFETIME = 2.2
LIFETIME_PER_CALLER = 0.0002  # starting a task takes a tenth of that
LIFETIME_FACTORS = (1, 2, 4)  # applied in turn when a busy machine called too late
TIMEOUT = 5.0  # seconds per HTTP exchange: thousands of tasks that wake up at once keep the event loop busy
# All of them, so that no file of the user is read.
_OPTIONS: dict[str, Any] = {"timeout": TIMEOUT, "max_retries": 0, "ec2_metadata_v1_disabled": True}
# Fractions of such a short lifetime, by the rules of the cache: the advisory window is its second half, the mandatory
# window its last quarter. The refresh is due up to a tenth of the advisory window later, so at 0.55 at the latest.
ADVISORY_BEGINS, MANDATORY_BEGINS, CALL_AT = 0.5, 0.75, 0.57
_MARGIN = 0.02  # seconds after the expiration, because the two clocks drift apart by milliseconds


class Scenario(NamedTuple):
    """What was observed in one scenario: callers, HTTP requests (route and time), cached access key ids or ""."""

    name: str
    callers: list[Caller]
    requests: list[tuple[str, float]]
    key_before: str
    key_after: str


class Run(NamedTuple):
    """What was observed on one backend; of received credentials the access key id, time of arrival and expiration."""

    backend: str
    scenarios: list[Scenario]
    received: list[tuple[str, float, float]]


async def run_scenarios(aws: FakeAWS, backend: str, callers: int) -> Run:
    """Run all scenarios on the current backend."""
    for factor in LIFETIME_FACTORS:
        aws.lifetime = factor * (LIFETIME + LIFETIME_PER_CALLER * callers)
        with suppress(TimeoutError):
            return await Runner(aws, backend, callers).run()
    raise CommandError("this machine was too busy to call the provider in time; try again, or with fewer --callers")


class Runner:
    """Runs the scenarios once, with a new cached provider."""

    def __init__(self, aws: FakeAWS, backend: str, callers: int) -> None:
        self._aws = aws
        self._callers = callers
        self._clock_offset = time.time() - now()
        source = from_instance_metadata(endpoint=aws.metadata_url, **_OPTIONS)
        self._provider = cached(source, observer=self._observe)
        self._run = Run(backend, [], [])

    async def run(self) -> Run:
        """Run the scenarios; only the first one, if no credentials arrive in it."""
        self._aws.latency = 0.0
        with suppress(CredentialsError):  # the first call in a process imports the HTTP client, which is not measured
            await from_instance_metadata(endpoint=self._aws.metadata_url, **_OPTIONS)()
        self._aws.latency = LATENCY
        await self._measure("cold", cancel_after=LATENCY / 2)  # in the middle of the first of three requests
        if self._run.received:
            await self._measure("fresh", deadline=self._moment(ADVISORY_BEGINS))
            await self._measure("advisory", self._moment(CALL_AT), deadline=self._moment(MANDATORY_BEGINS))
            await self._measure("expired", self._moment(1) + _MARGIN)
        return self._run

    def _observe(self, event: Event) -> None:
        if isinstance(event, Refreshed) and event.credentials.expiration is not None:
            expires_at = event.credentials.expiration.timestamp() - self._clock_offset
            self._run.received.append((event.credentials.access_key_id, now(), expires_at))

    def _moment(self, fraction: float) -> float:
        """Return when this fraction of the lifetime of the newest credentials has passed."""
        _, received_at, expires_at = self._run.received[-1]
        return received_at + fraction * (expires_at - received_at)

    async def _measure(
        self, name: str, start: float = 0.0, *, deadline: float = math.inf, cancel_after: float | None = None
    ) -> None:
        requests, received = len(self._aws.exchanges), len(self._run.received)
        callers = await call_at_once(self._provider, self._callers, start, cancel_after)
        if callers[-1].called_at > deadline:
            raise TimeoutError
        with anyio.move_on_after(0 if name == "fresh" else 10 * LATENCY):  # a refresh may still be in progress
            while len(self._run.received) == received:  # noqa: ASYNC110 - an observer cannot set an event of any loop
                await anyio.sleep(LATENCY / 10)
        new = [(exchange.route, exchange.at - self._clock_offset) for exchange in self._aws.exchanges[requests:]]
        keys = ["", *(key for key, _, _ in self._run.received)]
        self._run.scenarios.append(Scenario(name, callers, new, keys[received], keys[-1]))
