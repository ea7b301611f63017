"""Token files that others use too: read without trust, refreshed once, written back whole, and never lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

import pytest

from anycreds._config.locations import Location
from anycreds._config.settings import Setting
from anycreds._core.errors import CredentialsError, InvalidConfigurationError, LoginRequiredError, RetrievalError
from anycreds._core.io import ReadFailure, WriteFailure
from anycreds._core.observer import watch
from anycreds._core.validation import InvalidValueError
from anycreds._providers.service.token_cache import LIMIT, Held, TokenFiles, token_file
from anycreds.events import CacheWriteFailed, Event
from support.errors import rejected
from support.fake_io import FakeIo, assert_no_secret, run

PATH, SHOWN = "/home/me/.aws/sso/cache/x.json", "~/.aws/sso/cache/x.json"
FILE = Location(PATH, "the path", SHOWN, is_explicit=True)
OLD = {"token": "canary-1", "refresh": "canary-r1", "startUrl": "https://x", "more": {"deep": [1, None]}}
NEW = {**OLD, "token": "canary-2", "refresh": "canary-r2"}
OTHER = {"token": "canary-9", "refresh": "canary-r9"}
SECRETS = ("canary-1", "canary-2", "canary-9", "canary-r")


def parse(document: Mapping[str, Any]) -> str:
    """Read a token for these tests: one text."""
    token = document.get("token")
    if not isinstance(token, str):
        raise InvalidValueError("is missing", field="token")
    return token


def files() -> TokenFiles[str]:
    """Make what a provider knows."""
    return TokenFiles("somebody", parse)


def holding(content: Any = OLD, **runtime: Any) -> FakeIo:
    """Make a world with this token file; what is not bytes becomes JSON."""
    body = content if isinstance(content, bytes | ReadFailure) else json.dumps(content).encode()
    return FakeIo(files={PATH: body}, **runtime)


def written(io: FakeIo) -> Any:
    """Return what the file holds."""
    content = io.files[PATH]
    assert isinstance(content, bytes)
    return json.loads(content)


class Service:
    """A service that refreshes tokens, and counts."""

    def __init__(self, *answers: Any, then: Callable[[], None] = lambda: None) -> None:
        self.answers = list(answers) or [{"token": "canary-2", "refresh": "canary-r2"}]
        self.asked: list[str] = []
        self.then = then

    async def __call__(self, token: str) -> Any:
        self.asked.append(token)
        self.then()
        return self.answers.pop(0)


def load(one: TokenFiles[str], io: FakeIo) -> Held[str]:
    """Return the token that is there."""
    held = run(one.load(io, FILE))
    assert isinstance(held, Held), held
    assert repr(held) == "Held()"
    return held


def renew(one: TokenFiles[str], io: FakeIo, service: Service, enough: str = "canary-9") -> Any:
    """Let the token that is there be renewed; only one token is enough."""
    return run(one.renew(io, FILE, load(one, io), lambda token: token == enough, service))


def test_location() -> None:
    """A file in the home directory is where the environment has the home, and is shown with ~."""
    place = token_file(FakeIo(environ={"HOME": "/home/me/"}), Setting("~/.aws/sso/cache", "it"), "x.json", "who")
    assert place == Location(PATH, "it", SHOWN, is_explicit=True)
    place = token_file(FakeIo(), Setting("~/.aws/sso/cache", "it"), "x.json", "who")
    assert isinstance(place, Location)
    assert place.path == "/home/user/.aws/sso/cache/x.json"
    place = token_file(FakeIo(), Setting("/cache/", "VARIABLE"), "x.json", "who")
    assert place == Location("/cache/x.json", "VARIABLE", "/cache/x.json", is_explicit=True)


def test_no_home() -> None:
    """Without a home directory nothing is looked for anywhere else."""
    io = FakeIo()
    io.home_directory = lambda: None  # type: ignore[method-assign]
    error = token_file(io, Setting("~/.aws/sso/cache", "the path of the token file"), "x.json", "who")
    assert isinstance(error, InvalidConfigurationError)
    assert error.message.startswith("the path of the token file begins with ~, but the home directory is not known")


def test_load() -> None:
    """The file is read at every call, through the limit, and nothing of it is remembered."""
    one, io = files(), holding()
    assert load(one, io) == ("canary-1", OLD, OLD)
    io.files[PATH] = json.dumps(OTHER).encode()
    assert load(one, io).token == "canary-9"
    assert io.reads == [PATH, PATH]
    assert io.pauses == []
    assert io.locks == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (ReadFailure("cannot be read: Permission denied"), "cannot be read: Permission denied"),
        (b"", "is empty"),
        (b'{"token": "canary-1', "is not JSON"),
        (b'{"token": "canary-1"}}', "is not JSON"),
        (b"\xff", "is not UTF-8 text"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark; expected UTF-8 without one"),
        (b"[]", "is JSON, but not an object"),
        (b"[" * 5000, "has more than 200 objects and arrays"),
        (b" " * (LIMIT + 1), f"it is larger than {LIMIT} bytes"),
    ],
)
def test_unreadable(content: bytes | ReadFailure, problem: str) -> None:
    """What cannot be read is told with the file and without its content, after one more look (L15)."""
    io = holding(content)
    error = rejected(run, files().load(io, FILE))
    assert str(error) == f"{SHOWN} {problem}"
    assert io.pauses == [0.05]
    assert io.reads == [PATH, PATH]


def test_missing() -> None:
    """A file that is not there is told at once."""
    io = FakeIo()
    assert str(rejected(run, files().load(io, FILE))) == f"{SHOWN} does not exist"
    assert io.pauses == []


def test_wrong_field() -> None:
    """A field that is wrong is told with its file."""
    error = rejected(run, files().load(holding({"token": 5}), FILE))
    assert str(error) == f"{SHOWN}: token is missing"


def test_torn_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that somebody is rewriting in place is whole a moment later (L05, L15)."""
    io = holding(b"")

    async def sleep(seconds: float) -> None:
        io.files[PATH] = json.dumps(NEW).encode()

    monkeypatch.setattr(io, "sleep", sleep)
    assert load(files(), io).token == "canary-2"


