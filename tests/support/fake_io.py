"""A scripted ``Io`` and ``Runtime``, with which a provider runs without an event loop, and time is virtual.

``run(provider._fetch(io, ClientContext()))`` runs a provider with one ``send``. The test fails if it has to wait.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from contextvars import Context
from types import CodeType
from typing import Any, TypeVar

import anycreds
from anycreds._core.credentials import Credentials
from anycreds._core.errors import CredentialsError, ProviderTimeoutError
from anycreds._core.http import Request, Response, TransportFailure
from anycreds._core.io import (
    CallLimit,
    Clock,
    FileQuery,
    FileVersion,
    PrivateFile,
    ProcessFailure,
    ProcessResult,
    ReadFailure,
    Signature,
    WriteFailure,
)
from anycreds._core.provider import ClientContext, Provider

T = TypeVar("T")
Answer = Response | TransportFailure
Process = ProcessResult | ProcessFailure
Step = tuple[str, str, Answer | Callable[[Request], Answer]]

# The planted secrets. Each contains the word that the secret-leak detector searches for.
KEY_ID = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+canaryEXAMPLEKEYxx"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjcanarySESSION=="
IMDS_TOKEN = "AQAEALcanaryMetadataToken=="
AUTHORIZATION = "Bearer canary-authorization-token"
SECRETS = (SECRET_KEY, SESSION_TOKEN, IMDS_TOKEN, AUTHORIZATION)

_LIBRARY = os.path.dirname(anycreds.__file__) + os.sep  # noqa: PTH120 - compared as text
START = 1_704_164_645.0  # 2024-01-02T03:04:05Z, the time of the known signatures


class FakeIo:
    """An ``Io`` (and the clock of a ``FakeRuntime``) with a script of exchanges.

    Written files are stored in ``files``, except for the paths in ``unwritable``. A lock in ``busy`` is held by another
    process for ever; with ``has_locks`` False there are no locks. A function in ``when_locked`` is called after its
    lock was acquired, for example to write what another process has written before.
    """

    def __init__(
        self,
        *script: Step,
        environ: Mapping[str, str] | None = None,
        files: Mapping[str, bytes | ReadFailure] | None = None,
        processes: Mapping[str, Process] | None = None,
        jitter: float = 0.5,
        unwritable: Mapping[str, WriteFailure] | None = None,
        busy: Collection[str] = (),
        when_locked: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self.script = list(script)
        self.variables = dict(environ or {})
        self.files = dict(files or {})
        self.processes = dict(processes or {})
        self.unwritable = dict(unwritable or {})
        self.busy = set(busy)
        self.when_locked = dict(when_locked or {})
        self.chance = jitter
        self.wall = START
        self.steady = 1000.0
        self.requests: list[Request] = []
        self.pauses: list[float] = []
        self.reads: list[str] = []
        self.runs: list[tuple[str, float, int]] = []
        self.deadlines: list[tuple[float, str]] = []
        self.asked: list[tuple[float, str]] = []
        self.writes: list[tuple[str, bytes]] = []
        self.locks: list[str] = []
        self.locked_now: list[str] = []
        self.has_locks = True
        self.exposed: set[str] = set()
        self.modified: dict[str, float] = {}
        self.unwanted: Collection[int] = ()
        self.uniques = 0

    prompts_user = False
    waiting_for = ""

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def jitter(self) -> float:
        return self.chance

    def environ(self) -> Mapping[str, str]:
        return self.variables

    def read_at_once(self, wanted: Sequence[FileQuery]) -> list[FileVersion | ReadFailure | None] | None:
        return None  # every read of a script waits

    def advance(self, seconds: float) -> None:
        """Advance both clocks."""
        self.wall += seconds
        self.steady += seconds

    @contextmanager
    def deadline(self, seconds: float, waiting_for: str) -> Iterator[None]:
        self.deadlines.append((seconds, waiting_for))
        with self._ending(seconds, waiting_for):
            yield

    @contextmanager
    def user_prompt(self, seconds: float, waiting_for: str) -> Iterator[None]:
        self.asked.append((seconds, waiting_for))
        with self._ending(seconds, waiting_for):
            yield

    @contextmanager
    def _ending(self, seconds: float, waiting_for: str) -> Iterator[None]:
        end = self.steady + seconds
        yield
        if self.steady > end:
            raise ProviderTimeoutError(f"no response within {seconds:g} s", source=waiting_for)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)

    async def preload_http(self, *, plain: bool) -> None:
        """Have nothing to load."""

    def service_call(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        assert self.script, f"unexpected request after the end of the script: {request}"
        method, url, answer = self.script.pop(0)
        assert (request.method, str(request.url)) == (method, url)
        return answer(request) if callable(answer) else answer

    async def read_file(self, path: str, limit: int) -> bytes | ReadFailure:
        self.reads.append(path)
        content = self.files.get(path, ReadFailure("No such file or directory", is_missing=True))
        if isinstance(content, bytes) and len(content) > limit:
            return ReadFailure(f"it is larger than {limit} bytes")
        return content

    async def read_private(self, path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
        content = await self.read_file(path, limit)
        if isinstance(content, ReadFailure):
            return content
        return PrivateFile(content, path in self.exposed, (hash(content),), self.modified.get(path, START))

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        return [await self._read_changed(path, limit, known) for path, known in wanted]

    async def _read_changed(self, path: str, limit: int, known: Signature | None) -> FileVersion | ReadFailure | None:
        if path not in self.files:
            return ReadFailure("cannot be read: No such file or directory", is_missing=True)
        content = await self.read_file(path, limit)
        if isinstance(content, ReadFailure):
            return content
        signature = (hash(content),)
        return None if signature == known else FileVersion(content, signature)

    async def write_private(
        self, path: str, content: bytes, replaces: Signature | None = None, *, follow_link: bool = True
    ) -> WriteFailure | None:
        assert isinstance(content, bytes)
        if (problem := self.unwritable.get(path)) is not None:
            return problem
        if replaces is not None and replaces != (hash(self.files.get(path)),):
            return WriteFailure("was changed", is_changed=True)
        self.writes.append((path, content))
        self.files[path] = content
        self.modified[path] = self.wall
        return None

    @asynccontextmanager
    async def file_lock(self, path: str, seconds: float) -> AsyncIterator[WriteFailure | None]:
        assert path not in self.locked_now, f"deadlock: the lock is already held: {path}"
        self.locks.append(path)
        if path in self.busy:
            self.advance(seconds)
            yield WriteFailure(f"has been locked by process 7 for more than {seconds:g} s", is_busy=True)
            return
        if not self.has_locks:
            yield WriteFailure("cannot be locked: No locks available")
            return
        self.locked_now.append(path)
        if path in self.when_locked:
            self.when_locked[path]()
        try:
            yield None
        finally:
            self.locked_now.remove(path)

    async def run_detached(self, work: Callable[[Any], Awaitable[T]]) -> T:
        return await work(self)

    def new_uuid(self) -> str:
        self.uniques += 1
        return f"00000000-0000-4000-8000-{self.uniques:012d}"

    async def run_in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return function(*arguments)

    def home_directory(self) -> str | None:
        return "/home/user"

    async def run_process(self, command: str, timeout: float, limit: int) -> Process:  # noqa: ASYNC109
        self.runs.append((command, timeout, limit))
        assert command in self.processes, "unexpected command"
        return self.processes[command]

    def timeout(self, request: Request) -> TransportFailure:
        """Let a request of the script time out."""
        self.advance(request.timeout)
        return TransportFailure("timeout", f"nothing came within {request.timeout:g} s")


class FakeRuntime:
    """A ``Runtime`` that always opens the same ``FakeIo``."""

    def __init__(self, io: FakeIo | None = None) -> None:
        self.io = io or FakeIo()
        self.sessions = 0

    def time(self) -> float:
        return self.io.time()

    def monotonic(self) -> float:
        return self.io.monotonic()

    def jitter(self) -> float:
        return self.io.jitter()

    def environ(self) -> Mapping[str, str]:
        return self.io.environ()

    def read_at_once(self, wanted: Sequence[FileQuery]) -> list[FileVersion | ReadFailure | None] | None:
        return self.io.read_at_once(wanted)

    def open_io(self, name: str, timeout: float | None = None) -> Any:
        return self._session()

    def pause_attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    @asynccontextmanager
    async def _session(self) -> Any:
        self.sessions += 1
        yield self.io

    async def preload(self, modules: tuple[str, ...] = ()) -> bool:
        """Have nothing to load."""
        return False

    def current_loop(self) -> Hashable:
        return "the only event loop"

    def is_loop_closed(self, run: Hashable) -> bool:
        return False

    def call_soon(self, loop: Hashable, function: Callable[[], object]) -> bool:
        function()
        return True

    def call_later(self, seconds: float, function: Callable[[], object]) -> Callable[[], object]:
        raise AssertionError("unexpected timer")

    def spawn_system_task(
        self,
        body: Callable[[], Awaitable[BaseException | None]],
        ended: Callable[[], None],
        name: str,
        context: Context,
    ) -> None:
        raise AssertionError("unexpected task")

    def with_clock(self, clock: Clock) -> FakeRuntime:
        raise AssertionError("the clock is that of the scripted io")

    def with_call_limit(self, limit: CallLimit) -> FakeRuntime:
        raise AssertionError("unexpected limit")

    def after_fork(self, owner: T, reset: Callable[[T], None]) -> None:
        raise AssertionError("unexpected fork handler")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never has to wait, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise AssertionError("the coroutine waits for something that is not in the script")


class Suspend:
    """An awaitable that hands control to the event loop once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def fetch(provider: Provider, io: FakeIo) -> Credentials:
    """Return the credentials of one attempt, which must use the whole script."""
    credentials = run(provider._fetch(io, ClientContext()))
    assert io.script == []
    return credentials


