"""Access keys in a profile are returned without a wait, once this process has imported what reads a profile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import ClientContext, Credentials, InvalidConfigurationError, ProfileNotFoundError
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.io import FileQuery, ReadFailure
from anycreds._providers import chain as chains
from anycreds._system.files import snapshot
from anycreds._system.files.read import FoundFile, read_regular
from anycreds.events import AttemptFailed, AttemptStarted, Event, Refreshed, Waited
from anycreds.testing import CANARY, ManualClock
from support.fake_io import FakeIo, run

pytestmark = pytest.mark.anyio

KEYS = "aws_access_key_id = AKID{0}\naws_secret_access_key = " + CANARY + "-{0}\n"
CONFIG = f"""
[profile keys]
region = eu-west-1
{KEYS.format("KEYS")}
[profile half]
aws_access_key_id = AKIDHALF
[profile command]
credential_process = echo '{{"Version": 1, "AccessKeyId": "AKIDCOMMAND", "SecretAccessKey": "{CANARY}"}}'
[profile region]
region = eu-west-1
[default]
{KEYS.format("DEFAULT")}
"""

FIRST_CALL = """
import sys, threading
import anycreds
from anycreds._system.files import snapshot
from anycreds._system.files.read import read_regular

snapshot.read_directly = lambda wanted: [read_regular(path, 1 << 20, known) for path, known in wanted]
start, started = threading.Thread.start, []

def note(thread):
    started.append(thread)
    start(thread)

async def main():
    threading.Thread.start = note
    assert (await eval("anycreds." + sys.argv[2])()).access_key_id == "AKIDKEYS"

if sys.argv[1] == "trio":
    import trio
    trio.run(main)
else:
    import asyncio
    asyncio.run(main())
