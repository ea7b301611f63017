"""Assuming a role, cold: one signed exchange with STS, compared with one httpx client."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter, time
from xml.etree.ElementTree import Element, fromstring

import httpx

from anycreds import ClientConfig, Credentials, from_temporary_credentials
from anycreds._core.http import Url
from anycreds._providers.sts.requests import FORM_TYPE, assume_role_form
from anycreds._wire.sigv4 import Scope, sign_headers

from .measurement import Fake, Row, fake_aws, interleaved, ratio, run_on, span

GOAL = 1.5
ROLE = "arn:aws:iam::123456789012:role/Demo"
REGION = "us-east-1"
CALLS = 5  # per sample, so that one slow system call does not dominate the figure


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row of one event loop."""
    with fake_aws() as fake:
        return run_on(loop, lambda: _measure(loop, 10 if quick else 50, fake))


async def _measure(loop: str, rounds: int, fake: Fake) -> list[Row]:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # created once, without certificates: ours needs none
    keys = Credentials(fake.access_key_id, fake.secret_access_key)
    config = ClientConfig(region=REGION, endpoint_url=fake.metadata_url)

    async def ours() -> None:
        await from_temporary_credentials(ROLE, source_credentials=keys, client_config=config)()

    async def chained() -> None:
        source = from_temporary_credentials(ROLE, source_credentials=keys, client_config=config)
        source = from_temporary_credentials(ROLE, source_credentials=source, client_config=config)
        await from_temporary_credentials(ROLE, source_credentials=source, client_config=config)()

    async def client() -> None:
        async with httpx.AsyncClient(trust_env=False, verify=bare) as http:
            await _client_exchanges(http, fake.metadata_url, keys)

    async def client_chained() -> None:
        async with httpx.AsyncClient(trust_env=False, verify=bare) as http:
            found = keys
            for _ in range(3):
                found = await _client_exchanges(http, fake.metadata_url, found)

    samples = [_timed(what) for what in (ours, client, chained, client_chained)]
    await interleaved(2, *samples)  # warm up: imports
    mine, least, my_chains, least_chains = await interleaved(rounds, *samples)
    return [
        _row("assume role cold, one exchange", loop, mine, least),
        _row("chain of three roles, three exchanges", loop, my_chains, least_chains),
    ]


def _row(what: str, loop: str, mine: list[float], least: list[float]) -> Row:
    return Row(
        what=what,
        loop=loop,
        unit="s",
        ours=span(mine),
        baseline=span(least),
        baseline_is="one httpx client, TLS context ready, requests signed by the same code",
        kind="ratio",
        judged=ratio(mine, least),
        goal=GOAL,
        details={"least": min(mine) / min(least)},
    )


def _timed(what: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[float]]:
    """Return a sample for ``interleaved``: the mean time of a few calls."""

    async def sample() -> float:
        started = perf_counter()
        for _ in range(CALLS):
            await what()
        return (perf_counter() - started) / CALLS

    return sample


async def _client_exchanges(http: httpx.AsyncClient, base: str, keys: Credentials) -> Credentials:
    body = assume_role_form({"RoleArn": ROLE, "RoleSessionName": f"by-hand-{time():.0f}"})
    head = {"Content-Type": FORM_TYPE}
    endpoint = httpx.URL(base)
    url = Url("http", endpoint.host, endpoint.port, "/")
    signed = sign_headers(keys, Scope(REGION, "sts"), time(), "POST", url, headers=head, body=body)
    assert isinstance(signed, dict)
    response = (await http.post(f"{base}/", content=body, headers={**head, **signed})).raise_for_status()
    found = {field.tag.rpartition("}")[2]: field.text or "" for field in _elements(response.content)}
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def _elements(document: bytes) -> Iterator[Element]:
    return fromstring(document).iter()  # noqa: S314 - the fake's own response
