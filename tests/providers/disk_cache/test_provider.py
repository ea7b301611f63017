"""The provider of ``disk_cached`` over a scripted ``Io``: what it reads, locks, calls and writes, and in what order."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from anycreds import Credentials, CredentialsError, InvalidConfigurationError, NotConfiguredError, RetrievalError
from anycreds._config.settings import Setting
from anycreds._core.credentials import fingerprint_of
from anycreds._core.disk_cache_key import NOT_ON_DISK, DiskCacheKey
from anycreds._core.errors import ProviderTimeoutError
from anycreds._core.io import Io, PrivateFile, ReadFailure, WriteFailure
from anycreds._core.logs import watch
from anycreds._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from anycreds._providers.disk_cache.provider import LOCK_SECONDS, DiskCachedProvider
from anycreds._providers.disk_cache.settings import DiskCacheSettings
from anycreds.events import CacheWriteFailed, Event
from providers.disk_cache.test_entry import BAD_ENTRIES, entry
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, FakeIo, FakeRuntime, failure, fetch, run
from support.rows import row

HOUR = 3600.0
FILE = "/home/user/.aws/cli/cache/abc.json"
NEW = Credentials(
    "ASIANEW", SECRET_KEY, SESSION_TOKEN, expiration=datetime.fromtimestamp(START + 2 * HOUR, UTC), source="assume role"
)
DOWN = RetrievalError("STS is down", source="assume role")


class Source(Provider):
    """A source that counts its calls, and returns or raises one outcome."""

    def __init__(self, outcome: Credentials | CredentialsError = NEW, key: DiskCacheKey | None = None) -> None:
        super().__init__("assume role", FakeRuntime(), context_fields=WHOLE_CONTEXT)
        self.outcome = outcome
        self.key = DiskCacheKey("abc", "assume role") if key is None else key
        self.calls = 0

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.calls += 1
        if isinstance(self.outcome, CredentialsError):
            raise self.outcome._copy()
        return self.outcome

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        return self.key


class Unnamed(Source):
    """A source for which the AWS CLI has no rule."""

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        return None


def disk(source: Provider, key: str | None = None, directory: str = "~/.aws/cli/cache") -> DiskCachedProvider:
    """Return the provider under test."""
    return DiskCachedProvider(FakeRuntime(), source, DiskCacheSettings(Setting(directory, "option directory"), key))


def key_id(io: FakeIo) -> str:
    """Return whose credentials are in the file."""
    content = io.files[FILE]
    assert isinstance(content, bytes)
    found: str = json.loads(content)["Credentials"]["AccessKeyId"]
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings about the cache."""
    return [
        one.getMessage() for one in caplog.records if one.name == "anycreds.disk_cache" and one.levelname == "WARNING"
    ]


def test_missing_entry_is_written() -> None:
    """Without a file, the source is called under the lock, and its credentials are written."""
    io, source = FakeIo(), Source()
    assert fetch(disk(source), io) == NEW
    assert (source.calls, io.locks, key_id(io)) == (1, [FILE], "ASIANEW")
    assert io.locked_now == []


def test_fresh_entry_is_used_without_a_lock() -> None:
    """Credentials in the file that are not due are returned; nothing is called or locked."""
    io, source = FakeIo(files={FILE: entry()}), Source()
    found = fetch(disk(source), io)
    assert (found.access_key_id, found.source, source.calls, io.locks) == (KEY_ID, "assume role", 0, [])


def test_due_entry_is_replaced() -> None:
    """In the advisory window the source is called, and the file is replaced."""
    io, source = FakeIo(files={FILE: entry()}), Source()
    io.modified[FILE] = START
    io.advance(46 * 60)
    assert fetch(disk(source), io) == NEW
    assert key_id(io) == "ASIANEW"


def test_unwanted_entry_is_replaced() -> None:
    """Credentials that the caller has already, or has dropped, are due whatever their lifetime is."""
    io, source = FakeIo(files={FILE: entry()}), Source()
    io.unwanted = {fingerprint_of(Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN))}
    assert fetch(disk(source), io) == NEW
    assert key_id(io) == "ASIANEW"


def test_entry_of_another_process_is_used() -> None:
    """What another process has written before the lock was free is used, without a call."""
    io, source = FakeIo(), Source()
    io.when_locked[FILE] = lambda: io.files.update({FILE: entry()})
    assert fetch(disk(source), io).access_key_id == KEY_ID
    assert (source.calls, io.writes) == (0, [])


@pytest.mark.fault("L21")
def test_busy_lock_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """After ten seconds the source is called without the lock; the file is left alone, with one warning."""
    io, source = FakeIo(busy=[FILE]), Source()
    events: list[Event] = []
    watch(events.append)
    provider = disk(source)
    for _ in range(2):
        assert fetch(provider, io) == NEW
    watch(None)
    detail = f"has been locked by process 7 for more than {LOCK_SECONDS:g} s"
    assert io.wall == START + 2 * LOCK_SECONDS
    assert (source.calls, io.writes) == (2, [])
    assert events == [CacheWriteFailed("assume role", "~/.aws/cli/cache/abc.json", detail)] * 2
    assert warnings(caplog) == [
        f"assume role: ~/.aws/cli/cache/abc.json {detail}; the credentials are cached in memory only"
    ]


