"""The token cache reads files strictly, refreshes a token once, keeps unknown fields, and never loses a token."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

import pytest

from anycreds._config.locations import Location
from anycreds._config.settings import Setting
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, LoginRequiredError, RetrievalError
from anycreds._core.io import Io, ReadFailure, Signature, WriteFailure
from anycreds._core.logs import watch
from anycreds._core.validation import InvalidValueError
from anycreds._providers.service.token_cache import CachedToken, TokenCache
from anycreds._providers.service.token_file import MAX_FILE_SIZE, token_location
from anycreds.events import CacheWriteFailed, Event
from support.errors import error_of, rejected
from support.fake_io import FakeIo, assert_no_secret, run

PATH, SHOWN = "/home/me/.aws/sso/cache/x.json", "~/.aws/sso/cache/x.json"
FILE = Location(PATH, "the path", SHOWN, is_explicit=True)
OLD = {"token": "canary-1", "refresh": "canary-r1", "startUrl": "https://x", "more": {"deep": [1, None]}}
NEW = {**OLD, "token": "canary-2", "refresh": "canary-r2"}
OTHER = {"token": "canary-9", "refresh": "canary-r9"}
SECRETS = ("canary-1", "canary-2", "canary-9", "canary-r")


def parse(document: Mapping[str, Any]) -> str:
    """Return the token in a document of these tests, which is one text."""
    token = document.get("token")
    if not isinstance(token, str):
        raise InvalidValueError("is missing", field="token")
    return token


def new_cache() -> TokenCache[str]:
    """Create the token cache of a provider."""
    return TokenCache("provider", parse)


def environment(content: Any = OLD, **runtime: Any) -> FakeIo:
    """Create an ``Io`` with this token file; content that is not bytes becomes JSON."""
    body = content if isinstance(content, bytes | ReadFailure) else json.dumps(content).encode()
    return FakeIo(files={PATH: body}, **runtime)


def written(io: FakeIo) -> Any:
    """Return the document in the file."""
    content = io.files[PATH]
    assert isinstance(content, bytes)
    return json.loads(content)


class Service:
    """A service that refreshes tokens, and counts the requests. An outcome that is an exception is raised."""

    def __init__(self, *outcomes: Any, then: Callable[[], None] = lambda: None) -> None:
        self.outcomes = list(outcomes) or [{"token": "canary-2", "refresh": "canary-r2"}]
        self.requests: list[str] = []
        self.then = then

    async def __call__(self, io: Io, token: str) -> Any:
        self.requests.append(token)
        self.then()
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def load(cache: TokenCache[str], io: FakeIo) -> CachedToken[str]:
    """Return the cached token."""
    cached = run(cache.load(io, FILE))
    assert repr(cached) == "CachedToken()"
    return cached


def refresh(cache: TokenCache[str], io: FakeIo, service: Service, usable: str = "canary-9") -> str:
    """Refresh the cached token; only one token is usable."""
    return run(cache.refresh(io, load(cache, io), lambda token: token == usable, service))


def failed_refresh(cache: TokenCache[str], io: FakeIo, service: Service) -> CredentialsError:
    """Return the error of a refresh, without frames."""
    return error_of(refresh, cache, io, service, kind=CredentialsError)


@pytest.mark.parametrize(
    ("directory", "environ", "expected"),
    [
        ("~/.aws/sso/cache", {"HOME": "/home/me/"}, Location(PATH, "origin", SHOWN, is_explicit=True)),
        ("~/.aws/sso/cache", {}, Location("/home/user/.aws/sso/cache/x.json", "origin", SHOWN, is_explicit=True)),
        ("/cache/", {}, Location("/cache/x.json", "origin", "/cache/x.json", is_explicit=True)),
    ],
    ids=["HOME", "home directory of the system", "absolute"],
)
def test_directory_may_begin_with_the_home_directory(
    directory: str, environ: Mapping[str, str], expected: Location
) -> None:
    """A leading ~ is the home directory of the environment, otherwise that of the system, and is displayed as ~."""
    assert token_location(FakeIo(environ=environ), Setting(directory, "origin"), "x.json", "provider") == expected


def test_no_home_directory() -> None:
    """Without a home directory the location of the file is an error."""
    io = FakeIo()
    io.home_directory = lambda: None  # type: ignore[method-assign]
    directory = Setting("~/.aws/sso/cache", "the path of the token file")
    error = error_of(token_location, io, directory, "x.json", "provider", kind=InvalidConfigurationError)
    assert error.message.startswith("the path of the token file begins with ~, but the home directory is not known")


def test_file_is_read_at_every_call() -> None:
    """The file is read at every call, without a lock or a delay."""
    cache, io = new_cache(), environment()
    assert load(cache, io)[:4] == (FILE, "canary-1", OLD, OLD)
    io.files[PATH] = json.dumps(OTHER).encode()
    assert load(cache, io).token == "canary-9"
    assert io.reads == [PATH, PATH]
    assert io.pauses == []
    assert io.locks == []


@pytest.mark.fault("L05", "L15")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (ReadFailure("cannot be read: Permission denied"), "cannot be read: Permission denied"),
        (b"", "is empty"),
        (b'{"token": "canary-1', "is not JSON"),
        (b'{"token": "canary-1"}}', "is not JSON"),
        (b"\xff", "is not UTF-8 text"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark; expected UTF-8 without one"),
        (b"[]", "is JSON, but not an object"),
        (b"[" * 5000, "has more than 200 objects and arrays"),
        (b" " * (MAX_FILE_SIZE + 1), f"it is larger than {MAX_FILE_SIZE} bytes"),
    ],
)
def test_invalid_file_is_read_once_more(content: bytes | ReadFailure, reason: str) -> None:
    """An invalid file is read once more after a short delay; the error names the file and not its content."""
    io = environment(content)
    error = rejected(run, new_cache().load(io, FILE))
    assert str(error) == f"{SHOWN} {reason}"
    assert io.pauses == [0.05]
    assert io.reads == [PATH, PATH]


def test_missing_file_is_an_error_without_delay() -> None:
    """A file that does not exist is an error without delay."""
    io = FakeIo()
    assert str(rejected(run, new_cache().load(io, FILE))) == f"{SHOWN} does not exist"
    assert io.pauses == []


def test_invalid_field_is_named_with_its_file() -> None:
    """The error for an invalid field names the field and the file."""
    error = rejected(run, new_cache().load(environment({"token": 5}), FILE))
    assert str(error) == f"{SHOWN}: token is missing"


@pytest.mark.fault("L05")
def test_partially_written_file_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another program is writing is read again, when it is complete."""
    io = environment(b"")

    async def sleep(seconds: float) -> None:
        io.files[PATH] = json.dumps(NEW).encode()

    monkeypatch.setattr(io, "sleep", sleep)
    assert load(new_cache(), io).token == "canary-2"