def test_renew() -> None:
    """Under the lock the file is read again, the service is asked once, and the whole document is written back."""
    one, io, service = files(), holding(), Service({"token": "canary-2", "refresh": "canary-r2", "new": True})

    def then() -> None:
        assert io.locked_now == [PATH]

    service.then = then
    assert renew(one, io, service) == "canary-2"
    assert service.asked == ["canary-1"]
    assert written(io) == {**NEW, "new": True}
    assert list(written(io)) == [*OLD, "new"]
    assert io.locks == [PATH]
    assert io.locked_now == []
    assert load(one, io).token == "canary-2"


def test_what_does_not_come_stays() -> None:
    """A refresh token that is not in the answer, and every key that is not known here, stays in the file."""
    io = holding()
    renew(files(), io, Service({"token": "canary-2"}))
    assert written(io) == {**OLD, "token": "canary-2"}


def test_sibling_was_faster() -> None:
    """What another process has written while the lock was waited for is taken, and the service is not asked (L16)."""
    one, io, service = files(), holding(), Service()
    io.when_locked[PATH] = lambda: io.files.update({PATH: json.dumps(OTHER).encode()})
    assert renew(one, io, service) == "canary-9"
    assert service.asked == []
    assert io.writes == []


def test_sibling_with_another_old_token() -> None:
    """If what another process has written is not enough either, it is refreshed: its refresh token is the good one."""
    one, io, service = files(), holding(), Service()
    io.when_locked[PATH] = lambda: io.files.update({PATH: json.dumps(OTHER).encode()})
    assert renew(one, io, service, enough="none") == "canary-2"
    assert service.asked == ["canary-9"]


def test_signed_out_meanwhile() -> None:
    """If the file is gone when the lock is there, nothing is refreshed and nothing is written."""
    one, io, service = files(), holding(), Service()
    io.when_locked[PATH] = io.files.clear
    assert str(rejected(renew, one, io, service)) == f"{SHOWN} does not exist"
    assert (service.asked, io.files) == ([], {})


def test_busy_lock(caplog: pytest.LogCaptureFixture) -> None:
    """A lock that somebody holds for long is waited for, logged, and gone on without; the file is read again (L17)."""
    one, io, service = files(), holding(busy=[PATH]), Service()
    assert renew(one, io, service) == "canary-2"
    assert io.steady == 1010.0
    assert written(io) == NEW
    reason = "is locked by another process or task for more than 10 s"
    assert caplog.messages == [f"somebody: {SHOWN} {reason}; it goes on without"]


