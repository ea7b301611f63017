"""``keep_fresh``: no caller waits while the block is open, and nothing that it started outlives it."""

from __future__ import annotations

import copy
import doctest
import logging
import pickle
import threading

import anyio
import pytest

import anycreds
from anycreds.testing import CANARY, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

HOUR = 3600.0


async def test_no_caller_waits_inside_the_block() -> None:
    """Over a day of hourly credentials from a slow source, every call and every plain read returns at once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=3.0, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh() as handle:
        start = clock.monotonic()
        while clock.monotonic() < start + 24 * HOUR:
            before = clock.monotonic()
            got = await provider()
            assert clock.monotonic() == before
            assert handle.credentials is got
            assert got.expiration is not None
            assert got.expiration.timestamp() > clock.time()
            await anyio.sleep(701)
    assert 24 <= upstream.calls <= 35


async def test_entering_waits_for_the_first_credentials() -> None:
    """When the block begins the handle has credentials."""
    clock = VirtualClock()
    async with anycreds.cached(FakeSource(clock, latency=2.0), clock=clock).keep_fresh() as handle:
        assert clock.monotonic() == 2.0
        assert handle.credentials.access_key_id == "AKID1"


async def test_entering_raises_the_error_of_the_provider() -> None:
    """Without first credentials the block does not begin."""
    provider = anycreds.cached(FakeSource(VirtualClock(), anycreds.RetrievalError("down")))
    with pytest.raises(anycreds.RetrievalError, match="down"):
        async with provider.keep_fresh():
            raise AssertionError


@pytest.mark.fault("C11")
async def test_error_of_the_body_is_raised_unchanged() -> None:
    """An error of the body is raised as it is, not in a group."""
    clock = VirtualClock()
    with pytest.raises(ZeroDivisionError):
        async with anycreds.cached(FakeSource(clock), clock=clock).keep_fresh():
            raise ZeroDivisionError


async def test_cancelled_body_ends_at_once() -> None:
    """A deadline around the block ends it on time."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=HOUR), clock=clock)
    with anyio.move_on_after(7.0) as scope:
        async with provider.keep_fresh():
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic() == 7.0


async def test_nothing_outlives_the_block() -> None:
    """A refresh in progress when the block ends is cancelled, and no task calls the source afterwards."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh():
        upstream.latency = 50.0
        for _ in range(4000):
            await anyio.sleep(0 if upstream.running else 1)
        assert upstream.running == 1
    assert upstream.running == 0
    calls = upstream.calls
    await anyio.sleep(24 * HOUR)
    assert upstream.calls == calls


async def test_handle_raises_the_failure_after_the_expiration_only() -> None:
    """While the credentials are valid the handle returns them during an outage; then it raises the failure."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(anycreds.RetrievalError("down") for _ in range(500)))
    async with anycreds.cached(upstream, clock=clock).keep_fresh() as handle:
        await anyio.sleep(HOUR - 1)
        assert handle.credentials.access_key_id == "AKID1"
        await anyio.sleep(2)
        with pytest.raises(anycreds.RetrievalError, match="down"):
            _ = handle.credentials
        assert upstream.calls < 20
        upstream.outcomes.clear()
        await anyio.sleep(40)
        assert handle.credentials.expiration is not None


async def test_frozen_credentials_are_read_without_awaiting() -> None:
    """Code that signs without awaiting gets the current keys from the handle for each signature."""
    clock = VirtualClock()
    async with anycreds.cached(FakeSource(clock, life=HOUR), clock=clock).keep_fresh() as handle:
        frozen = handle.get_frozen_credentials()
        assert frozen.access_key == "AKID1"
        assert (frozen.secret_key, frozen.token) == (f"{CANARY}-secret-1", f"{CANARY}-session-1")
        assert frozen.account_id is None
        await anyio.sleep(HOUR)
        assert handle.get_frozen_credentials().access_key == "AKID2"
        assert frozen.access_key == "AKID1"


async def test_handle_can_be_read_in_any_thread() -> None:
    """Frozen credentials can be read in another thread."""
    found = []
    async with anycreds.cached(FakeSource(VirtualClock(), make_credentials("1", None))).keep_fresh() as handle:
        thread = threading.Thread(target=lambda: found.append(handle.get_frozen_credentials().access_key))
        thread.start()
        thread.join()
    assert found == ["AKID1"]


async def test_frozen_credentials_are_immutable_and_show_no_secret() -> None:
    """They cannot be changed, pickled or printed; copies are the same object; missing fields are None."""
    keys = anycreds.Credentials("AKIDLONG", f"{CANARY}-secret", account_id="123456789012")
    async with anycreds.cached(FakeSource(VirtualClock(), keys)).keep_fresh() as handle:
        frozen = handle.get_frozen_credentials()
    assert frozen.token is None
    assert frozen.account_id == "123456789012"
    assert f"{frozen} {frozen!r}" == "FrozenCredentials('AKIDLONG') FrozenCredentials('AKIDLONG')"
    assert copy.copy(frozen) is copy.deepcopy(frozen) is frozen
    with pytest.raises(AttributeError, match="frozen; attribute token cannot be set"):
        frozen.token = "none"
    with pytest.raises(AttributeError, match="frozen; attribute token cannot be deleted"):
        del frozen.token
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(frozen)