def test_due_entry_is_used_while_another_process_refreshes(caplog: pytest.LogCaptureFixture) -> None:
    """A caller without credentials does not wait for the lock if the entry is due and still valid."""
    io, source = FakeIo(files={FILE: entry()}, busy=[FILE]), Source()
    io.advance(50 * 60)
    before = io.wall
    assert fetch(disk(source), io).access_key_id == KEY_ID
    assert (io.wall, source.calls, warnings(caplog)) == (before, 0, [])
    io.unwanted = {fingerprint_of(Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN))}
    assert fetch(disk(source), io) == NEW  # a caller that has this entry waits
    assert io.wall == before + LOCK_SECONDS


def test_entry_that_expires_during_the_call_is_not_used() -> None:
    """If the entry expires while the source is called in vain, the error is that of the source."""
    io = FakeIo(files={FILE: entry()})
    io.advance(HOUR - 1)

    class SlowSource(Source):
        async def _load(self, io: Io, context: ClientContext) -> Credentials:
            await io.sleep(2)
            return await super()._load(io, context)

    assert str(failure(disk(SlowSource(DOWN)), io)) == str(DOWN)


def test_entry_of_the_holder_is_used_after_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process that holds the lock has written meanwhile, that is used, although it still holds the lock."""
    io, source = FakeIo(busy=[FILE]), Source()
    read = io.read_private

    async def read_private(path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
        found = await read(path, limit)
        io.files[FILE] = entry()
        return found

    monkeypatch.setattr(io, "read_private", read_private)
    assert fetch(disk(source), io).access_key_id == KEY_ID
    assert source.calls == 0


@pytest.mark.fault("L21")
def test_unusable_disk_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """On a disk without locks, or that is full or read-only, the source is called; the first failure is logged."""
    full = WriteFailure("cannot be written: No space left on device")
    source = Source()
    provider = disk(source)
    unlocked = FakeIo()
    unlocked.has_locks = False
    for io in (FakeIo(unwritable={FILE: full}), FakeIo(unwritable={FILE: full}), unlocked):
        assert fetch(provider, io) == NEW
        assert FILE not in io.files
    assert source.calls == 3
    assert [text.split("abc.json ")[1].split(";")[0] for text in warnings(caplog)] == [
        "cannot be written: No space left on device",
        "cannot be locked: No locks available",
    ]


def test_warning_is_repeated_after_a_success(caplog: pytest.LogCaptureFixture) -> None:
    """A disk that was full, is not and is full again is logged twice."""
    full = {FILE: WriteFailure("cannot be written: No space left on device")}
    provider = disk(Source())
    for unwritable in (full, {}, full):
        fetch(provider, FakeIo(unwritable=unwritable))
    assert len(warnings(caplog)) == 2


def test_hung_disk_is_no_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """If a read does not end, the source is called."""

    async def hang(path: str, limit: int, *, follow_link: bool = True) -> PrivateFile:
        raise ProviderTimeoutError("a file was not read within 10 s")

    io = FakeIo()
    monkeypatch.setattr(io, "read_private", hang)
    assert fetch(disk(Source()), io) == NEW
    assert "a file was not read" in warnings(caplog)[0]


@pytest.mark.fault("L20")
@pytest.mark.parametrize("source_is_down", [False, True])
def test_bad_entry_is_no_error(source_is_down: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is torn, foreign, exposed or of another kind is never used; the source is called."""
    exposed = FakeIo(files={FILE: entry()})
    exposed.exposed.add(FILE)
    future = FakeIo(files={FILE: entry()})
    future.modified[FILE] = START + HOUR
    files = {
        "exposed": exposed,
        "from the future": future,
        "foreign": FakeIo(files={FILE: ReadFailure("belongs to another user")}),
        "a link": FakeIo(files={FILE: ReadFailure("is a symbolic link")}),
        "large": FakeIo(files={FILE: entry() + b" " * 70_000}),
        **{name: FakeIo(files={FILE: content}) for name, content in BAD_ENTRIES.items()},
    }
    for name, io in files.items():
        with row(name):
            caplog.clear()
            if source_is_down:
                assert str(failure(disk(Source(DOWN)), io)) == str(DOWN)
            else:
                assert fetch(disk(Source()), io) == NEW
                assert key_id(io) == "ASIANEW"
            assert "cli/cache/abc.json, which is not used: " in warnings(caplog)[0]


def test_valid_entry_is_used_while_the_source_is_down(caplog: pytest.LogCaptureFixture) -> None:
    """If the refresh of an entry that is still valid fails, the entry is used, and the failure is logged."""
    io = FakeIo(files={FILE: entry()})
    io.advance(50 * 60)
    assert fetch(disk(Source(DOWN)), io).access_key_id == KEY_ID
    assert warnings(caplog) == [f"{DOWN}; using the credentials in ~/.aws/cli/cache/abc.json"]