def test_refresh_holds_the_lock_and_writes_the_document() -> None:
    """A refresh holds the lock, sends one request, and writes the whole document."""
    cache, io, service = new_cache(), environment(), Service({"token": "canary-2", "refresh": "canary-r2", "new": True})

    def then() -> None:
        assert io.locked_now == [PATH]

    service.then = then
    assert refresh(cache, io, service) == "canary-2"
    assert service.requests == ["canary-1"]
    assert written(io) == {**NEW, "new": True}
    assert list(written(io)) == [*OLD, "new"]
    assert io.locks == [PATH]
    assert io.locked_now == []
    assert load(cache, io).token == "canary-2"


def test_other_fields_are_kept() -> None:
    """A refresh token that is not in the response, and unknown fields, stay in the file."""
    io = environment()
    refresh(new_cache(), io, Service({"token": "canary-2"}))
    assert written(io) == {**OLD, "token": "canary-2"}


@pytest.mark.fault("L16")
def test_another_process_has_refreshed() -> None:
    """A token that another process has written during the wait for the lock is used; no request is sent."""
    cache, io, service = new_cache(), environment(), Service()
    io.when_locked[PATH] = lambda: io.files.update({PATH: json.dumps(OTHER).encode()})
    assert refresh(cache, io, service) == "canary-9"
    assert service.requests == []
    assert io.writes == []


def test_another_process_has_written_an_unusable_token() -> None:
    """If the token of the other process is not usable either, its refresh token is used."""
    cache, io, service = new_cache(), environment(), Service()
    io.when_locked[PATH] = lambda: io.files.update({PATH: json.dumps(OTHER).encode()})
    assert refresh(cache, io, service, usable="none") == "canary-2"
    assert service.requests == ["canary-9"]


def test_signed_out_during_the_wait_for_the_lock() -> None:
    """If the file does not exist any more when the lock is acquired, nothing is refreshed or written."""
    cache, io, service = new_cache(), environment(), Service()
    io.when_locked[PATH] = io.files.clear
    assert str(rejected(refresh, cache, io, service)) == f"{SHOWN} does not exist"
    assert (service.requests, io.files) == ([], {})