async def test_botocore_signers_accept_frozen_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signer that reads the handle for each request uses the credentials of that moment."""
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest

    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.INFO)  # its debug records show what it signs
    clock = VirtualClock()
    async with anycreds.cached(FakeSource(clock, life=HOUR), clock=clock).keep_fresh() as handle:
        for number in (1, 2):
            request = AWSRequest("GET", "https://example.com/")
            auth.SigV4Auth(handle.get_frozen_credentials(), "es", "eu-central-1").add_auth(request)
            assert f"Credential=AKID{number}/" in request.headers["Authorization"]
            assert request.headers["X-Amz-Security-Token"] == f"{CANARY}-session-{number}"
            await anyio.sleep(HOUR)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_example_of_frozen_credentials(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example in the docstring signs a request with the keys of the environment."""
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest

    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.INFO)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{CANARY}-secret")
    known = {"anycreds": anycreds, "SigV4Auth": auth.SigV4Auth}
    documented = anycreds.FreshCredentials.get_frozen_credentials
    (example,) = doctest.DocTestFinder(recurse=False).find(documented, globs=known)
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    request = AWSRequest("GET", "https://example.com/")
    anyio.run(example.globs["signed"], request, backend=backend)  # in real time: the chain uses threads
    assert "Credential=AKIDEXAMPLE/" in request.headers["Authorization"]


async def test_frozen_credentials_raise_the_failure_after_the_expiration() -> None:
    """After the last expiration reading frozen credentials raises the source's failure."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, *(anycreds.RetrievalError("down") for _ in range(500)))
    async with anycreds.cached(upstream, clock=clock).keep_fresh() as handle:
        await anyio.sleep(HOUR + 1)
        with pytest.raises(anycreds.RetrievalError, match="down"):
            handle.get_frozen_credentials()


async def test_handle_raises_after_invalidation_until_the_refresh_ends() -> None:
    """After ``invalidate`` the handle raises an error until new credentials have arrived."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, latency=5.0), clock=clock)
    async with provider.keep_fresh() as handle:
        provider.invalidate(handle.credentials)
        with pytest.raises(anycreds.RetrievalError, match="invalidated, and the refresh has not finished yet"):
            _ = handle.credentials
        await anyio.sleep(60)
        assert handle.credentials.access_key_id == "AKID2"


async def test_failed_refresh_without_credentials_is_logged_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """If the source fails when there are no credentials, the task logs the failure and tries again."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh() as handle:
        provider.invalidate(handle.credentials)
        upstream.outcomes.extend(anycreds.RetrievalError("down") for _ in range(3))
        with caplog.at_level(logging.INFO, logger="anycreds.keep_fresh"):
            await anyio.sleep(60)
        logged = [record.getMessage() for record in caplog.records if record.name == "anycreds.keep_fresh"]
        assert logged == ["function FakeSource: down"] * 3
        assert handle.credentials.access_key_id == "AKID5"


async def test_task_tries_again_when_the_credentials_expire() -> None:
    """A backoff of the mandatory window ends with the credentials, for the task as for callers."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, latency=4.0)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh() as handle:
        expiration = clock.monotonic() + HOUR
        upstream.outcomes.extend(anycreds.RetrievalError("down") for _ in range(20))
        await anyio.sleep(HOUR - 1)  # the last attempt has just failed, and the next one would start in 26 s
        assert upstream.started[-1] == expiration - 9
        upstream.outcomes.clear()
        await anyio.sleep(6)
        assert upstream.started[-1] == expiration
        assert handle.credentials.expiration is not None


@pytest.mark.fault("U24")
async def test_clock_step_is_noticed_within_half_a_minute() -> None:
    """After a wall clock step past the expiration the task refreshes within 30 s, without a call."""
    clock = VirtualClock()
    async with anycreds.cached(FakeSource(clock, life=12 * HOUR), clock=clock).keep_fresh() as handle:
        clock.step(13 * HOUR)
        await anyio.sleep(31)
        assert handle.credentials.access_key_id == "AKID2"


async def test_two_blocks_share_refreshes() -> None:
    """Two blocks of one provider do not double its calls, and after one ends the other still refreshes."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh() as outer:
        async with provider.keep_fresh():
            await anyio.sleep(10 * HOUR)
        calls = upstream.calls
        assert calls <= 14
        await anyio.sleep(5 * HOUR)
        assert upstream.calls > calls
        assert outer.credentials.expiration is not None
        assert outer.credentials.expiration.timestamp() > clock.time()