@pytest.mark.parametrize(
    "jam", ["cannot be written: No space left on device", "cannot be written: Read-only file system"]
)
def test_unwritable(jam: str, caplog: pytest.LogCaptureFixture) -> None:
    """A failed write fails no call: the new token is kept in memory, with its refresh token, and used (L18)."""
    one, io = files(), holding(unwritable={PATH: WriteFailure(jam)})
    assert renew(one, io, Service()) == "canary-2"
    assert caplog.messages == [f"somebody: {SHOWN} {jam}; the new token is kept in memory only"]
    assert load(one, io) == ("canary-2", NEW, OLD)
    assert load(files(), io).token == "canary-1"


def test_memory_feeds_the_next_refresh() -> None:
    """The next refresh begins with what is in memory, and whatever can then be written holds all of it."""
    one, io = files(), holding(unwritable={PATH: WriteFailure("cannot be written: x")})
    renew(one, io, Service())
    io.advance(31)
    service = Service({"token": "canary-3", "refresh": "canary-r3"})
    assert renew(one, io, service) == "canary-3"
    assert service.asked == ["canary-2"]
    assert load(one, io).token == "canary-3"
    io.advance(31)
    io.unwritable.clear()
    renew(one, io, Service({"token": "canary-4"}))
    assert written(io) == {**OLD, "token": "canary-4", "refresh": "canary-r3"}
    assert load(one, io) == ("canary-4", written(io), written(io))


def test_another_token_in_the_file_beats_memory() -> None:
    """A fresh sign-in is taken, even if it ends sooner than what is in memory; what was in memory is forgotten then."""
    one, io = files(), holding(unwritable={PATH: WriteFailure("cannot be written: x")})
    renew(one, io, Service())
    io.files[PATH] = json.dumps(OTHER).encode()
    assert load(one, io).token == "canary-9"
    io.files[PATH] = json.dumps(OLD).encode()
    assert load(one, io).token == "canary-1"


def test_a_sign_out_beats_memory() -> None:
    """Once the file is removed, what was in memory is forgotten."""
    one, io = files(), holding(unwritable={PATH: WriteFailure("cannot be written: x")})
    renew(one, io, Service())
    io.files.clear()
    assert str(rejected(run, one.load(io, FILE))) == f"{SHOWN} does not exist"
    io.files[PATH] = json.dumps(OLD).encode()
    assert load(one, io).token == "canary-1"


def test_memory_beats_a_torn_file() -> None:
    """A file that cannot be read says nothing against what is in memory, and nothing about any other file."""
    one, io = files(), holding(unwritable={PATH: WriteFailure("cannot be written: x")})
    renew(one, io, Service())
    io.files[PATH] = b"{"
    assert load(one, io).token == "canary-2"
    elsewhere = FILE._replace(path="/elsewhere")
    assert str(rejected(run, one.load(io, elsewhere))) == f"{SHOWN} does not exist"


def test_number_that_is_no_json() -> None:
    """A number that became infinite cannot be written; the file stays as it was, and the token is kept in memory."""
    one, io = files(), holding(b'{"token": "canary-1", "x": 1e999}')
    assert renew(one, io, Service()) == "canary-2"
    assert io.writes == []
    assert load(one, io).token == "canary-2"


def test_failure() -> None:
    """The error of a refresh is given, and nothing is written."""
    one, io = files(), holding()
    error = RetrievalError("busy")
    assert renew(one, io, Service(error)) is error
    assert io.writes == []
    assert io.pauses == []
    assert io.locked_now == []


def test_pause() -> None:
    """For 30 s after a failure the service is left alone, and what it said is said again, in a copy without frames."""
    one, io = files(), holding()
    error = RetrievalError("busy")
    assert renew(one, io, Service(error)) is error
    io.advance(29.9)
    again = renew(one, io, Service())
    assert isinstance(again, RetrievalError)
    assert again is not error
    assert one._failure is not error  # which was raised meanwhile, and keeps the frames of that
    assert str(again) == "busy"
    assert io.locks == [PATH]
    io.advance(0.2)
    assert renew(one, io, Service()) == "canary-2"


