"""``from_login_credentials`` with real files, locks and processes: programs that share a file refresh it once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from anycreds._config.client_config import ClientConfig
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._core.credentials import Credentials
from anycreds._core.errors import LoginRequiredError
from anycreds._providers.login.provider import LoginProvider
from anycreds._providers.login.token import file_name
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._system.deadlines import Attempt
from anycreds._system.io import SystemIo
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import Delay, FakeAWS, Forever, HalfBody, Hang, ServiceError, Status
from support.goals import RecordGoal

SESSION = "arn:aws:iam::123456789012:user/alice"


@pytest.fixture
def aws() -> Iterator[FakeAWS]:
    """Return a fake AWS that runs in its own thread."""
    with FakeAWS.in_thread() as fake:
        yield fake


@pytest.fixture
def cache(isolated: Path) -> Path:
    """Return the path of the file; neither the file nor its directory exists."""
    return isolated / ".aws" / "login" / "cache" / file_name(SESSION)


def sign_in(aws: FakeAWS, cache: Path, expires_in: float, **more: Any) -> dict[str, Any]:
    """Write a file as ``aws login`` does; return the document."""
    token = {**aws.login_token(expires_in=expires_in), "idToken": "unchanged", **more}
    write(cache, token)
    return token


def write(cache: Path, token: dict[str, Any]) -> None:
    """Write the file as other programs may, readable by all users."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps(token))
    cache.chmod(0o644)


class SleeplessIo(SystemIo):
    """An ``Io`` that calls a function instead of sleeping."""

    instead: Callable[[], object]

    async def sleep(self, seconds: float) -> None:
        self.instead()
        await anyio.lowlevel.checkpoint()


class SleeplessRuntime(SystemRuntime):
    """A runtime whose attempts call ``instead`` instead of sleeping."""

    def __init__(self, instead: Callable[[], object]) -> None:
        super().__init__()
        self._instead = instead

    def open_io(self, name: str, timeout: float | None = 60.0) -> SystemIo:
        class OneIo(SleeplessIo):
            instead = staticmethod(self._instead)

        return OneIo(self._clock, None, Attempt(timeout or 60.0, name))


def provider(aws: FakeAWS, instead: Callable[[], object] = bool) -> LoginProvider:
    """Create a provider, as one program has it. ``instead``: see ``SleeplessRuntime``."""
    config = ClientConfig(region="us-east-1", endpoint_url=aws.service_url)
    endpoints = EndpointResolver(config, view=ProfileView())
    return LoginProvider(SleeplessRuntime(instead), Setting(SESSION, "~/.aws/config:2"), endpoints, "dev")


async def call_all(*providers: LoginProvider) -> list[Credentials]:
    """Call all providers at the same time."""
    found: list[Credentials] = []

    async def call(one: LoginProvider) -> None:
        found.append(await one())

    async with anyio.create_task_group() as tasks:
        for one in providers:
            tasks.start_soon(call, one)
    return found


def mode_of(cache: Path) -> int:
    return stat.S_IMODE(cache.stat().st_mode)


def read(cache: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cache.read_text())
    return document


@pytest.mark.realtime
@pytest.mark.fault("C06", "C21", "L17")
@pytest.mark.goal("G14")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("is_closed", [False, True], ids=["stopped", "closed"])
def test_loop_that_ends_anywhere(
    is_closed: bool, aws: FakeAWS, cache: Path, monkeypatch: pytest.MonkeyPatch, goal: RecordGoal
) -> None:
    """At whatever point of a refresh its loop is stopped or closed, the lock is free soon, and no sign-in is lost."""
    monkeypatch.setattr("anycreds._system.files.lock.TAKE_TIMEOUT", 0.02)
    sign_in(aws, cache, -5)
    anyio.run(provider(aws))  # imports what is imported in threads
    points, lost, is_done = 0, 0, False
    while not is_done:
        points += 1
        sent, before = aws.count("sign-in token"), sign_in(aws, cache, -5)["refreshToken"]
        loop = asyncio.new_event_loop()
        call: Any = loop.create_task(call_all(provider(aws)))
        for _ in range(points):
            loop.call_later(0.0005, loop.stop)
            loop.run_forever()
        if is_closed:
            loop.close()
        assert anyio.run(is_soon_free, cache), points
        lost += aws.count("sign-in token") > sent and read(cache)["refreshToken"] == before
        is_done = call.done()
        call._log_destroy_pending = False
        loop.close()
    goal("G14", "a loop that ends at {points} points of a refresh: {lost} sign-ins lost", points=points, lost=lost)
    assert (lost, aws.reused_refresh_tokens) == (0, 0)
    assert points > 3


async def is_soon_free(cache: Path) -> bool:
    """Return whether the lock of a file is free within some seconds."""
    async with SystemRuntime().open_io("test") as io, io.file_lock(str(cache), 5) as failure:
        return failure is None


