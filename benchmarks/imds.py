"""EC2 instance metadata, cold: token, role list and role document, compared with one httpx client."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from time import perf_counter

import httpx

from anycreds import from_instance_metadata

from .measurement import Fake, Row, fake_aws, interleaved, ratio, run_on, span

GOAL = 1.2
CALLS = 5  # per sample, so that one slow system call does not dominate the figure
ROLES = "/latest/meta-data/iam/security-credentials/"


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row of one event loop."""
    with fake_aws() as fake:
        return run_on(loop, lambda: _measure(loop, 10 if quick else 50, fake))


async def _measure(loop: str, rounds: int, fake: Fake) -> list[Row]:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # created once, without certificates: ours needs none

    async def ours() -> None:
        await from_instance_metadata(endpoint=fake.metadata_url)()

    async def client() -> None:
        async with httpx.AsyncClient(trust_env=False, verify=bare) as http:
            await _client_exchanges(http, fake.metadata_url)

    async def default_client() -> None:
        async with httpx.AsyncClient() as http:
            await _client_exchanges(http, fake.metadata_url)

    samples = [timed(what) for what in (ours, client)]
    await interleaved(2, *samples)  # warm up: imports
    mine, least = await interleaved(rounds, *samples)
    few, default = await interleaved(max(2, rounds // 20), samples[0], timed(default_client))
    to_default = ratio(few, default)
    row = Row(
        what="IMDS cold, three exchanges",
        loop=loop,
        unit="s",
        ours=span(mine),
        baseline=span(least),
        baseline_is="one httpx client, TLS context ready",
        kind="ratio",
        judged=ratio(mine, least),
        goal=GOAL,
        notes=(f"compared with a default client, which loads the certificates each time: {to_default.median:.2f} ×",),
        details={"default_client": span(default), "to_default_client": to_default},
    )
    return [row]


def timed(what: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[float]]:
    """Return a sample for ``interleaved``: the mean time of a few calls."""

    async def sample() -> float:
        started = perf_counter()
        for _ in range(CALLS):
            await what()
        return (perf_counter() - started) / CALLS

    return sample


async def _client_exchanges(http: httpx.AsyncClient, base: str) -> None:
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
    token = (await http.put(f"{base}/latest/api/token", headers=ttl)).raise_for_status().text
    head = {"X-aws-ec2-metadata-token": token}
    role = (await http.get(base + ROLES, headers=head)).raise_for_status().text
    document = (await http.get(base + ROLES + role, headers=head)).raise_for_status()
    assert json.loads(document.content)["Code"] == "Success"
