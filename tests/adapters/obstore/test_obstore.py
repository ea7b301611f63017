"""Stores of obstore with a provider: requests are signed with valid credentials, and errors are reported."""

from __future__ import annotations

import doctest
import os
import pickle
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
from adapters.aiobotocore.sources import RecordingProvider, Source
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
    """Return the only event loop on which obstore awaits."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="module")
def runtime() -> None:
    """Start obstore's own event loop, which lives until the process ends, before any test."""
    obstore.list(obstore.store.MemoryStore()).collect()


@pytest.fixture
def aws() -> Iterator[SignedAws]:
    """Return a server that runs during the test."""
    with signed_aws() as found:
        yield found


def store_of(provider: Any, aws: SignedAws) -> Any:
    """Return a store whose bucket is on the server."""
    return obstore.store.S3Store(
        "bucket",
        endpoint=aws.url,
        region="us-east-1",
        client_options={"allow_http": True},
        credential_provider=provider,
        retry_config={"max_retries": 0},
    )


async def my_keys() -> anycreds.Credentials:
    """Return credentials; a module-level function, which can be pickled."""
    return anycreds.Credentials("AKIDMINE", f"{CANARY}-secret", f"{CANARY}-token")


async def test_store_is_pickled(aws: SignedAws) -> None:
    """A store can be pickled after use, without a secret, and its copy signs with credentials of the same provider."""
    aws.know(await my_keys())
    aws.objects["/bucket/key"] = b"content"
    provider = anycreds.cached(my_keys)
    store = store_of(StoreCredentials(provider, region="us-east-1"), aws)
    await obstore.list(store).collect_async()
    text = pickle.dumps(store)
    assert CANARY.encode() not in text
    copied: Any = pickle.loads(text)
    assert [entry["path"] for entry in await obstore.list(copied).collect_async()] == ["key"]
    assert copied.credential_provider._provider is provider
    assert aws.error_codes == [None, None]


async def test_requests_are_signed(aws: SignedAws) -> None:
    """Nine requests, eight of them concurrent, have valid signatures with credentials of one call."""
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
    assert aws.error_codes == [None] * 9
    assert all(seen.has_token for seen in aws.seen)
    assert source.calls == 1


async def test_credentials_with_little_lifetime_are_replaced(aws: SignedAws) -> None:
    """Credentials with little more than the five minutes that obstore requires are replaced first."""
    source = Source(aws, lifetime=900)
    provider = StoreCredentials(source.cached())
    store = store_of(provider, aws)
    await obstore.list(store).collect_async()
    assert await remaining_lifetime(provider) == 900
    source.clock.advance(900 - 330)
    assert await remaining_lifetime(provider) == 900
    assert source.calls == 2
    fresh = store_of(provider, aws)
    await obstore.list(fresh).collect_async()
    assert aws.key_ids == ["ASIA0001", "ASIA0002"]


async def remaining_lifetime(provider: StoreCredentials) -> float:
    """Return the remaining lifetime, in seconds, of the returned credentials."""
    end: datetime | None = (await provider())["expires_at"]
    assert end is not None
    return round(end.timestamp() - provider._provider._runtime.time())


async def test_returned_dict() -> None:
    """The dict has obstore's keys, always an expiration in UTC, None for a missing token, and no secret in its text."""
    end = datetime.now(UTC) + timedelta(hours=1)

    async def temporary() -> anycreds.Credentials:
        return anycreds.Credentials("ASIAONE", f"{CANARY}-secret", f"{CANARY}-session", expiration=end)

    async def long_term() -> anycreds.Credentials:
        return anycreds.Credentials("AKIDONE", f"{CANARY}-secret")

    returned = await StoreCredentials(temporary)()
    assert returned == {
        "access_key_id": "ASIAONE",
        "secret_access_key": f"{CANARY}-secret",
        "token": f"{CANARY}-session",
        "expires_at": end,
    }
    assert CANARY not in f"{returned} {returned!r} {StoreCredentials(temporary)!r}"
    without = StoreCredentials(anycreds.cached(long_term, clock=ManualClock()))
    assert (await without())["token"] is None
    assert await remaining_lifetime(without) == 360