@pytest.mark.anyio
@pytest.mark.parametrize("key_format", ["sec1", "pkcs8"])
async def test_refresh(aws: FakeAWS, cache: Path, key_format: Any) -> None:
    """The service accepts the proof; the file has the new credentials, its other fields, and private permissions."""
    before = sign_in(aws, cache, -5, **aws.login_token(expires_in=-5, key_format=key_format), more=[1])
    found = await provider(aws)()
    after = read(cache)
    assert aws.count("sign-in token") == 1
    assert found.access_key_id == after["accessToken"]["accessKeyId"] != before["accessToken"]["accessKeyId"]
    assert found.account_id == before["accessToken"]["accountId"]
    assert after["refreshToken"] != before["refreshToken"]
    unchanged = ("idToken", "more", "dpopKey", "clientId", "tokenType")
    assert [after[name] for name in unchanged] == [before[name] for name in unchanged]
    if os.name == "posix":
        assert mode_of(cache) == 0o600
    assert {path.name for path in cache.parent.iterdir()} == {cache.name, f"{cache.name}.lock"}


@pytest.mark.anyio
async def test_successive_refreshes(aws: FakeAWS, cache: Path) -> None:
    """Each refresh uses the refresh token of the previous response."""
    aws.login_lifetime = 60
    sign_in(aws, cache, 60)
    for count in range(1, 4):
        found = await provider(aws)()  # a new provider, since the same one has a cooldown
        assert aws.count() == count
        assert read(cache)["accessToken"]["accessKeyId"] == found.access_key_id
    assert aws.reused_refresh_tokens == 0


