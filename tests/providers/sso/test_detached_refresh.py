"""A token refresh that has begun is finished, however its caller or its event loop ends.

The service spends the single-use refresh token when the request arrives, and responds 0.2 s later. Meanwhile the caller
is cancelled. The new token must be in the file shortly after, and the next program must use it without a sign-in.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
import trio

import anycreds
from anycreds._config.client_config import ClientConfig
from anycreds._core.credentials import Credentials
from anycreds.testing import Delay, FakeAWS
from support.goals import RecordGoal

pytestmark = pytest.mark.realtime

CONFIG = """
[profile dev]
sso_session = my-sso
sso_account_id = 123456789012
sso_role_name = Dev
[sso-session my-sso]
sso_start_url = https://anycreds-fake.awsapps.com/start
sso_region = us-east-1
"""
LATENCY = 0.2
Provider = Callable[[], Awaitable[Credentials]]


@pytest.fixture
def latency() -> float:
    """Return how many seconds a refresh takes."""
    return LATENCY


@pytest.fixture
def aws(latency: float) -> Iterator[FakeAWS]:
    """Return a fake AWS whose refresh takes that long."""
    with FakeAWS.in_thread() as fake:
        fake.script("sso token", Delay(latency))
        yield fake


@pytest.fixture
def file(isolated: Path, aws: FakeAWS) -> Path:
    """Return the path of the token file, which contains a token that needs a refresh, and write the profile."""
    path = isolated / ".aws" / "sso" / "cache" / "0ad374308c5a4e22f723adf10145eafad7c4031c.json"
    path.parent.mkdir(parents=True)
    (isolated / ".aws" / "config").write_text(CONFIG)
    sign_in(aws, path)
    return path


def sign_in(aws: FakeAWS, file: Path) -> None:
    """Write a token that needs a refresh."""
    file.write_text(json.dumps(aws.sso_token(expires_in=-5)))
    file.chmod(0o600)


def refresh_token(file: Path) -> Any:
    return json.loads(file.read_text())["refreshToken"]


def make_provider(aws: FakeAWS, *, is_cached: bool) -> Provider:
    provider = anycreds.from_sso("dev", client_config=ClientConfig(endpoint_url=aws.service_url))
    return anycreds.cached(provider) if is_cached else provider


def assert_session_survives(aws: FakeAWS, file: Path, old: str) -> None:
    """Check that the new token is written, and that the next program uses it."""
    end = time.monotonic() + 5
    while refresh_token(file) == old and time.monotonic() < end:
        time.sleep(0.005)
    assert refresh_token(file) != old
    assert anyio.run(make_provider(aws, is_cached=False)).account_id == "123456789012"
    assert (aws.count("sso token"), aws.reused_refresh_tokens) == (1, 0)
    assert {one.name for one in file.parent.iterdir()} == {file.name, f"{file.name}.lock"}


async def request_sent(aws: FakeAWS, sleep: Callable[[float], Awaitable[None]]) -> None:
    while not aws.count("sso token"):
        await sleep(0.002)


async def asyncio_timeout(provider: Provider, aws: FakeAWS) -> None:
    async def call() -> None:
        async with asyncio.timeout(None) as timeout:
            sent = asyncio.create_task(request_sent(aws, asyncio.sleep))
            sent.add_done_callback(lambda _: timeout.reschedule(0))
            await provider()

    with pytest.raises(TimeoutError):
        await call()


async def asyncio_wait_for(provider: Provider, aws: FakeAWS) -> None:
    call = asyncio.ensure_future(provider())
    await request_sent(aws, asyncio.sleep)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call, 0.001)


async def asyncio_cancel(provider: Provider, aws: FakeAWS) -> None:
    call = asyncio.ensure_future(provider())
    await request_sent(aws, asyncio.sleep)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def asyncio_end_of_run(provider: Provider, aws: FakeAWS) -> None:
    asyncio_end_of_run.call = asyncio.ensure_future(provider())  # type: ignore[attr-defined]
    await request_sent(aws, asyncio.sleep)


async def anyio_timeout(provider: Provider, aws: FakeAWS) -> None:
    async def call() -> None:
        with anyio.fail_after(None) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_when_sent, scope)
                await provider()

    async def cancel_when_sent(scope: anyio.CancelScope) -> None:
        await request_sent(aws, anyio.sleep)
        scope.deadline = anyio.current_time()

    with pytest.raises(TimeoutError):
        await call()


async def trio_scope(provider: Provider, aws: FakeAWS) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(provider)
        await request_sent(aws, trio.sleep)
        nursery.cancel_scope.cancel()


async def trio_end_of_run(provider: Provider, aws: FakeAWS) -> None:
    trio.lowlevel.spawn_system_task(provider)
    await request_sent(aws, trio.sleep)


def run_until_complete(main: Callable[[], Any]) -> None:
    """Run a loop and close it with its tasks pending."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


