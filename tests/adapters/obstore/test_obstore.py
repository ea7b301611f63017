"""The stores of obstore on a provider: real requests, each signed with a good set, and errors that come through."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import anycreds
from adapters.aiobotocore.signed_aws import SignedAws, signed_aws
from adapters.aiobotocore.sources import Source
from anycreds.testing import CANARY, ManualClock

pytest.importorskip("obstore")

import obstore
import obstore.store
from obstore.exceptions import UnauthenticatedError

from anycreds.adapters.obstore import StoreCredentials

SOURCE = Path(__file__).parents[3] / "src"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Give the only event loop that obstore awaits on."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="module")
def runtime() -> None:
    """Let obstore open, before any test, what it keeps until the process ends: its own event loop."""
    obstore.list(obstore.store.MemoryStore()).collect()


@pytest.fixture
def aws() -> Iterator[SignedAws]:
    """Serve for the time of the test."""
    with signed_aws() as found:
        yield found


def store_of(provider: Any, aws: SignedAws) -> Any:
    """Return a store whose bucket is at the server."""
    return obstore.store.S3Store(
        "bucket",
        endpoint=aws.url,
        region="us-east-1",
        client_options={"allow_http": True},
        credential_provider=provider,
        retry_config={"max_retries": 0},
    )


async def test_requests(aws: SignedAws) -> None:
    """Eight requests at once and one later, with one set from one call; all signatures are right."""
    aws.objects["/bucket/key"] = b"content"
    source = Source(aws)
    store = store_of(StoreCredentials(source), aws)
    found: list[str] = []

    async def names() -> None:
        found.extend(entry["path"] for entry in await obstore.list(store).collect_async())

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(names)
    await names()
    assert found == ["key"] * 9
    assert aws.key_ids == ["ASIA0001"] * 9
    assert aws.refusals == [None] * 9
    assert all(seen.has_token for seen in aws.seen)
    assert source.calls == 1


async def test_the_next_set(aws: SignedAws) -> None:
    """A set with little more than the five minutes left that obstore wants is not handed out, but another one."""
    source = Source(aws, life=900)
    provider = StoreCredentials(source.cached())
    store = store_of(provider, aws)
    await obstore.list(store).collect_async()
    assert await ending_in(provider) == 900
    source.clock.advance(900 - 330)
    assert await ending_in(provider) == 900
    assert source.calls == 2
    fresh = store_of(provider, aws)
    await obstore.list(fresh).collect_async()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def ending_in(provider: StoreCredentials) -> float:
    """Return in how many seconds the set ends that is handed out."""
    end: datetime | None = (await provider())["expires_at"]
    assert end is not None
    return round(end.timestamp() - provider._provider._runtime.time())


async def test_what_is_handed_out() -> None:
    """The names are obstore's, the end is in UTC, what is missing is None, and nothing shows the secret."""
    end = datetime.now(UTC) + timedelta(hours=1)

    async def temporary() -> anycreds.Credentials:
        return anycreds.Credentials("ASIAONE", f"{CANARY}-secret", f"{CANARY}-session", expiration=end)

    async def long_term() -> anycreds.Credentials:
        return anycreds.Credentials("AKIDONE", f"{CANARY}-secret")

    handed = await StoreCredentials(temporary)()
    assert handed == {
        "access_key_id": "ASIAONE",
        "secret_access_key": f"{CANARY}-secret",
        "token": f"{CANARY}-session",
        "expires_at": end,
    }
    assert CANARY not in f"{handed} {handed!r} {StoreCredentials(temporary)!r}"
    without = await StoreCredentials(long_term)()
    assert (without["token"], without["expires_at"]) == (None, None)


@pytest.mark.parametrize("life", [600.0, 240.0])
async def test_sets_that_are_never_long_enough(life: float) -> None:
    """Sets with a shorter life are handed out all the same, and cost no more calls than without asking for more."""
    clock = ManualClock()
    calls = []

    async def short() -> anycreds.Credentials:
        calls.append(clock.monotonic())
        end = datetime.fromtimestamp(clock.time(), UTC) + timedelta(seconds=life)
        return anycreds.Credentials(f"ASIA{len(calls)}", f"{CANARY}-secret", expiration=end)

    provider = StoreCredentials(anycreds.cached(short, clock=clock))
    for _ in range(60):
        assert await ending_in(provider) > 0
        clock.advance(1)
    assert len(calls) <= 2