def failure(provider: Provider, io: FakeIo) -> CredentialsError:
    """Return the error of one attempt, after a check that it contains no secret."""
    try:
        credentials = run(provider._fetch(io, ClientContext()))
    except CredentialsError as error:
        assert io.script == []
        assert_no_secret(error)
        return error
    raise AssertionError(f"the provider returned {credentials!r}")


def answer(body: object = b"", status: int = 200, **headers: str) -> Response:
    """Return a response. A body that is not bytes becomes JSON; ``retry_after=`` is the header ``retry-after``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def document(**changes: object) -> dict[str, object]:
    """Return a credentials document of the container and EC2 metadata services. ``...`` omits a field."""
    full = {
        "Code": "Success",
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET_KEY,
        "Token": SESSION_TOKEN,
        "Expiration": "2024-01-02T09:04:05Z",
        **changes,
    }
    return {name: value for name, value in full.items() if value is not ...}


def assert_no_secret(error: BaseException, *more: str) -> None:
    """Fail if an error contains a planted secret: in texts, causes, notes, attributes, or locals of our frames."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    texts: list[str] = []
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        texts += [str(one), repr(one), repr(one.args), repr(one.__dict__)]
        texts += [repr(value) for code, frame in _frames(one) if _is_ours(code) for value in frame.values()]
    for secret in (*SECRETS, *more):
        found = [text[:200] for text in texts if secret in text]
        assert not found, f"a secret is in {found}"


def _frames(error: BaseException) -> Iterator[tuple[CodeType, Mapping[str, object]]]:
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield frame.f_code, frame.f_locals


def _is_ours(code: CodeType) -> bool:
    return is_library_file(code.co_filename)


def is_library_file(path: str) -> bool:
    """Return whether a file belongs to this library."""
    return path.startswith(_LIBRARY)