@pytest.mark.parametrize("reason", ["unwanted", "expired"])
def test_error_of_the_source_is_raised(reason: str) -> None:
    """The caller gets the error of the source if the entry has expired, or is one that the caller wants replaced."""
    io = FakeIo(files={FILE: entry()})
    if reason == "unwanted":
        io.unwanted = {fingerprint_of(Credentials(KEY_ID, SECRET_KEY, SESSION_TOKEN))}
    else:
        io.advance(HOUR)
    assert str(failure(disk(Source(DOWN)), io)) == str(DOWN)
    assert io.locked_now == []


@pytest.mark.parametrize("changes", [{"session_token": None}, {"expiration": None}])
def test_access_keys_of_a_user_are_not_written(changes: dict[str, Any]) -> None:
    """Credentials without a token or an expiration stay off the disk."""
    io, source = FakeIo(), Source(NEW.replace(**changes))
    assert fetch(disk(source), io) == source.outcome
    assert io.writes == []


def test_credentials_without_a_name_are_passed_on() -> None:
    """What a profile has that the AWS CLI does not cache is returned without the cache."""
    io, source = FakeIo(), Source(key=NOT_ON_DISK)
    assert fetch(disk(source), io) == NEW
    assert (io.reads, io.locks, io.writes) == ([], [], [])


def test_missing_key_is_an_error() -> None:
    """A provider that the AWS CLI has no name for needs the option ``key``."""
    error = failure(disk(Unnamed()), FakeIo())
    assert isinstance(error, InvalidConfigurationError)
    assert "no name for these credentials" in error.message
    assert "key=" in str(error.hint)


def test_not_configured_lets_a_chain_continue() -> None:
    """``NotConfiguredError`` of the source is raised unchanged."""
    error = failure(disk(Source(NotConfiguredError("nothing here"))), FakeIo())
    assert type(error) is NotConfiguredError


def name_for(source: Provider, key: str | None, context: ClientContext = ClientContext()) -> str:  # noqa: B008
    """Return the name of the file that an attempt writes."""
    io = FakeIo()
    run(disk(source, key)._fetch(io, context))
    return io.writes[0][0].rpartition("/")[2]


def test_key_names_the_file() -> None:
    """Equal keys have one file; another key, another role, and another client of an unknown source have others."""
    other_role = Source(key=DiskCacheKey("def", "assume role"))
    client = ClientContext(profile="dev")
    names = [
        name_for(Source(), None),
        name_for(Source(), "a"),
        name_for(Source(), "b"),
        name_for(Source(), "../../etc/passwd" + "x" * 5000),
        name_for(other_role, "a"),
        name_for(Unnamed(), "a"),
        name_for(Unnamed(), "a", client),
        name_for(Unnamed(), "a", ClientContext(region="eu-west-1")),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == "abc.json"
    assert all(name.startswith("anycreds-") and len(name) < 100 for name in names[1:])
    assert name_for(Source(), "a") == names[1]
    assert name_for(Source(), "a", client) == names[1]  # the role says it all


def test_unknown_home_directory_is_no_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without a home directory for ``~`` the source is called, with one warning."""
    io, provider = FakeIo(), disk(Source())
    monkeypatch.setattr(io, "home_directory", lambda: None)
    for _ in range(2):
        assert fetch(provider, io) == NEW
    assert len(warnings(caplog)) == 1
    assert "home directory is not known" in warnings(caplog)[0]


def test_entry_of_a_role_with_mfa_is_used_to_its_end() -> None:
    """If a refresh would prompt the user, the entry is used until it expires, and the cache learns of prompts."""
    io, source = FakeIo(files={FILE: entry()}), Source(key=DiskCacheKey("abc", "assume role", may_prompt_user=True))
    io.advance(HOUR - 1)
    assert fetch(disk(source), io).access_key_id == KEY_ID
    assert (io.prompts_user, source.calls) == (True, 0)


def test_type_of_provider_is_written() -> None:
    """Credentials of IAM Identity Center are marked, so that ``aws sso logout`` deletes them."""
    io = FakeIo()
    fetch(disk(Source(key=DiskCacheKey("abc", "SSO", provider_type="sso"))), io)
    assert json.loads(io.writes[0][1])["ProviderType"] == "sso"


def test_sources_are_described() -> None:
    """The display of a provider names the directory, and then what the source describes."""
    described = run(disk(Source(), directory="/var/cache/aws")._describe_sources(FakeIo(), ClientContext()))
    assert described == ["cache in /var/cache/aws"]


def test_static_stability_is_that_of_the_source() -> None:
    """Whether expired credentials may be used in an outage is decided by the source."""
    assert disk(Source())._allows_stale(NEW) is False


def test_lifetime_is_not_extended_by_a_late_clock() -> None:
    """An expired entry is not used, however new its file is."""
    io, source = FakeIo(files={FILE: entry()}), Source()
    io.advance(HOUR + 1)
    io.modified[FILE] = io.wall
    assert fetch(disk(source), io) == NEW
