"""Files that change while credentials from them are cached: noticed within a minute of use, without a thread."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, Credentials
from anycreds._core.io import FileQuery, ReadFailure
from anycreds._providers.login.token import file_name
from anycreds._system.files import snapshot
from anycreds._system.files.read import FoundFile, read_in_thread, read_regular
from anycreds.events import AttemptStarted, Event
from anycreds.testing import CANARY, FakeAWS, Hang, ManualClock, MemoryNetwork, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio

MINUTE = 60.0
# A change is noticed within a minute of use; a source that does not answer at once gets a second more.
NOTICED = 61.0
LOGIN_SESSION = "arn:aws:iam::123456789012:user/alice"
PROFILES = f"""
[profile sso]
sso_session = my-sso
sso_account_id = 123456789012
sso_role_name = Dev
[sso-session my-sso]
sso_start_url = https://anycreds-fake.awsapps.com/start
sso_region = us-east-1
[profile login]
login_session = {LOGIN_SESSION}
region = us-east-1
"""
SSO_FILE = "sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"


BROKEN = {
    "half a pair": "[default]\naws_access_key_id = AKIDNEW\n",
    "no such profile": "[other]\naws_access_key_id = AKIDNEW\naws_secret_access_key = x\n",
    "not a line": "[default]\naws_access_key_id\n",
    "UTF-16": "\ufeff[default]",
}


class Files:
    """The files of AWS tools. Each write has a time of its own, also two writes within one tick of the file system.

    ``reads_at_once``: they are in memory; otherwise each read may wait. ``checks`` are the files of each read.
    """

    def __init__(self, home: Path) -> None:
        self.directory = home / ".aws"
        self.directory.mkdir()
        self.reads_at_once = True
        self.checks: list[list[str]] = []
        self._version = 0

    def write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        self.touch(name)

    def touch(self, name: str) -> None:
        self._version += 1
        os.utime(self.directory / name, (self._version, self._version))

    def write_keys(self, key: str, secret: str = "secret") -> None:
        self.write("credentials", f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {CANARY}-{secret}\n")

    def read_directly(self, wanted: Sequence[FileQuery]) -> list[FoundFile | ReadFailure] | None:
        self.checks.append([path for path, _ in wanted])
        return [read_regular(path, 1 << 20, known) for path, known in wanted] if self.reads_at_once else None


@pytest.fixture
def files(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Return the files, and let this program read them from memory."""
    files = Files(isolated)
    monkeypatch.setattr(snapshot, "read_directly", files.read_directly)
    return files


