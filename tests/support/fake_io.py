"""A world without an event loop: what a provider asks is answered from a script, and time moves only by the script.

``run(provider._fetch(io, Caller()))`` drives a provider with one ``send``; if it really has to wait, the test fails.
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

# The planted secrets. The word in each is what the canary fixture looks for.
KEY_ID = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+canaryEXAMPLEKEYxx"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjcanarySESSION=="
IMDS_TOKEN = "AQAEALcanaryMetadataToken=="
AUTHORIZATION = "Bearer canary-authorization-token"
SECRETS = (SECRET_KEY, SESSION_TOKEN, IMDS_TOKEN, AUTHORIZATION)

_LIBRARY = os.path.dirname(anycreds.__file__) + os.sep  # noqa: PTH120 - it is compared as text
START = 1_704_164_645.0  # 2024-01-02T03:04:05Z, the moment of the vectors in the reference


class FakeIo:
    """An ``Io`` (and the clock of a ``FakeRuntime``) that follows a script of exchanges.

    What is written goes to ``files``, unless ``unwritable`` says why not. A lock that is in ``busy`` is never free;
    what is in ``when_locked`` is called as soon as a lock is held, and may do what a sibling has done before.
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
        self.exposed: set[str] = set()
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

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
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
            raise ProviderTimeoutError(f"gave no answer within {seconds:g} s", source=waiting_for)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)

    async def preload_http(self) -> None:
        """Have nothing to load."""

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        assert self.script, f"nothing more was to be asked, but this came: {request}"
        method, url, answer = self.script.pop(0)
        assert (request.method, str(request.url)) == (method, url)
        return answer(request) if callable(answer) else answer

    async def read_file(self, path: str, limit: int) -> bytes | ReadFailure:
        self.reads.append(path)
        content = self.files.get(path, ReadFailure("No such file or directory", is_missing=True))
        if isinstance(content, bytes) and len(content) > limit:
            return ReadFailure(f"it is larger than {limit} bytes")
        return content

    async def read_private(self, path: str, limit: int) -> PrivateFile | ReadFailure:
        content = await self.read_file(path, limit)
        return content if isinstance(content, ReadFailure) else PrivateFile(content, path in self.exposed)

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

    async def write_private(self, path: str, content: bytes) -> WriteFailure | None:
        assert isinstance(content, bytes)
        if (problem := self.unwritable.get(path)) is not None:
            return problem
        self.writes.append((path, content))
        self.files[path] = content
        return None

    @asynccontextmanager
    async def file_lock(self, path: str, seconds: float) -> AsyncIterator[WriteFailure | None]:
        assert path not in self.locked_now, f"it would wait for itself: {path}"
        self.locks.append(path)
        if path in self.busy:
            self.advance(seconds)
            yield WriteFailure(f"is locked by another process or task for more than {seconds:g} s", is_busy=True)
            return
        self.locked_now.append(path)
        if path in self.when_locked:
            self.when_locked[path]()
        try:
            yield None
        finally:
            self.locked_now.remove(path)

    async def shielded(self, work: Awaitable[T], seconds: float) -> T:
        return await work

    def new_uuid(self) -> str:
        self.uniques += 1
        return f"00000000-0000-4000-8000-{self.uniques:012d}"

    async def run_in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return function(*arguments)

    def home_directory(self) -> str | None:
        return "/home/somebody"

    async def run_process(self, command: str, timeout: float, limit: int) -> Process:  # noqa: ASYNC109
        self.runs.append((command, timeout, limit))
        assert command in self.processes, "this command was not to be run"
        return self.processes[command]

    def timeout(self, request: Request) -> TransportFailure:
        """Answer nothing until the request's time is over (for a script)."""
        self.advance(request.timeout)
        return TransportFailure("timeout", f"nothing came within {request.timeout:g} s")


class FakeRuntime:
    """A ``Runtime`` whose sessions are all one ``FakeIo``."""

    def __init__(self, io: FakeIo | None = None) -> None:
        self.io = io or FakeIo()
        self.sessions = 0

    def time(self) -> float:
        return self.io.time()

    def monotonic(self) -> float:
        return self.io.monotonic()

    def jitter(self) -> float:
        return self.io.jitter()

    def open_io(self, name: str, timeout: float | None = None) -> AbstractAsyncContextManager[FakeIo]:
        return self._session()

    def pause_attempt(self) -> AbstractContextManager[None]:
        return nullcontext()

    @asynccontextmanager
    async def _session(self) -> Any:
        self.sessions += 1
        yield self.io

    async def preload(self) -> None:
        """Have nothing to load."""

    def current_loop(self) -> Hashable:
        return "the only run"

    def is_loop_closed(self, run: Hashable) -> bool:
        return False

    def spawn_system_task(
        self,
        body: Callable[[], Awaitable[BaseException | None]],
        ended: Callable[[], None],
        name: str,
        context: Context,
    ) -> None:
        raise AssertionError("nothing here starts tasks")

    def after_fork(self, reset: Callable[[], None]) -> None:
        raise AssertionError("nothing here is reset after a fork")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise AssertionError("it waits for something that is not in the script")


class Suspend:
    """An awaitable that hands control to the event loop once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def fetch(provider: Provider, io: FakeIo) -> Credentials:
    """Let a provider make one attempt, which must use its whole script."""
    credentials = run(provider._fetch(io, ClientContext()))
    assert io.script == []
    return credentials


def failure(provider: Provider, io: FakeIo) -> CredentialsError:
    """Return the error of one attempt, in which no secret may be found."""
    try:
        credentials = run(provider._fetch(io, ClientContext()))
    except CredentialsError as error:
        assert io.script == []
        assert_no_secret(error)
        return error
    raise AssertionError(f"it gave {credentials!r}")


def answer(body: object = b"", status: int = 200, **headers: str) -> Response:
    """Make an answer; what is not bytes becomes JSON. ``retry_after`` is the header ``retry-after``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def document(**changes: object) -> dict[str, object]:
    """Make a document as the container and EC2 metadata services give it; ``...`` leaves a field out."""
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
    """Look for the planted secrets wherever an error report looks: texts, causes, notes, fields, our frames' locals."""
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
    """Tell whether a file is one of the library's, wherever it is installed."""
    return path.startswith(_LIBRARY)