@pytest.mark.parametrize("lifetime", [600.0, 240.0])
async def test_source_with_short_lifetimes(lifetime: float) -> None:
    """Credentials with less than six minutes are returned as well, and cause no additional calls."""
    clock = ManualClock()
    calls = []

    async def short() -> anycreds.Credentials:
        calls.append(clock.monotonic())
        end = datetime.fromtimestamp(clock.time(), UTC) + timedelta(seconds=lifetime)
        return anycreds.Credentials(f"ASIA{len(calls)}", f"{CANARY}-secret", expiration=end)

    provider = StoreCredentials(anycreds.cached(short, clock=clock))
    for _ in range(60):
        assert await remaining_lifetime(provider) > 0
        clock.advance(1)
    assert len(calls) <= 2


async def test_outage_with_valid_credentials() -> None:
    """During an outage of the source the cached credentials are returned until they expire."""
    clock = ManualClock()
    error: list[Exception] = []

    async def source() -> anycreds.Credentials:
        if error:
            raise error[0]
        end = datetime.fromtimestamp(clock.time(), UTC) + timedelta(seconds=900)
        return anycreds.Credentials("ASIAONE", f"{CANARY}-secret", expiration=end)

    provider = StoreCredentials(anycreds.cached(source, clock=clock))
    await provider()
    for failure in (anycreds.RetrievalError("down"), anycreds.InvalidConfigurationError("broken")):
        error[:] = [failure]
        clock.advance(300)
        assert (await provider())["access_key_id"] == "ASIAONE"
    clock.advance(301)
    with pytest.raises(anycreds.InvalidConfigurationError, match="broken"):
        await provider()


async def test_failure_makes_one_call() -> None:
    """Without any credentials the source is called once for each request."""
    calls = []

    async def source() -> anycreds.Credentials:
        calls.append(1)
        raise anycreds.NotConfiguredError("nothing here")

    with pytest.raises(anycreds.NotConfiguredError):
        await StoreCredentials(source)()
    assert len(calls) == 1


async def test_provider_error(aws: SignedAws) -> None:
    """Obstore raises its own error with the text of the provider's error, and sends nothing."""

    async def source() -> anycreds.Credentials:
        raise anycreds.RetrievalError("the vault is closed", hint="open it")

    with pytest.raises(UnauthenticatedError, match=r"the vault is closed \(open it\)"):
        await obstore.get_async(store_of(StoreCredentials(source), aws), "key")
    assert aws.seen == []


@pytest.mark.filterwarnings("ignore:.*was never awaited:RuntimeWarning")  # obstore calls the provider before it fails
async def test_sync_functions_without_event_loop(aws: SignedAws) -> None:
    """Obstore's sync functions have no event loop and raise an error."""
    store = store_of(StoreCredentials(Source(aws)), aws)
    with pytest.raises(UnauthenticatedError, match="no running event loop"):
        await anyio.to_thread.run_sync(obstore.get, store, "key")


async def test_sync_functions_with_a_boto3_session(aws: SignedAws) -> None:
    """Obstore's sync functions work with its provider for boto3 and a session of the botocore adapter."""
    boto3 = pytest.importorskip("boto3")
    from obstore.auth.boto3 import Boto3CredentialProvider

    from anycreds.adapters import _blocking_portal
    from anycreds.adapters.botocore import create_session

    session = boto3.Session(botocore_session=create_session(Source(aws), region="us-east-1"))
    store = store_of(Boto3CredentialProvider(session, ttl=timedelta(minutes=5)), aws)
    assert obstore.list(store).collect() == []
    _blocking_portal.stop_all()
    assert aws.key_ids == ["ASIA0001"]
    assert aws.error_codes == [None]


async def test_region() -> None:
    """The region reaches the store and the provider."""
    provider = anycreds.cached(RecordingProvider(anycreds.Credentials("AKIDONE", f"{CANARY}-secret")))
    returned = StoreCredentials(provider, region="eu-central-1")
    assert returned._provider is provider.for_client(anycreds.ClientContext(region="eu-central-1"))
    assert obstore.store.S3Store("bucket", credential_provider=returned).config["region"] == "eu-central-1"


def test_import_error_without_obstore() -> None:
    """Without obstore, the import error names the package to install."""
    hide = "import sys; sys.path[:] = [path for path in sys.path if 'site-packages' not in path]; "
    program = hide + "sys.modules['anyio'] = sys; import anycreds.adapters.obstore"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=15,  # seconds; a run needs less than one
        check=False,
    )
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: anycreds.adapters.obstore needs obstore: pip install anycreds[obstore]"
    )


async def test_example(aws: SignedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's store lists its bucket."""
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
    assert aws.error_codes == [None]