WAYS = [
    (asyncio.run, asyncio_timeout),
    (asyncio.run, asyncio_wait_for),
    (asyncio.run, asyncio_cancel),
    (asyncio.run, asyncio_end_of_run),
    (asyncio.run, anyio_timeout),
    (trio.run, anyio_timeout),
    (trio.run, trio_scope),
    (trio.run, trio_end_of_run),
]


@pytest.mark.fault("S14")
@pytest.mark.parametrize("is_cached", [False, True], ids=["uncached", "cached"])
@pytest.mark.parametrize(("run", "way"), WAYS, ids=[f"{run.__module__}-{way.__name__}" for run, way in WAYS])
def test_cancelled(run: Any, way: Any, is_cached: bool, aws: FakeAWS, file: Path) -> None:
    """The caller leaves with its own cancellation before the service responds, and the new token is written."""
    old = refresh_token(file)

    async def main() -> None:
        provider = make_provider(aws, is_cached=is_cached)
        started = time.monotonic()
        await way(provider, aws)
        assert refresh_token(file) == old or time.monotonic() - started > LATENCY

    run(main) if run is trio.run else run(main())
    assert_session_survives(aws, file, old)


@pytest.mark.fault("S14")
@pytest.mark.parametrize("latency", [1.0])
@pytest.mark.parametrize("is_cached", [False, True], ids=["uncached", "cached"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_caller_leaves_at_once(backend: str, is_cached: bool, aws: FakeAWS, file: Path) -> None:
    """A caller whose scope is cancelled while the service takes a second leaves at once, with no error of its own."""
    old = refresh_token(file)

    async def main() -> float:
        provider = make_provider(aws, is_cached=is_cached)
        with anyio.CancelScope() as outer:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cast("Any", provider))
                await request_sent(aws, anyio.sleep)
                started = time.monotonic()
                outer.cancel()
        assert outer.cancelled_caught
        return time.monotonic() - started

    assert anyio.run(main, backend=backend) < 0.5
    assert_session_survives(aws, file, old)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_closed_loop(aws: FakeAWS, file: Path) -> None:
    """A loop that is closed with the refresh in progress, without cancelling it, does not lose the token."""
    old = refresh_token(file)
    calls: list[Any] = []

    async def main() -> None:
        calls.append(asyncio.ensure_future(make_provider(aws, is_cached=False)()))
        await request_sent(aws, asyncio.sleep)

    run_until_complete(main)
    assert_session_survives(aws, file, old)
    calls[0]._log_destroy_pending = False


PROGRAM = """
import asyncio, sys, time, anyio, trio
import anycreds

timeout = 1.0 if "short timeout" in sys.argv else 5.0
config = anycreds.ClientConfig(endpoint_url=sys.argv[2])
provider = anycreds.from_sso("dev", client_config=config, timeout=timeout)
if "cached" in sys.argv:
    provider = anycreds.cached(provider)

async def main():
    if sys.argv[3] == "ctrl-c":
        print((await provider()).account_id)
    try:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(provider)
                await anyio.to_thread.run_sync(sys.stdin.readline)
                tasks.cancel_scope.cancel()
    except TimeoutError:
        print("timeout")

def run_until_complete(main):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())

runs = {"asyncio": lambda main: asyncio.run(main()), "trio": trio.run, "run_until_complete": run_until_complete}
runs[sys.argv[1]](main)
"""


@pytest.mark.fault("C09", "S14")
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("run", "end", "cached"),  # each pair of two values occurs
    [
        ("asyncio", "ctrl-c", "uncached"),
        ("asyncio", "end", "cached"),
        ("trio", "ctrl-c", "cached"),
        ("trio", "end", "uncached"),
        ("run_until_complete", "ctrl-c", "uncached"),
        ("run_until_complete", "end", "cached"),
    ],
)
def test_end_of_process(run: str, end: str, cached: str, aws: FakeAWS, file: Path) -> None:
    """A process that ends by itself or by Ctrl-C waits until the new token is written."""
    old = refresh_token(file)
    command = [sys.executable, "-c", PROGRAM, run, aws.service_url, end, cached]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        while not aws.count("sso token"):
            assert program.poll() is None, program.communicate()[1].decode()
            time.sleep(0.005)
        if end == "ctrl-c":
            program.send_signal(signal.SIGINT)
        stdout, stderr = program.communicate(b"\n", timeout=15)
    assert refresh_token(file) != old, stderr.decode()
    assert stdout == b""
    assert (b"KeyboardInterrupt" in stderr) == (end == "ctrl-c")
    assert_session_survives(aws, file, old)


