"""``from_sso`` with real files, real locks and a service that accepts each refresh token once."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from anycreds._config.client_config import ClientConfig
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._core.credentials import Credentials
from anycreds._core.errors import LoginRequiredError
from anycreds._core.http import Request, Response, TransportFailure
from anycreds._providers.service import token_cache
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sso.provider import SsoProvider
from anycreds._providers.sso.settings import SsoSettings
from anycreds._system.deadlines import Attempt
from anycreds._system.io import SystemIo
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import FakeAWS

SETTINGS = SsoSettings(
    Setting("https://anycreds-fake.awsapps.com/start", "a test"),
    Setting("123456789012", "a test"),
    Setting("us-east-1", "a test"),
    Setting("Dev", "a test"),
    Setting("my-sso", "a test"),
    "dev",
)


@pytest.fixture
def file(isolated: Path) -> Path:
    """Return the path of the token file of the session."""
    folder = isolated / ".aws" / "sso" / "cache"
    folder.mkdir(parents=True)
    return folder / "0ad374308c5a4e22f723adf10145eafad7c4031c.json"


def sign_in(aws: FakeAWS, file: Path, expires_in: float = 60.0, **more: Any) -> dict[str, Any]:
    """Write a token file as ``aws sso login`` does; the token expires in less than five minutes."""
    document = {**aws.sso_token(expires_in=expires_in), **more}
    file.write_text(json.dumps(document))
    file.chmod(0o600)
    return document


def document_in(file: Path) -> Any:
    """Return the document in the file."""
    return json.loads(file.read_text())


def provider(aws: FakeAWS, runtime: SystemRuntime | None = None) -> SsoProvider:
    """Create a provider, as one program has it."""
    config = ClientConfig(endpoint_url=aws.service_url)
    return SsoProvider(runtime or SystemRuntime(), SETTINGS, EndpointResolver(config, view=ProfileView()))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the loggers of the warnings."""
    return [record.name for record in caplog.records if record.levelno >= logging.WARNING]