def test_success_forgets_the_failure() -> None:
    """Once a refresh has gone well, an earlier failure is not said again."""
    one, io = files(), holding()
    renew(one, io, Service(RetrievalError("busy")))
    io.advance(31)
    renew(one, io, Service())
    assert renew(one, io, Service()) == "canary-2"


def test_pause_after_success() -> None:
    """Where a refresh brought a token that is not enough, that one is held for 30 s, and then the next is asked for."""
    one, io = files(), holding()
    renew(one, io, Service())
    assert renew(one, io, Service(RetrievalError("not to be asked"))) == "canary-2"
    io.advance(30)
    assert renew(one, io, Service({"token": "canary-3"})) == "canary-3"


def test_pause_while_the_lock_was_waited_for() -> None:
    """What another event loop of the program learned while this one waited for the lock counts here, too."""
    one, io = files(), holding()
    held = load(one, io)
    error = RetrievalError("busy")

    def other() -> None:
        io.when_locked.clear()
        io.locked_now.clear()
        assert renew(one, io, Service(error)) is error
        io.locked_now.append(PATH)

    io.when_locked[PATH] = other
    service = Service()
    answer = run(one.renew(io, FILE, held, lambda _: False, service))
    assert isinstance(answer, RetrievalError)
    assert service.asked == []


def test_no_pause_after_a_cancellation() -> None:
    """An attempt that was cancelled does not count, leaves no lock and changes nothing."""
    one, io = files(), holding()

    class Cancelled(BaseException):
        pass

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        renew(one, io, Service(then=cancel))
    assert io.locked_now == []
    assert written(io) == OLD
    assert renew(one, io, Service()) == "canary-2"


def test_cancelled_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refreshed token is in memory before anything waits, so that no cancellation loses it."""
    one, io = files(), holding()

    async def cancelled(path: str, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(io, "write_private", cancelled)
    with pytest.raises(KeyboardInterrupt):
        renew(one, io, Service())
    assert io.locked_now == []
    assert load(one, io) == ("canary-2", NEW, OLD)


@pytest.mark.parametrize("look", [0, 1, 2, 3])
def test_refused_because_a_sibling_was_faster(look: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that knows no lock may have spent the refresh token: its new token is waited for, and taken (U31)."""
    one, io = files(), holding()
    service = Service(LoginRequiredError("refused"))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == look + 1:
            io.files[PATH] = json.dumps(OTHER).encode()

    monkeypatch.setattr(io, "sleep", sleep)
    assert renew(one, io, service) == "canary-9"
    assert slept == [0.0, 0.05, 0.1, 0.2][: look + 1]


def test_refused() -> None:
    """If nobody was faster, the refusal is given; a sibling is looked for under a second."""
    one, io = files(), holding()
    error = LoginRequiredError("refused", command="aws sso login")
    assert renew(one, io, Service(error)) is error
    assert sum(io.pauses) < 1
    again = renew(one, io, Service())
    assert isinstance(again, LoginRequiredError)
    assert again.command == "aws sso login"


def test_no_secret_in_problems() -> None:
    """Neither the object with the memory nor an answer shows a token."""
    one, io = files(), holding(unwritable={PATH: WriteFailure("cannot be written: x")})
    renew(one, io, Service())
    assert not any(secret in repr(one._kept) for secret in SECRETS)
    error = renew(one, holding(), Service(CredentialsError("x")))
    if isinstance(error, CredentialsError):
        assert_no_secret(error, *SECRETS)


def test_open_file_is_used_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """A file that others can read is used all the same, and one warning says how to close it."""
    io = holding()
    io.exposed.add(PATH)
    one = files()
    for _ in range(3):
        load(one, io)
    assert [record.getMessage() for record in caplog.records] == [f"somebody: others can read {SHOWN}; chmod 600 it"]


def test_token_that_cannot_be_written_is_told() -> None:
    """An observer is told of a token that cannot be written, with the file as people know it."""
    events: list[Event] = []
    io = holding(unwritable={PATH: WriteFailure("is on a read-only file system")})
    one = files()
    context = copy_context()
    context.run(watch, events.append)
    assert context.run(renew, one, io, Service()) == "canary-2"
    assert events == [CacheWriteFailed("somebody", SHOWN, "is on a read-only file system")]