@pytest.mark.skipif(os.name != "posix", reason="counts seconds of a process of its own")
def test_end_of_process_is_bounded(aws: FakeAWS, file: Path) -> None:
    """A process does not wait for a service that never responds for longer than 1.5 s."""
    aws.restore()
    aws.script("sso token", Delay(30))
    command = [sys.executable, "-c", PROGRAM, "asyncio", aws.service_url, "end"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        while not aws.count("sso token"):
            assert program.poll() is None
            time.sleep(0.005)
        started = time.monotonic()
        program.communicate(b"\n", timeout=20)
        assert 1.0 < time.monotonic() - started < 4.0
    assert file.exists()


@pytest.mark.parametrize("is_cached", [False, True], ids=["uncached", "cached"])
@pytest.mark.parametrize("action", ["sign in", "sign out"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_user_during_a_refresh(backend: str, action: str, is_cached: bool, aws: FakeAWS, file: Path) -> None:
    """What the user does while a refresh is in progress stays: a new sign-in is used, a sign-out is not undone."""
    new = aws.sso_token(expires_in=3600)

    async def user() -> None:
        await request_sent(aws, anyio.sleep)
        act()

    def act() -> None:
        if action == "sign in":
            file.write_text(json.dumps(new))
        else:
            file.unlink()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(user)
            provider = make_provider(aws, is_cached=is_cached)
            if action == "sign in":
                assert (await provider()).account_id == "123456789012"
            else:
                with pytest.raises(anycreds.LoginRequiredError, match="does not exist"):
                    await provider()

    anyio.run(main, backend=backend)
    assert aws.count("sso token") == 1
    if action == "sign in":
        assert json.loads(file.read_text()) == new
    else:
        assert not file.exists()


@pytest.mark.fault("S13")
@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.parametrize("attack", ["link", "open directory"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_another_user_during_a_refresh(
    backend: str, attack: str, aws: FakeAWS, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link that is laid during the refresh is not followed; nothing is written where every user may write."""
    victim = file.with_name("victim")
    victim.write_text("important")
    before = file.read_text()

    async def attacker() -> None:
        await request_sent(aws, anyio.sleep)
        act()

    def act() -> None:
        if attack == "open directory":
            file.parent.chmod(0o777)
        else:
            file.unlink()
            file.symlink_to(victim)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attacker)
            provider = make_provider(aws, is_cached=False)
            assert (await provider()).account_id == "123456789012"
        assert (await provider()).account_id == "123456789012"  # with the token in memory

    anyio.run(main, backend=backend)
    assert victim.read_text() == "important"
    assert attack == "link" or file.read_text() == before
    assert file.is_symlink() == (attack == "link")
    assert (aws.count("sso token"), aws.reused_refresh_tokens) == (1, 0)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum(text.endswith("; the new token is cached in memory only") for text in warnings) == 1


@pytest.mark.fault("L16", "L17")
@pytest.mark.goal("G14")
@pytest.mark.skipif(os.name != "posix", reason="suspends a process")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_process_that_is_suspended_during_a_refresh(
    backend: str, aws: FakeAWS, file: Path, monkeypatch: pytest.MonkeyPatch, goal: RecordGoal
) -> None:
    """While a process is suspended in a refresh, others do not use its token, and afterwards they use the new one.

    It is suspended for longer than the exchange may take, but the response has arrived.
    """
    monkeypatch.setattr("anycreds._providers.service.token_cache.LOCK_SECONDS", 0.1)
    old = refresh_token(file)
    provider = make_provider(aws, is_cached=False)
    command = [sys.executable, "-c", PROGRAM, backend, aws.service_url, "end", "short timeout"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as program:
        while not aws.count("sso token"):
            assert program.poll() is None
            time.sleep(0.002)
        program.send_signal(signal.SIGSTOP)
        suspended = time.monotonic()
        with pytest.raises(anycreds.RetrievalError, match="has been locked by") as caught:
            anyio.run(provider, backend=backend)
        if sys.platform == "linux":
            assert f"process {program.pid}, which is suspended," in caught.value.message
        assert refresh_token(file) == old
        while time.monotonic() < suspended + 1.3:
            time.sleep(0.01)
        program.send_signal(signal.SIGCONT)
        while refresh_token(file) == old:
            assert program.poll() is None
            time.sleep(0.002)
        program.communicate(b"\n", timeout=15)
    goal("G14", "{stopped} processes suspended in a refresh: 0 sign-ins lost", stopped=1)
    assert anyio.run(provider, backend=backend).account_id == "123456789012"
    assert_session_survives(aws, file, old)