def mode(file: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(file.stat().st_mode)


def open_up(file: Path) -> None:
    """Let all users read a file."""
    file.chmod(0o644)


def block(file: Path) -> None:
    """Replace the file by a directory, which can be neither replaced nor opened."""
    file.unlink()
    file.mkdir()


def assert_clean(file: Path) -> None:
    """Check that there is no file but the token file and its lock file."""
    assert {one.name for one in file.parent.iterdir()} <= {file.name, f"{file.name}.lock"}


class WithHookAfterResponse(SystemRuntime):
    """A runtime that calls a function after each response of OIDC."""

    def __init__(self, hook: Callable[[], None]) -> None:
        super().__init__()
        self.hook = hook

    def open_io(self, name: str, timeout: float | None = 60.0) -> SystemIo:
        runtime = self

        class Watched(SystemIo):
            async def send(self, request: Request) -> Response | TransportFailure:
                answer = await super().send(request)
                if request.method == "POST":
                    runtime.hook()
                return answer

        return Watched(self._clock, self._environ, Attempt(timeout or 60.0, name))


@pytest.mark.fault("L16")
@pytest.mark.anyio
async def test_many_programs(file: Path) -> None:
    """Of eight providers at the same time, one refreshes the token, and the others read it from the file."""
    got: list[Credentials] = []
    async with FakeAWS(latency=0.01) as aws:
        old = sign_in(aws, file, unknown={"more": True})

        async def one() -> None:
            got.append(await provider(aws)())

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
        assert aws.count("sso token") == 1
        assert aws.reused_refresh_tokens == 0
    assert [credentials.account_id for credentials in got] == ["123456789012"] * 8
    new = document_in(file)
    assert new.keys() == old.keys()
    assert {name for name in new if new[name] != old[name]} == {"accessToken", "refreshToken", "expiresAt"}
    assert_clean(file)


@pytest.mark.fault("S12")
@pytest.mark.anyio
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_file_permissions(file: Path) -> None:
    """After a refresh only the owner can access the file."""
    async with FakeAWS() as aws:
        sign_in(aws, file)
        open_up(file)
        await provider(aws)()
    assert mode(file) == 0o600


@pytest.mark.anyio
async def test_successive_refreshes(file: Path) -> None:
    """Each refresh uses the refresh token of the previous response."""
    async with FakeAWS(sso_token_lifetime=30.0) as aws:
        sign_in(aws, file)
        for _ in range(3):
            await provider(aws)()
        assert aws.count("sso token") == 3
        assert aws.reused_refresh_tokens == 0


@pytest.mark.anyio
async def test_new_sign_in(file: Path) -> None:
    """``LoginRequiredError`` is raised for an expired token until the user signs in again."""
    async with FakeAWS() as aws:
        sign_in(aws, file, expires_in=-1, refreshToken="used")
        one = provider(aws)
        with pytest.raises(LoginRequiredError, match="InvalidGrantException") as caught:
            await one()
        assert caught.value.command == "aws sso login --profile dev"
        sign_in(aws, file, expires_in=3600)
        assert (await one()).source == "SSO"


@pytest.mark.anyio
async def test_portal_rejects(file: Path) -> None:
    """A token that the portal rejects is refreshed, and the portal is called again."""
    async with FakeAWS() as aws:
        sign_in(aws, file, expires_in=3600, accessToken="forgotten")
        assert (await provider(aws)()).source == "SSO"
        assert [exchange.status for exchange in aws.exchanges] == [401, 200, 200]


@pytest.mark.fault("S14")
@pytest.mark.realtime
@pytest.mark.anyio
async def test_cancelled_between_response_and_write(file: Path) -> None:
    """A cancellation after the response does not lose the new token: it is written, and the lock is released."""
    has_response, is_cancelled = threading.Event(), threading.Event()

    def hook() -> None:
        has_response.set()
        assert is_cancelled.wait(10)

    async with FakeAWS() as aws:
        old = sign_in(aws, file)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(provider(aws, WithHookAfterResponse(hook)))
            while not has_response.is_set():  # noqa: ASYNC110 - a thread sets it
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
        assert document_in(file) == old
        is_cancelled.set()
        await provider(aws)()  # waits for the lock
        assert document_in(file)["refreshToken"] != old["refreshToken"]
        assert_clean(file)
        assert aws.count("sso token") == 1
        assert aws.reused_refresh_tokens == 0


@pytest.mark.anyio
async def test_cancelled_during_the_wait_for_the_lock(file: Path) -> None:
    """A cancelled wait for the lock ends at once, and leaves nothing behind."""
    async with FakeAWS() as aws:
        sign_in(aws, file)
        async with SystemRuntime().open_io("test") as io, io.file_lock(str(file), 1) as failure:
            assert failure is None
            with anyio.move_on_after(0.03) as scope:
                await provider(aws)()
            assert scope.cancelled_caught
        assert aws.count("sso token") == 0
        await provider(aws)()
        assert aws.count("sso token") == 1
    assert_clean(file)


@pytest.mark.anyio
async def test_unavailable_lock(file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A lock that cannot be created does not prevent a refresh; while one is held elsewhere, a valid token is used."""
    monkeypatch.setattr(token_cache, "LOCK_SECONDS", 0.02)
    async with FakeAWS() as aws:
        sign_in(aws, file)
        async with SystemRuntime().open_io("test") as io, io.file_lock(str(file), 1) as failure:
            assert failure is None
            await provider(aws)()
        assert aws.count("sso token") == 0
        block(file.with_name(f"{file.name}.lock"))
        await provider(aws)()
        assert aws.count("sso token") == 1
    assert warnings(caplog) == ["anycreds.providers.sso", "anycreds.token_files"]


@pytest.mark.fault("L18")
@pytest.mark.anyio
async def test_unwritable_file(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be replaced fails no call; the token in memory is refreshed with its own refresh token."""
    async with FakeAWS(sso_token_lifetime=30.0) as aws:
        sign_in(aws, file)
        one = provider(aws, WithHookAfterResponse(lambda: block(file)))
        await one()
        one._runtime = SystemRuntime()
        await one()  # within the cooldown
        one._tokens._last_refresh = None  # after the cooldown
        await one()
        assert aws.count("sso token") == 2
        assert aws.reused_refresh_tokens == 0
    assert warnings(caplog) == ["anycreds.token_files"] * 2


PROGRAM = """
import sys, anyio
from anycreds._config.client_config import ClientConfig
from anycreds._config.service_settings import ProfileView
from anycreds._config.settings import Setting
from anycreds._providers.sso.settings import SsoSettings
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._system.runtime import SystemRuntime
from anycreds._providers.sso.provider import SsoProvider

def given(text):
    return Setting(text, "a test")

async def main():
    settings = SsoSettings(given("x"), given("123456789012"), given("us-east-1"), given("Dev"), given("my-sso"))
    endpoints = EndpointResolver(ClientConfig(endpoint_url=sys.argv[1]), view=ProfileView())
    provider = SsoProvider(SystemRuntime(), settings, endpoints)
    print("ready", flush=True)
    sys.stdin.readline()
    credentials = await provider()
    print(credentials.account_id, flush=True)

anyio.run(main, backend=sys.argv[2], backend_options={"use_uvloop": True} if "uvloop" in sys.argv else {})
"""


@pytest.mark.fault("L16")
@pytest.mark.parametrize("loop", [("asyncio",), ("trio",), ("asyncio", "uvloop")], ids="+".join)
def test_processes(loop: tuple[str, ...], file: Path) -> None:
    """Two processes that need a refresh at the same time send one request, and both get credentials."""
    if "uvloop" in loop:
        pytest.importorskip("uvloop")
    with FakeAWS.in_thread(latency=0.02) as aws:
        sign_in(aws, file)
        command = [sys.executable, "-c", PROGRAM, aws.service_url, *loop]
        programs = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        try:
            for program in programs:
                assert program.stdout is not None
                assert program.stdout.readline() == "ready\n"
            for program in programs:
                assert program.stdin is not None
                program.stdin.write("go\n")
                program.stdin.flush()
            assert [program.communicate(timeout=15)[0] for program in programs] == ["123456789012\n"] * 2
        finally:
            for program in programs:
                program.kill()
                program.wait()
        assert aws.count("sso token") == 1
        assert aws.reused_refresh_tokens == 0
    assert_clean(file)