@pytest.fixture
def aws(virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    """Return a fake AWS under virtual time, which all services are called at."""
    with MemoryNetwork() as network:
        fake = FakeAWS(clock=virtual_clock)
        network.serve(fake, "aws.example.com")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.example.com")
        yield fake


class Attempts:
    """An observer that counts the attempts of a cached provider."""

    def __init__(self) -> None:
        self.started = 0

    def __call__(self, event: Event) -> None:
        self.started += isinstance(event, AttemptStarted)


async def key_after(provider: CachedProvider, seconds: float) -> str:
    """Return the key that a program gets which uses the provider every second for so long."""
    for _ in range(int(seconds)):
        await provider()
        await anyio.sleep(1)
    return (await provider()).access_key_id


FACTORIES: dict[str, Callable[[], CachedProvider]] = {
    "default chain": anycreds.from_default_chain,
    "selected profile": lambda: anycreds.from_default_chain("default"),
    "from_ini": lambda: anycreds.cached(anycreds.from_ini()),
    "chain": lambda: anycreds.cached(anycreds.create_credential_chain(anycreds.from_env(), anycreds.from_ini())),
    "function": lambda: anycreds.cached(anycreds.from_ini().__call__),
    "chain of caches": lambda: anycreds.cached(anycreds.create_credential_chain(anycreds.from_default_chain())),
}


@pytest.mark.fault("L23")
@pytest.mark.parametrize("at_once", [True, False], ids=["in memory", "on a disk"])
@pytest.mark.usefixtures("virtual_clock")
async def test_rotated_keys(files: Files, at_once: bool) -> None:
    """Access keys that were rotated in a file are returned within a minute of use, wherever the file is."""
    files.reads_at_once = at_once
    for name, make in FACTORIES.items():
        files.write_keys("AKIDOLD")
        provider = make()
        assert await key_after(provider, 0) == "AKIDOLD"
        await anyio.sleep(17)
        files.write_keys("AKIDNEW")
        caches = 2 if name == "chain of caches" else 1  # each makes its own check
        assert (name, await key_after(provider, caches * NOTICED)) == (name, "AKIDNEW")


@pytest.mark.usefixtures("virtual_clock")
async def test_rotated_keys_after_a_long_pause(files: Files) -> None:
    """The first call after an hour returns the keys that are in a file in memory then, not those from before."""
    files.write_keys("AKIDOLD")
    provider = anycreds.cached(anycreds.from_ini())
    await provider()
    await anyio.sleep(60 * MINUTE)
    files.write_keys("AKIDNEW")
    assert (await provider()).access_key_id == "AKIDNEW"


@pytest.mark.parametrize("at_once", [True, False], ids=["in memory", "on a disk"])
@pytest.mark.usefixtures("virtual_clock")
async def test_keep_fresh(files: Files, at_once: bool) -> None:
    """In a block of ``keep_fresh``, the handle has the rotated keys within a minute, without a call."""
    files.reads_at_once = at_once
    files.write_keys("AKIDOLD")
    async with anycreds.cached(anycreds.from_ini()).keep_fresh() as fresh:
        for number in range(3):
            await anyio.sleep(11)
            files.write_keys(f"AKID{number}")
            await anyio.sleep(MINUTE + 0.1)
            assert fresh.credentials.access_key_id == f"AKID{number}"


@pytest.mark.usefixtures("virtual_clock")
async def test_keep_fresh_checks_on_time(files: Files) -> None:
    """In a block of ``keep_fresh``, a refresh between two checks, successful or not, delays no change by a minute."""
    for is_broken in (False, True):
        files.write_keys("AKIDOLD")
        provider = anycreds.cached(anycreds.from_ini())
        async with provider.keep_fresh() as fresh:
            await anyio.sleep(MINUTE + 17)
            if is_broken:
                files.write("credentials", BROKEN["half a pair"])
            await provider(refresh=True)
            files.write_keys("AKIDNEW")
            await anyio.sleep(MINUTE + 0.1)
            assert fresh.credentials.access_key_id == "AKIDNEW"


@pytest.mark.usefixtures("virtual_clock")
async def test_unchanged_files(files: Files) -> None:
    """In a day of use, unchanged files are checked once a minute, and the source is called once."""
    files.write_keys("AKIDKEYS")
    attempts = Attempts()
    provider = anycreds.cached(anycreds.from_ini(), observer=attempts)
    for _ in range(24 * 60 * 4):
        await provider()
        await anyio.sleep(15)
    assert attempts.started == 1
    assert 24 * 60 - 2 <= len(files.checks) <= 24 * 60 + 2


@pytest.mark.fault("L23")
@pytest.mark.usefixtures("virtual_clock")
async def test_touched_file(files: Files) -> None:
    """A file that was written again without a change leads to one refresh, and an hour later to no other."""
    files.write_keys("AKIDKEYS")
    attempts = Attempts()
    provider = anycreds.cached(anycreds.from_ini(), observer=attempts)
    before = await provider()
    for expected in (2, 3):
        files.touch("credentials")
        await key_after(provider, 60 * MINUTE)
        assert attempts.started == expected
    assert await provider() is before


@pytest.mark.usefixtures("virtual_clock")
async def test_corrected_secret(files: Files) -> None:
    """A secret or a session token that was corrected beside the same access key id is used."""
    files.write_keys("AKIDKEYS", "typo")
    provider = anycreds.cached(anycreds.from_ini())
    await provider()
    files.write_keys("AKIDKEYS", "right")
    await key_after(provider, MINUTE)
    assert (await provider()).secret_access_key == f"{CANARY}-right"


@pytest.mark.fault("L23")
@pytest.mark.usefixtures("virtual_clock")
async def test_missing_or_empty_file(files: Files) -> None:
    """The credentials of a file that is deleted or truncated stay in use, without an attempt, until it is back."""
    files.write_keys("AKIDOLD")
    attempts = Attempts()
    provider = anycreds.from_default_chain(observer=attempts)
    await provider()
    before = attempts.started
    (files.directory / "credentials").unlink()
    assert await key_after(provider, 10 * MINUTE) == "AKIDOLD"
    files.write("credentials", "")
    assert await key_after(provider, 10 * MINUTE) == "AKIDOLD"
    assert attempts.started == before
    files.write_keys("AKIDNEW")
    assert await key_after(provider, NOTICED) == "AKIDNEW"


@pytest.mark.usefixtures("virtual_clock")
async def test_new_file(files: Files) -> None:
    """A credentials file that appears, with keys for a profile that the config file had keys for, is used."""
    files.write("config", f"[default]\naws_access_key_id = AKIDCONFIG\naws_secret_access_key = {CANARY}\n")
    provider = anycreds.cached(anycreds.from_ini())
    assert await key_after(provider, MINUTE) == "AKIDCONFIG"
    files.write_keys("AKIDNEW")
    assert await key_after(provider, NOTICED) == "AKIDNEW"


@pytest.mark.fault("L23")
@pytest.mark.usefixtures("virtual_clock")
async def test_broken_file(files: Files) -> None:
    """While a file is broken its old keys are returned, with an attempt per backoff; once it is right, the new ones."""
    for name, text in BROKEN.items():
        files.write_keys("AKIDOLD")
        attempts = Attempts()
        provider = anycreds.cached(anycreds.from_ini(), observer=attempts)
        await provider()
        files.write("credentials", text)
        if name == "UTF-16":
            (files.directory / "credentials").write_bytes(text.encode("utf-16-le"))
        assert (name, await key_after(provider, 20 * MINUTE)) == (name, "AKIDOLD")
        assert 3 <= attempts.started <= 5, name  # every 7.5 minutes
        files.write_keys("AKIDNEW")
        assert (name, await key_after(provider, NOTICED)) == (name, "AKIDNEW")


async def test_many_callers(files: Files, virtual_clock: VirtualClock) -> None:
    """Of 1,000 callers at the end of an interval, one makes the check, in memory or in a task, and none waits."""
    for files.reads_at_once in (True, False):
        files.write_keys("AKIDOLD")
        provider = anycreds.cached(anycreds.from_ini())
        await provider()
        await anyio.sleep(MINUTE)
        files.checks.clear()
        started = virtual_clock.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(1_000):
                tasks.start_soon(provider)
        assert virtual_clock.monotonic() == started
        await anyio.sleep(1)
        expected = 1 if files.reads_at_once else 2  # the task asks for the memory again
        assert len(files.checks) == expected


@pytest.mark.realtime
async def test_many_threads(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    """Of eight threads with an event loop each, at the end of an interval, one makes the check, and all get keys."""
    clock = ManualClock()
    files.write_keys("AKIDOLD")
    provider = anycreds.cached(anycreds.from_ini(), clock=clock)
    await provider()
    clock.advance(MINUTE)
    files.write_keys("AKIDNEW")
    caplog.set_level("INFO", "anycreds.cache")
    start, keys = threading.Barrier(8), list[str]()

    def use() -> None:
        start.wait()
        keys.append(asyncio.run(provider.__call__()).access_key_id)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(keys) <= {"AKIDOLD", "AKIDNEW"}
    assert len(keys) == 8
    assert sum("changed: " in record.getMessage() for record in caplog.records) == 1
    assert (await provider()).access_key_id == "AKIDNEW"


@pytest.mark.fault("L23")
async def test_hanging_disk(files: Files, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a disk hangs no caller waits, and a check is made every ten minutes; then the new keys are returned."""
    files.write_keys("AKIDOLD")
    provider = anycreds.cached(anycreds.from_ini())
    await provider()
    checks: list[float] = []

    async def hang(*_: object) -> Any:
        checks.append(virtual_clock.monotonic())
        await anyio.sleep_forever()

    files.reads_at_once = False
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "read_in_thread", hang)
        started = virtual_clock.monotonic()
        assert await key_after(provider, 35 * MINUTE) == "AKIDOLD"
        assert virtual_clock.monotonic() == started + 35 * MINUTE
        assert 3 <= len(checks) <= 4
    files.write_keys("AKIDNEW")
    assert await key_after(provider, 10 * MINUTE) == "AKIDNEW"


async def test_check_that_ends_late(files: Files, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a check finds that a refresh has overtaken leads to no further refresh."""
    files.write_keys("AKIDOLD")
    attempts = Attempts()
    provider = anycreds.cached(anycreds.from_ini(), observer=attempts)
    await provider()
    await anyio.sleep(MINUTE)
    files.write_keys("AKIDNEW")

    async def slow(function: Callable[..., Any], *arguments: object) -> Any:
        await anyio.sleep(5)
        return await read_in_thread(function, *arguments)

    files.reads_at_once = False
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "read_in_thread", slow)
        assert (await provider()).access_key_id == "AKIDOLD"
        await anyio.sleep(1)
    assert (await provider(refresh=True)).access_key_id == "AKIDNEW"
    await key_after(provider, 10 * MINUTE)
    assert attempts.started == 2


async def test_sign_in_by_another_program(files: Files, aws: FakeAWS, virtual_clock: VirtualClock) -> None:
    """After ``aws sso login`` or ``aws login`` by another program, new credentials are returned within a minute."""
    files.write("config", PROFILES)
    tokens: dict[str, tuple[str, Callable[[], object]]] = {
        "sso": (SSO_FILE, lambda: aws.sso_token(expires_in=3600)),
        "login": (f"login/cache/{file_name(LOGIN_SESSION)}", lambda: aws.login_token(expires_in=900)),
    }
    for profile, (file, new_token) in tokens.items():
        files.write(file, json.dumps(new_token()))
        provider = anycreds.cached(anycreds.from_ini(profile))
        old = await provider()
        assert await key_after(provider, MINUTE) == old.access_key_id
        files.write(file, json.dumps(new_token()))
        assert await key_after(provider, NOTICED) != old.access_key_id


async def test_sign_in_ends_a_backoff(files: Files, aws: FakeAWS, virtual_clock: VirtualClock) -> None:
    """A sign-in is noticed within a minute after the refresh of expiring credentials has failed for want of one."""
    files.write("config", PROFILES)
    aws.lifetime = 3600
    files.write(SSO_FILE, json.dumps(aws.sso_token(expires_in=600)))
    attempts = Attempts()
    provider = anycreds.cached(anycreds.from_ini("sso"), observer=attempts)
    old = await provider()
    (files.directory / SSO_FILE).unlink()
    assert await key_after(provider, 48 * MINUTE) == old.access_key_id
    assert attempts.started == 2
    files.write(SSO_FILE, json.dumps(aws.sso_token(expires_in=600)))
    assert await key_after(provider, NOTICED) != old.access_key_id


async def test_sign_in_during_an_attempt(files: Files, aws: FakeAWS) -> None:
    """A sign-in during an attempt that has read the old token, and fails, is noticed within a minute."""
    files.write("config", PROFILES)
    files.write(SSO_FILE, json.dumps(aws.sso_token(expires_in=3600)))
    provider = anycreds.cached(anycreds.from_ini("sso"))
    old = await provider()
    await key_after(provider, MINUTE - 5)
    aws.script("sso role", Hang(), Hang(), Hang())  # for 15 s
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(provider, None, True)
        await anyio.sleep(1)
        files.write(SSO_FILE, json.dumps(aws.sso_token(expires_in=3600)))
        assert await key_after(provider, 30) == old.access_key_id
    assert await key_after(provider, NOTICED) != old.access_key_id


async def test_unusable_token_file(files: Files, aws: FakeAWS) -> None:
    """A token file whose new version cannot be used leads to an attempt per backoff, not to one per check."""
    files.write("config", PROFILES)
    files.write(SSO_FILE, json.dumps(aws.sso_token(expires_in=3600)))
    attempts = Attempts()
    provider = anycreds.cached(anycreds.from_ini("sso"), observer=attempts)
    await provider()
    files.write(SSO_FILE, " " * 100_000)
    await key_after(provider, 20 * MINUTE)
    assert 3 <= attempts.started <= 5


async def test_own_token(files: Files, aws: FakeAWS) -> None:
    """A token that the refresh itself has written is no change: the portal is called once."""
    files.write("config", PROFILES)
    files.write(SSO_FILE, json.dumps(aws.sso_token(expires_in=60)))
    provider = anycreds.cached(anycreds.from_ini("sso"))
    await provider()
    assert aws.count("sso token") == 1
    await key_after(provider, 10 * MINUTE)
    assert aws.count("sso role") == 1


async def test_role(files: Files, aws: FakeAWS) -> None:
    """A role of a profile is assumed again when its files change; one with another source is not."""
    [(key, secret)] = aws.keys.items()
    role = "arn:aws:iam::123456789012:role/Demo"
    files.write("config", f"[profile role]\nrole_arn = {role}\nsource_profile = base\nregion = us-east-1\n")
    files.write("credentials", f"[base]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    base = anycreds.from_ini("base")
    for expected, provider in (
        (2, anycreds.cached(anycreds.from_ini("role"))),
        (1, anycreds.cached(anycreds.from_temporary_credentials(role, source_credentials=base))),
        (1, anycreds.cached(anycreds.from_temporary_credentials(role, source_credentials=anycreds.cached(base)))),
    ):
        before = aws.count("assume role")
        await provider()
        files.touch("credentials")
        await key_after(provider, 5 * MINUTE)
        assert aws.count("assume role") == before + expected


async def test_no_prompt(files: Files, aws: FakeAWS) -> None:
    """The user is not prompted for an MFA code because a file has changed."""
    [(key, secret)] = aws.keys.items()
    prompts = []

    async def code(serial: str) -> str:
        prompts.append(serial)
        return "123456"

    role = "role_arn = arn:aws:iam::123456789012:role/Demo\nsource_profile = default\nmfa_serial = GAHT12345678\n"
    files.write("config", f"[profile role]\n{role}region = us-east-1\n")
    files.write("credentials", f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    provider = anycreds.cached(anycreds.from_ini("role", mfa_code_provider=code))
    await provider()
    files.touch("credentials")
    await key_after(provider, 5 * MINUTE)
    assert len(prompts) == 1


async def test_sources_without_files(files: Files, virtual_clock: VirtualClock) -> None:
    """Without files that the credentials come from, no file is ever looked at."""

    async def source() -> Credentials:
        return make_credentials("FUNCTION", None)

    environ = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": CANARY}
    for provider in (anycreds.cached(source), anycreds.from_default_chain(environ=environ)):
        await key_after(provider, 5 * MINUTE)
    assert files.checks == []


async def test_outer_cache_takes_credentials_and_files_together(files: Files) -> None:
    """If the inner cache has refreshed after its call, the outer one gets the newer keys with the newer versions."""
    files.write_keys("AKIDOLD")
    inner = anycreds.cached(anycreds.from_ini())
    old = await inner()

    class Late(CachedProvider):
        __slots__ = ()

        async def __call__(self, *_: object, **__: object) -> anycreds.Credentials:
            files.write_keys("AKIDNEW")
            await inner(refresh=True)
            return old  # decided before the refresh

    late = Late(inner._source, inner._runtime, inner._state.options)
    late._state = inner._state
    assert (await anycreds.cached(anycreds.create_credential_chain(late))()).access_key_id == "AKIDNEW"