@pytest.mark.fault("L16")
@pytest.mark.anyio
@pytest.mark.parametrize("expires_in", [-5, 120])
async def test_many_providers(aws: FakeAWS, cache: Path, expires_in: float) -> None:
    """Ten independent providers at the same time send one request, and all return its credentials."""
    sign_in(aws, cache, expires_in)
    found = await call_all(*[provider(aws) for _ in range(10)])
    assert len(found) == 10
    assert set(found) == {await provider(aws)()}
    assert (aws.count(), aws.reused_refresh_tokens) == (1, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("expires_in", [-5, 120])
async def test_one_provider_called_ten_times(aws: FakeAWS, cache: Path, expires_in: float) -> None:
    """Ten calls of one provider at the same time send one request, and all return its credentials."""
    sign_in(aws, cache, expires_in)
    found = await call_all(*[provider(aws)] * 10)
    assert len(found) == 10
    assert len(set(found)) == 1
    assert (aws.count(), aws.reused_refresh_tokens) == (1, 0)


@pytest.mark.anyio
async def test_rejected_for_all_programs(aws: FakeAWS, cache: Path) -> None:
    """All programs raise ``LoginRequiredError`` after a rejection, and all use the next sign-in."""
    sign_in(aws, cache, -5)
    aws.login_error = "TOKEN_EXPIRED"
    programs = [provider(aws) for _ in range(3)]
    for one in programs:
        with pytest.raises(LoginRequiredError) as caught:
            await one()
        assert caught.value.command == "aws login --profile dev"
        assert "TOKEN_EXPIRED" in str(caught.value)
    token = sign_in(aws, cache, 900)
    assert {one.access_key_id for one in await call_all(*programs)} == {token["accessToken"]["accessKeyId"]}


@pytest.mark.anyio
async def test_retry_with_another_proof(aws: FakeAWS, cache: Path) -> None:
    """After status 500 the refresh token is sent again, with a proof that the service has not seen yet."""
    sign_in(aws, cache, -5)
    aws.script("sign-in token", Status(500), ServiceError(429, "TooManyRequestsError", error="rate_exceeded"))
    await provider(aws)()
    assert (aws.count(), aws.reused_refresh_tokens) == (3, 0)


@pytest.mark.anyio
async def test_lost_response(aws: FakeAWS, cache: Path) -> None:
    """After a lost response valid credentials are returned; once expired, ``LoginRequiredError`` is raised."""
    before = sign_in(aws, cache, 120)
    aws.script("sign-in token", HalfBody())
    found = await provider(aws)()
    assert found.access_key_id == before["accessToken"]["accessKeyId"]
    assert (aws.count(), aws.reused_refresh_tokens) == (2, 1)
    assert read(cache) == before
    before["accessToken"]["expiresAt"] = "2024-01-02T03:04:05Z"
    write(cache, before)
    with pytest.raises(LoginRequiredError):
        await provider(aws)()


@pytest.mark.fault("L16")
@pytest.mark.anyio
async def test_program_without_a_lock(aws: FakeAWS, cache: Path) -> None:
    """If a program without a lock has used the refresh token, its new credentials are returned."""
    sign_in(aws, cache, -5)
    aws.login_error = "TOKEN_EXPIRED"
    tokens: list[dict[str, Any]] = []
    found = await provider(aws, lambda: tokens.append(sign_in(aws, cache, 900)))()
    assert [token["accessToken"]["accessKeyId"] for token in tokens] == [found.access_key_id]
    assert aws.count() == 1


async def call_until_sent(aws: FakeAWS, call: Callable[[], Any], cancel: Callable[[], object]) -> None:
    """Call a provider, and cancel it when the refresh request has been sent."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        while not aws.count("sign-in token"):  # noqa: ASYNC110 - another thread counts
            await anyio.sleep(0.002)
        cancel()


@pytest.mark.realtime
@pytest.mark.parametrize("way", ["asyncio timeout", "asyncio cancel", "asyncio scope", "trio scope", "trio timeout"])
def test_cancelled_refresh(aws: FakeAWS, cache: Path, way: str) -> None:
    """A caller that is cancelled after the request was sent loses no token: the next program has credentials."""
    old = sign_in(aws, cache, -5)
    aws.script("sign-in token", Delay(0.2))
    backend, kind = way.split()

    async def main() -> None:
        one = provider(aws)
        if way == "asyncio timeout":
            task = asyncio.ensure_future(one())
            await call_until_sent(aws, anyio.lowlevel.checkpoint, bool)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(task, 0.001)
        elif way == "asyncio cancel":
            task = asyncio.ensure_future(one())
            await call_until_sent(aws, anyio.lowlevel.checkpoint, task.cancel)
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with anyio.move_on_after(None) as scope:
                end = scope.cancel if kind == "scope" else lambda: setattr(scope, "deadline", anyio.current_time())
                await call_until_sent(aws, one, end)
            assert scope.cancelled_caught
        assert read(cache) == old

    anyio.run(main, backend=backend)
    found = anyio.run(provider(aws), backend=backend)  # waits for the lock
    assert found.access_key_id == read(cache)["accessToken"]["accessKeyId"] != old["accessToken"]["accessKeyId"]
    assert (aws.count(), aws.reused_refresh_tokens) == (1, 0)


@pytest.mark.realtime
@pytest.mark.anyio
async def test_sign_out_during_a_refresh(aws: FakeAWS, cache: Path) -> None:
    """If the user signs out during the refresh, the file is not written again, and the user must sign in."""
    sign_in(aws, cache, -5)
    aws.script("sign-in token", Delay(0.1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_until_sent, aws, anyio.lowlevel.checkpoint, cache.unlink)
        with pytest.raises(LoginRequiredError, match="does not exist"):
            await provider(aws)()
    assert not await anyio.Path(cache).exists()


PROGRAM = textwrap.dedent("""
    import sys, anyio
    from anycreds._config.client_config import ClientConfig
    from anycreds._config.service_settings import ProfileView
    from anycreds._config.settings import Setting
    from anycreds._providers.service.endpoint_resolution import EndpointResolver
    from anycreds._system.runtime import SystemRuntime
    from anycreds._providers.login.provider import LoginProvider

    async def main():
        endpoints = EndpointResolver(ClientConfig(region="us-east-1", endpoint_url=sys.argv[1]), view=ProfileView())
        provider = LoginProvider(SystemRuntime(), Setting(sys.argv[2], "here"), endpoints, timeout=30.0)
        print((await provider()).access_key_id)

    backend, _, loop = sys.argv[3].partition("+")
    anyio.run(main, backend=backend, backend_options={"use_uvloop": True} if loop else {})
""")
LOOPS = ("asyncio", "trio", *([] if sys.platform == "win32" else ["asyncio+uvloop"]))


def start(aws: FakeAWS, loop: str) -> subprocess.Popen[str]:
    """Start a program that calls a provider once."""
    source = Path(__file__).parents[3] / "src"
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, aws.service_url, SESSION, loop],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )


@pytest.mark.fault("L16")
def test_processes(aws: FakeAWS, cache: Path) -> None:
    """Processes on every event loop send one request together, and return the same credentials."""
    sign_in(aws, cache, -5)
    programs = [start(aws, loop) for loop in LOOPS]
    printed = {program.communicate(timeout=15)[0].strip() for program in programs}
    assert [program.returncode for program in programs] == [0] * len(LOOPS)
    assert printed == {read(cache)["accessToken"]["accessKeyId"]}
    assert (aws.count(), aws.reused_refresh_tokens) == (1, 0)


@pytest.mark.fault("L19")
@pytest.mark.realtime
@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_process(aws: FakeAWS, cache: Path) -> None:
    """A process that is killed during its refresh leaves a file and a lock that another process can use."""
    before = sign_in(aws, cache, -5)
    aws.script("sign-in token", Forever(Hang()))
    with start(aws, "asyncio") as stuck:
        while not aws.count():
            assert stuck.poll() is None
            time.sleep(0.005)
        stuck.send_signal(signal.SIGKILL)
    assert read(cache) == before
    aws.restore()
    found = anyio.run(provider(aws))
    assert found.access_key_id == read(cache)["accessToken"]["accessKeyId"] != before["accessToken"]["accessKeyId"]
    assert aws.reused_refresh_tokens == 0