@pytest.mark.fault("L17")
def test_refresh_continues_without_locks(caplog: pytest.LogCaptureFixture) -> None:
    """If the file system has no locks, the refresh continues without one, and that is logged."""
    cache, io, service = new_cache(), environment(), Service()
    io.has_locks = False
    assert refresh(cache, io, service) == "canary-2"
    assert written(io) == NEW
    assert caplog.messages == [f"provider: {SHOWN} cannot be locked: No locks available; continuing without the lock"]


@pytest.mark.fault("L16", "L17")
def test_token_of_a_busy_lock_is_not_used() -> None:
    """While another process holds the lock, its refresh token is not used, and the error names the process."""
    cache, io, service = new_cache(), environment(busy=[PATH]), Service()
    error = failed_refresh(cache, io, service)
    assert isinstance(error, RetrievalError)
    reason = "its lock file has been locked by process 7 for more than 10 s"
    assert error.message == f"the token in {SHOWN} cannot be refreshed: {reason}"
    assert error.hint == "if that process is suspended, let it go on or end it; if it hangs, end it"
    assert (service.requests, io.writes, io.steady) == ([], [], 1010.0)
    io.busy.clear()
    assert refresh(cache, io, service) == "canary-2"  # at once: the service was not called, so there is no cooldown


def test_busy_lock_of_a_process_that_has_refreshed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process that still holds the lock has written a new token, that is used."""
    cache, io, service = new_cache(), environment(busy=[PATH]), Service()
    advance = io.advance

    def other(seconds: float) -> None:
        advance(seconds)
        io.files[PATH] = json.dumps(OTHER).encode()

    monkeypatch.setattr(io, "advance", other)
    assert refresh(cache, io, service) == "canary-9"
    assert service.requests == []


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    "detail", ["cannot be written: No space left on device", "cannot be written: Read-only file system"]
)
def test_unwritten_token_stays_in_memory(detail: str, caplog: pytest.LogCaptureFixture) -> None:
    """After a failed write the new token is returned and stays in memory, with its refresh token."""
    cache, io = new_cache(), environment(unwritable={PATH: WriteFailure(detail)})
    assert refresh(cache, io, Service()) == "canary-2"
    assert caplog.messages == [f"provider: {SHOWN} {detail}; the new token is cached in memory only"]
    assert load(cache, io)[:4] == (FILE, "canary-2", NEW, OLD)
    assert load(new_cache(), io).token == "canary-1"


@pytest.mark.fault("L18")
def test_the_token_in_memory_is_refreshed() -> None:
    """The next refresh uses the refresh token in memory; the next successful write contains all changes."""
    cache, io = new_cache(), environment(unwritable={PATH: WriteFailure("cannot be written: x")})
    refresh(cache, io, Service())
    io.advance(31)
    service = Service({"token": "canary-3", "refresh": "canary-r3"})
    assert refresh(cache, io, service) == "canary-3"
    assert service.requests == ["canary-2"]
    assert load(cache, io).token == "canary-3"
    io.advance(31)
    io.unwritable.clear()
    refresh(cache, io, Service({"token": "canary-4"}))
    assert written(io) == {**OLD, "token": "canary-4", "refresh": "canary-r3"}
    assert load(cache, io)[:4] == (FILE, "canary-4", written(io), written(io))


def test_another_token_in_the_file_replaces_memory() -> None:
    """A new sign-in replaces the token in memory, which does not come back."""
    cache, io = new_cache(), environment(unwritable={PATH: WriteFailure("cannot be written: x")})
    refresh(cache, io, Service())
    io.files[PATH] = json.dumps(OTHER).encode()
    assert load(cache, io).token == "canary-9"
    io.files[PATH] = json.dumps(OLD).encode()
    assert load(cache, io).token == "canary-1"


def test_a_sign_out_deletes_the_token_in_memory() -> None:
    """When the file has been deleted, the token in memory is dropped."""
    cache, io = new_cache(), environment(unwritable={PATH: WriteFailure("cannot be written: x")})
    refresh(cache, io, Service())
    io.files.clear()
    assert str(rejected(run, cache.load(io, FILE))) == f"{SHOWN} does not exist"
    io.files[PATH] = json.dumps(OLD).encode()
    assert load(cache, io).token == "canary-1"


def test_an_invalid_file_does_not_replace_memory() -> None:
    """The token in memory is used if its file is invalid, but not for another file."""
    cache, io = new_cache(), environment(unwritable={PATH: WriteFailure("cannot be written: x")})
    refresh(cache, io, Service())
    io.files[PATH] = b"{"
    assert load(cache, io).token == "canary-2"
    elsewhere = FILE._replace(path="/elsewhere")
    assert str(rejected(run, cache.load(io, elsewhere))) == f"{SHOWN} does not exist"


def test_document_with_an_infinite_number_is_not_written() -> None:
    """A document with an infinite number cannot be written: the file stays, and the token is cached in memory."""
    cache, io = new_cache(), environment(b'{"token": "canary-1", "x": 1e999}')
    assert refresh(cache, io, Service()) == "canary-2"
    assert io.writes == []
    assert load(cache, io).token == "canary-2"


def test_failed_refresh_is_raised_and_writes_nothing() -> None:
    """The error of a refresh is raised, and nothing is written."""
    cache, io = new_cache(), environment()
    error = RetrievalError("busy")
    assert failed_refresh(cache, io, Service(error)) is error
    assert io.writes == []
    assert io.pauses == []
    assert io.locked_now == []


def test_cooldown_after_a_failure() -> None:
    """For 30 s after a failure no request is sent, and a copy of the error without frames is raised."""
    cache, io = new_cache(), environment()
    error = RetrievalError("busy")
    assert failed_refresh(cache, io, Service(error)) is error
    io.advance(29.9)
    again = failed_refresh(cache, io, Service())
    assert isinstance(again, RetrievalError)
    assert again is not error
    assert cache._last_refresh is not None
    assert cache._last_refresh.error is not error  # which was raised meanwhile, and keeps the frames of that
    assert str(again) == "busy"
    assert io.locks == [PATH]
    io.advance(0.2)
    assert refresh(cache, io, Service()) == "canary-2"


def test_a_success_clears_the_failure() -> None:
    """After a successful refresh an earlier error is not raised again."""
    cache, io = new_cache(), environment()
    failed_refresh(cache, io, Service(RetrievalError("busy")))
    io.advance(31)
    refresh(cache, io, Service())
    assert refresh(cache, io, Service()) == "canary-2"


def test_cooldown_after_a_success() -> None:
    """A new token that is not usable is returned for 30 s, and then refreshed."""
    cache, io = new_cache(), environment()
    refresh(cache, io, Service())
    assert refresh(cache, io, Service(RetrievalError("not called"))) == "canary-2"
    io.advance(30)
    assert refresh(cache, io, Service({"token": "canary-3"})) == "canary-3"


def test_cooldown_starts_during_the_wait_for_the_lock() -> None:
    """A failure in another event loop during the wait for the lock starts the cooldown here too."""
    cache, io = new_cache(), environment()
    cached = load(cache, io)
    error = RetrievalError("busy")

    def other() -> None:
        io.when_locked.clear()
        io.locked_now.clear()
        assert failed_refresh(cache, io, Service(error)) is error
        io.locked_now.append(PATH)

    io.when_locked[PATH] = other
    service = Service()
    with pytest.raises(RetrievalError):
        run(cache.refresh(io, cached, lambda _: False, service))
    assert service.requests == []


def test_no_cooldown_after_a_cancellation() -> None:
    """A cancelled refresh starts no cooldown, releases the lock and changes nothing."""
    cache, io = new_cache(), environment()

    class Cancelled(BaseException):
        pass

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        refresh(cache, io, Service(then=cancel))
    assert io.locked_now == []
    assert written(io) == OLD
    assert refresh(cache, io, Service()) == "canary-2"


def test_no_cooldown_without_a_request() -> None:
    """An invalid configuration, which prevents the request, starts no cooldown."""
    cache, io = new_cache(), environment()
    error = InvalidConfigurationError("no endpoint")
    assert failed_refresh(cache, io, Service(error)) is error
    assert refresh(cache, io, Service()) == "canary-2"


def test_cancelled_write_keeps_the_new_token_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new token is in memory before the file is written, so that a cancellation does not lose it."""
    cache, io = new_cache(), environment()

    async def cancelled(path: str, content: bytes, replaces: Signature) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(io, "write_private", cancelled)
    with pytest.raises(KeyboardInterrupt):
        refresh(cache, io, Service())
    assert io.locked_now == []
    assert load(cache, io)[:4] == (FILE, "canary-2", NEW, OLD)