print(len(started), *[name for name in sys.modules if name.startswith("anyio")])
"""


@pytest.fixture
async def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Write the config file of this program, all of whose files are in memory; return its path."""

    def read_directly(wanted: Sequence[FileQuery]) -> list[FoundFile | ReadFailure]:
        return [read_regular(path, 1 << 20, known) for path, known in wanted]

    config = tmp_path / "config"
    config.write_text(CONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr(chains, "_warned", [])
    await anycreds.from_ini("keys")()  # the first call of a process imports what it needs in a thread
    monkeypatch.setattr(snapshot, "read_directly", read_directly)
    return config


def at_once(call: Coroutine[Any, Any, Credentials]) -> str:
    """Return the access key id of a call that must not wait."""
    try:
        call.send(None)
    except StopIteration as end:
        credentials: Credentials = end.value
        return credentials.access_key_id
    raise AssertionError("the call waits")


@pytest.mark.usefixtures("files")
async def test_keys_of_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new provider of a profile with access keys, alone, cached, or first in a chain, does not wait."""
    monkeypatch.setenv("AWS_PROFILE", "keys")
    made: list[Callable[[], Coroutine[Any, Any, Credentials]]] = [
        anycreds.from_ini(),
        anycreds.from_ini("keys"),
        anycreds.cached(anycreds.from_ini()),
        anycreds.from_default_chain(),
        anycreds.from_default_chain("keys"),
        anycreds.cached(anycreds.create_credential_chain(anycreds.from_ini(), anycreds.from_env())),
    ]
    assert [at_once(provider()) for provider in made] == ["AKIDKEYS"] * len(made)
    client = anycreds.from_default_chain().for_client(ClientContext(profile="default"))
    assert at_once(client()) == "AKIDDEFAULT"


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_first_call_of_a_process(loop: str, tmp_path: Path) -> None:
    """The first call starts one thread, which imports what reads a profile, and imports nothing of anyio."""
    (tmp_path / "config").write_text(CONFIG)
    environ = {**os.environ, "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "keys", "HOME": str(tmp_path)}
    for factory in ("from_ini()", "cached(anycreds.from_ini())", "from_default_chain()"):
        command = [sys.executable, "-c", FIRST_CALL, loop, factory]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ, check=True)
        assert done.stdout.split() == ["1"]


@pytest.mark.usefixtures("files")
async def test_callers_share_the_import() -> None:
    """Many first callers of a process wait for one import, and then all get the keys of one read."""
    events: list[Event] = []
    provider = anycreds.from_default_chain("keys", observer=events.append)
    waiting = anyio.Event()
    loaded: list[tuple[str, ...]] = []

    class Runtime(type(provider._runtime)):  # type: ignore[misc]
        async def preload(self, modules: tuple[str, ...] = ()) -> bool:
            loaded.append(modules)
            await waiting.wait()
            return True

    provider._runtime = Runtime()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(provider)
        await anyio.wait_all_tasks_blocked()
        waiting.set()
    assert [len(modules) for modules in loaded] == [2] * 10
    assert [type(event) for event in events] == [AttemptStarted, AttemptStarted, Refreshed, Waited]


@pytest.mark.usefixtures("files")
async def test_other_sources_wait() -> None:
    """A profile with another source than access keys, and one that is not selected explicitly, resolve as always."""
    assert (await anycreds.cached(anycreds.from_ini("command"))()).access_key_id == "AKIDCOMMAND"
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDDEFAULT"


async def test_changed_file(files: Path) -> None:
    """Keys that were changed in the file are found by the next refresh, and an unchanged profile keeps its provider."""
    clock = ManualClock()
    provider = anycreds.cached(anycreds.from_ini("keys"), clock=clock)
    assert at_once(provider()) == "AKIDKEYS"
    for text, expected in ((CONFIG + "# more", "AKIDKEYS"), (CONFIG.replace("AKIDKEYS", "AKIDNEW"), "AKIDNEW")):
        files.write_text(text)  # noqa: ASYNC240 - a small file
        clock.advance(2)
        assert at_once(provider(refresh=True)) == expected


@pytest.mark.usefixtures("files")
async def test_events_and_errors() -> None:
    """The events and errors are those of an attempt that waits."""
    for profile, kind, expected in (
        ("keys", Credentials, [AttemptStarted, AttemptStarted, Refreshed, Waited]),
        ("half", InvalidConfigurationError, [AttemptStarted, AttemptStarted, AttemptFailed, AttemptFailed, Waited]),
        ("none", ProfileNotFoundError, [AttemptStarted, AttemptStarted, AttemptFailed, AttemptFailed, Waited]),
    ):
        events: list[Event] = []
        provider = anycreds.from_default_chain(profile, observer=events.append)
        try:
            found: object = at_once(provider()) and await provider()
        except anycreds.CredentialsError as error:
            found = error
        assert type(found) is kind
        assert [type(event) for event in events] == expected


@pytest.mark.usefixtures("files")
async def test_chain_continues_past_a_profile_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A selected profile that has only a region lets the chain continue with the environment."""
    for name, value in (("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", CANARY)):
        monkeypatch.setenv(name, value)
    assert (await anycreds.from_default_chain("region")()).access_key_id == "AKIDENV"


@pytest.mark.usefixtures("files")
async def test_warning_of_ignored_keys(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Access keys in the environment that a selected profile overrules are reported, once, also if it is broken."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    for profile in ("keys", "half"):
        monkeypatch.setattr(chains, "_warned", [])
        caplog.clear()
        for _ in range(2):
            try:
                at_once(anycreds.from_default_chain(profile)())
            except InvalidConfigurationError:
                assert profile == "half"
        assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_unknown_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME nothing is read at once, since the system's user database may be on a server."""
    io = FakeIo(files={"/home/user/.aws/config": CONFIG.encode()})
    monkeypatch.setattr(io, "read_at_once", lambda wanted: run(io.read_if_changed(wanted, 1 << 20)))
    files = SharedFiles(FileOptions())
    assert files.profiles_at_once(io) is None
    io.variables = {"HOME": "/home/user"}
    assert files.profiles_at_once(io) is run(files.profiles(io))


@pytest.mark.usefixtures("files")
async def test_hanging_file_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the files' server hangs, a call waits without blocking the event loop, and can be cancelled."""
    monkeypatch.setattr(snapshot, "read_directly", lambda _: None)
    hangs = anyio.Event()

    async def read_in_thread(*_: object) -> None:
        hangs.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(snapshot, "read_in_thread", read_in_thread)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anycreds.cached(anycreds.from_ini("keys")))
        await hangs.wait()
        tasks.cancel_scope.cancel()