async def test_an_outage_is_not_noticed_while_a_set_is_good() -> None:
    """When there is no longer set because the source is down, the cached one is handed out until it ends."""
    clock = ManualClock()
    error: list[Exception] = []

    async def source() -> anycreds.Credentials:
        if error:
            raise error[0]
        end = datetime.fromtimestamp(clock.time(), UTC) + timedelta(seconds=900)
        return anycreds.Credentials("ASIAONE", f"{CANARY}-secret", expiration=end)

    provider = StoreCredentials(anycreds.cached(source, clock=clock))
    await provider()
    for problem in (anycreds.RetrievalError("down"), anycreds.InvalidConfigurationError("broken")):
        error[:] = [problem]
        clock.advance(300)
        assert (await provider())["access_key_id"] == "ASIAONE"
    clock.advance(301)
    with pytest.raises(anycreds.InvalidConfigurationError, match="broken"):
        await provider()


async def test_a_failure_costs_one_call() -> None:
    """When there is nothing at all, the source is asked once for each request."""
    calls = []

    async def source() -> anycreds.Credentials:
        calls.append(1)
        raise anycreds.NotConfiguredError("nothing here")

    with pytest.raises(anycreds.NotConfiguredError):
        await StoreCredentials(source)()
    assert len(calls) == 1


async def test_errors(aws: SignedAws) -> None:
    """Who cannot get credentials gets obstore's error, with our text in it, and nothing is sent."""

    async def source() -> anycreds.Credentials:
        raise anycreds.RetrievalError("the vault is closed", hint="open it")

    with pytest.raises(UnauthenticatedError, match=r"the vault is closed \(open it\)"):
        await obstore.get_async(store_of(StoreCredentials(source), aws), "key")
    assert aws.seen == []


@pytest.mark.filterwarnings("ignore:.*was never awaited:RuntimeWarning")  # obstore calls it, and then sees that
async def test_not_without_a_loop(aws: SignedAws) -> None:
    """The functions of obstore that do not await cannot be served, and say so."""
    store = store_of(StoreCredentials(Source(aws)), aws)
    with pytest.raises(UnauthenticatedError, match="no running event loop"):
        await anyio.to_thread.run_sync(obstore.get, store, "key")


async def test_the_way_for_functions_that_do_not_await(aws: SignedAws) -> None:
    """They take obstore's own provider for boto3 with a session of our adapter for that."""
    boto3 = pytest.importorskip("boto3")
    from obstore.auth.boto3 import Boto3CredentialProvider

    from anycreds.adapters import _blocking_portal
    from anycreds.adapters.botocore import create_session

    session = boto3.Session(botocore_session=create_session(Source(aws), region="us-east-1"))
    store = store_of(Boto3CredentialProvider(session, ttl=timedelta(minutes=5)), aws)
    assert obstore.list(store).collect() == []
    _blocking_portal.stop_all()
    assert aws.key_ids == ["ASIA0001"]
    assert aws.refusals == [None]


async def test_region() -> None:
    """The region is the store's, and the provider is told of it."""
    provider = anycreds.cached(Source(SignedAws()))
    handed = StoreCredentials(provider, region="eu-central-1")
    assert handed._provider is provider.for_client(anycreds.ClientContext(region="eu-central-1"))
    assert obstore.store.S3Store("bucket", credential_provider=handed).config["region"] == "eu-central-1"


def test_without_obstore() -> None:
    """When obstore is missing, the error says what to install."""
    hide = "import sys; sys.path[:] = [path for path in sys.path if 'site-packages' not in path]; "
    program = hide + "sys.modules['anyio'] = sys; import anycreds.adapters.obstore"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=15,  # seconds; it needs less than one
        check=False,
    )
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: anycreds.adapters.obstore needs obstore: pip install anycreds[obstore]"
    )


async def test_the_example(aws: SignedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of the docstring's example lists its bucket."""
    keys = aws.know(anycreds.Credentials("AKIDEXAMPLE", f"{CANARY}-secret"))
    aws.objects["/bucket/key"] = b"content"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    known = {"anycreds": anycreds, "obstore": obstore, "StoreCredentials": StoreCredentials}
    (example,) = doctest.DocTestFinder(recurse=False).find(StoreCredentials, globs=known)
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    assert await example.globs["names"]() == ["key"]
    assert aws.refusals == [None]