@pytest.mark.fault("L16")
@pytest.mark.parametrize("reading", [0, 1, 2, 3])
def test_rejected_after_a_race(reading: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a program without the lock has used the refresh token, its new token is read from the file."""
    cache, io = new_cache(), environment()
    service = Service(LoginRequiredError("rejected"))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == reading + 1:
            io.files[PATH] = json.dumps(OTHER).encode()

    monkeypatch.setattr(io, "sleep", sleep)
    assert refresh(cache, io, service) == "canary-9"
    assert slept == [0.0, 0.05, 0.1, 0.2][: reading + 1]


def test_rejection_without_a_race_is_raised() -> None:
    """Without another program the rejection is raised, within a second."""
    cache, io = new_cache(), environment()
    error = LoginRequiredError("rejected", command="aws sso login")
    assert failed_refresh(cache, io, Service(error)) is error
    assert sum(io.pauses) < 1
    again = failed_refresh(cache, io, Service())
    assert isinstance(again, LoginRequiredError)
    assert again.command == "aws sso login"


def test_no_secret_is_shown() -> None:
    """Neither the state of the cache nor an error shows a token."""
    cache, io = new_cache(), environment(unwritable={PATH: WriteFailure("cannot be written: x")})
    refresh(cache, io, Service())
    assert not any(secret in repr(cache._pending) for secret in SECRETS)
    assert_no_secret(failed_refresh(new_cache(), environment(), Service(RetrievalError("x"))), *SECRETS)


@pytest.mark.fault("L15", "S12")
def test_file_that_others_can_access(caplog: pytest.LogCaptureFixture) -> None:
    """A file that other users can access is used, and one warning says how to restrict it."""
    io = environment()
    io.exposed.add(PATH)
    cache = new_cache()
    for _ in range(3):
        load(cache, io)
    assert caplog.messages == [f"provider: {SHOWN} is accessible to other users; run chmod 600 on it"]


@pytest.mark.fault("L18")
def test_failed_write_notifies_the_observer() -> None:
    """The observer is notified of a failed write, with the displayed path of the file."""
    events: list[Event] = []
    io = environment(unwritable={PATH: WriteFailure("is on a read-only file system")})
    cache = new_cache()
    context = copy_context()
    context.run(watch, events.append)
    assert context.run(refresh, cache, io, Service()) == "canary-2"
    assert events == [CacheWriteFailed("provider", SHOWN, "is on a read-only file system")]


def test_sign_in_during_the_refresh(caplog: pytest.LogCaptureFixture) -> None:
    """If the user has signed in again during the refresh, the token of that stays in the file and is returned."""
    cache, io = new_cache(), environment()
    service = Service(then=lambda: io.files.update({PATH: json.dumps(OTHER).encode()}))
    assert refresh(cache, io, service) == "canary-9"
    assert written(io) == OTHER
    assert caplog.messages == [f"provider: {SHOWN} was changed during the refresh"]
    assert load(cache, io).token == "canary-9"


def test_sign_out_during_the_refresh() -> None:
    """If the user has signed out during the refresh, the file is not written, and the new token is dropped."""
    cache, io = new_cache(), environment()
    assert str(rejected(refresh, cache, io, Service(then=io.files.clear))) == f"{SHOWN} does not exist"
    assert io.files == {}
    assert str(rejected(run, cache.load(io, FILE))) == f"{SHOWN} does not exist"


def test_same_document_in_another_version() -> None:
    """If only the permissions or the layout of the file have changed during the refresh, it is replaced."""
    cache, io = new_cache(), environment()
    service = Service(then=lambda: io.files.update({PATH: json.dumps(OLD, indent=4).encode()}))
    assert refresh(cache, io, service) == "canary-2"
    assert written(io) == NEW


def test_unreadable_after_the_request() -> None:
    """If the file cannot be read after the request, such as a link to another user's, the token stays in memory."""
    cache, io = new_cache(), environment()
    unreadable = ReadFailure("belongs to another user")
    assert refresh(cache, io, Service(then=lambda: io.files.update({PATH: unreadable}))) == "canary-2"
    assert io.files == {PATH: unreadable}
    assert load(cache, io).token == "canary-2"
    io.advance(31)
    assert refresh(cache, io, Service({"token": "canary-3"})) == "canary-3"
    assert io.files == {PATH: unreadable}
