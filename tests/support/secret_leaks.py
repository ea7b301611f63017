"""Fails every test that leaks a secret. Each planted secret contains the word ``CANARY``, which is searched for.

Searched are log records (from DEBUG up), warnings, captured output, every ``CredentialsError``, and every exception
that leaves a provider, cancellations and exception groups included. Of an exception, its text, notes, attributes,
causes and contexts are searched, and the locals of the frames in its traceback. Frames of tests do not count: a test
may have secrets, and so may the functions that it calls.

Names of files and of Python objects may contain the word: followed by a dot or an underscore it is no secret.

Errors of a test are kept until its end. A test about memory or garbage collection has
``pytest.mark.weak_error_references``: then only those are searched that still exist at its end.
"""

from __future__ import annotations

import logging
import re
import sys
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from types import FrameType, TracebackType
from typing import Any

import pytest

from anycreds._core.credentials import Credentials
from anycreds._core.errors import CredentialsError
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds.testing import CANARY
from support.goals import record_goal

_SECRET = re.compile(rf"(?<!module '){CANARY}(?![._])")
SEARCHED = "{leaks} leaks in {tests} tests, {searched} texts searched"
_EXCERPT = 60  # characters before and after a leak in the report
_MAX_DEPTH = 4  # error -> request -> headers -> list: the deepest that HTTP libraries nest request headers
_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "h11")


class SecretLeakDetector:
    """Searches for planted secrets, and collects a sentence for each leak in ``leaks``."""

    def __init__(self, *, weak: bool = False) -> None:
        self.leaks: list[str] = []
        self.searched = 0
        self._weak = weak
        self._errors: list[Callable[[], BaseException | None]] = []
        self._searched: set[int] = set()

    def search_text(self, location: str, text: str) -> None:
        """Search a text."""
        self.searched += 1
        if match := _SECRET.search(text):
            self.leaks.append(f"{location}: …{text[max(0, match.start() - _EXCERPT) : match.end() + _EXCERPT]}…")

    def search_record(self, record: logging.LogRecord) -> None:
        """Search a log record: its message, arguments, attributes and exception."""
        self.search_text(f"log record of {record.name}", _text(record.getMessage))
        for name, value in vars(record).items():
            self.search_text(f"{name} of a log record of {record.name}", _repr(value))
        if record.exc_info and record.exc_info[1]:
            self.search_error(record.exc_info[1])

    def search_error(self, error: BaseException, *, frames_only: bool = False) -> None:
        """Search an exception with its causes, contexts and parts."""
        pending: list[tuple[BaseException | None, bool]] = [(error, True)]
        while pending:
            current, counts = pending.pop()
            if current is None or id(current) in self._searched:
                continue
            self._searched.add(id(current))
            if not frames_only:
                self._search_one_error(current)
            counts = self._search_frames(current.__traceback__, counts)
            related = [current.__cause__, current.__context__]
            if isinstance(current, BaseExceptionGroup):
                related += current.exceptions
            pending += [(one, counts) for one in related]

    def search_exit(self, error: BaseException) -> None:
        """Search the frames of an exception that leaves a provider.

        Its text is not searched: it may be an error of the user's, with the user's secrets. The text of a
        ``CredentialsError`` is searched at the end of the test.
        """
        before, self._searched = self._searched, set()
        self.search_error(error, frames_only=True)
        self._searched = before

    def _search_one_error(self, error: BaseException) -> None:
        kind = type(error).__name__
        self.search_text(f"str() of {kind}", _text(lambda: str(error)))
        self.search_text(f"repr() of {kind}", _repr(error))
        self.search_text(f"args of {kind}", _repr(error.args))
        for name, value in vars(error).items():  # the notes too
            self._search_value(f"{name} of {kind}", value, _MAX_DEPTH)

    def _search_value(self, location: str, value: object, depth: int) -> None:
        if isinstance(value, BaseException):
            self.search_error(value)
        elif isinstance(value, Credentials) or depth == 0:
            return
        elif isinstance(value, Mapping):
            for key, item in value.items():
                self._search_value(location, key, depth - 1)
                self._search_value(location, item, depth - 1)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in value:
                self._search_value(location, item, depth - 1)
        else:
            self.search_text(location, _repr(value))
            if type(value).__module__.partition(".")[0] in _HTTP_LIBRARIES:
                self._search_value(location, getattr(value, "__dict__", {}), depth - 1)

    def _search_frames(self, trace: TracebackType | None, counts: bool) -> bool:
        """Search the frames of a traceback that count. Return whether a frame that they call would count.

        A frame of this library counts, and so does every frame that it calls, directly or not. A frame of a test does
        not count, nor does a frame that it calls, until that is one of this library again.
        """
        while trace is not None:
            frame, trace = trace.tb_frame, trace.tb_next
            module = frame.f_globals.get("__name__", "")
            if module in (__name__, "contextlib"):  # contextlib resumes generators of either side
                continue
            if module.partition(".")[0] == "anycreds":
                counts = True
            elif not _is_library(module):
                counts = False
            if counts and not f"{module}.".startswith("anycreds.testing."):
                self._search_frame(frame, module)
        return counts

    def _search_frame(self, frame: FrameType, module: str) -> None:
        if id(frame) not in self._searched:
            self._searched.add(id(frame))
            for name, value in frame.f_locals.items():
                location = f"local {name!r} of {module}.{frame.f_code.co_name}() in a traceback"
                self.search_text(location, _repr(value))

    def finish(self) -> list[str]:
        """Search the errors that were created, and return all leaks, each once."""
        for reference in self._errors:
            if (error := reference()) is not None:
                self.search_error(error)
        self._errors.clear()
        self._searched.clear()
        return list(dict.fromkeys(self.leaks))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Search every log record, warning, ``CredentialsError`` and exception that leaves a provider."""
        root, handler = logging.getLogger(), _Handler(self)
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        with pytest.MonkeyPatch.context() as patch:
            self._watch_errors(patch)
            self._watch_providers(patch)
            self._watch_warnings(patch)
            try:
                yield
            finally:
                root.removeHandler(handler)
                root.setLevel(level)

    def _remember(self, error: CredentialsError) -> None:
        self._errors.append(weakref.ref(error) if self._weak else lambda: error)

    def _watch_errors(self, patch: pytest.MonkeyPatch) -> None:
        init, copy = CredentialsError.__init__, CredentialsError._copy

        @wraps(init)
        def watched_init(error: CredentialsError, *args: Any, **options: Any) -> None:
            init(error, *args, **options)
            self._remember(error)

        def watched_copy(error: CredentialsError) -> CredentialsError:
            twin = copy(error)
            self._remember(twin)
            return twin

        patch.setattr(CredentialsError, "__init__", watched_init)
        patch.setattr(CredentialsError, "_copy", watched_copy)

    def _watch_providers(self, patch: pytest.MonkeyPatch) -> None:
        call, fetch = Provider._call, Provider._fetch

        async def watched_call(provider: Provider, context: ClientContext) -> Credentials:
            try:
                return await call(provider, context)
            except BaseException as error:
                self.search_exit(error)
                raise

        async def watched_fetch(provider: Provider, io: Io, context: ClientContext) -> Credentials:
            try:
                return await fetch(provider, io, context)
            except BaseException as error:
                self.search_exit(error)
                raise

        patch.setattr(Provider, "_call", watched_call)
        patch.setattr(Provider, "_fetch", watched_fetch)

    def _watch_warnings(self, patch: pytest.MonkeyPatch) -> None:
        warn = warnings.warn

        def watched_warn(message: Any, category: Any = None, stacklevel: int = 1, *args: Any, **options: Any) -> None:
            self.search_text("warning", str(message))
            warn(message, category, stacklevel + 1, *args, **options)

        patch.setattr(warnings, "warn", watched_warn)


class _Handler(logging.Handler):
    def __init__(self, detector: SecretLeakDetector) -> None:
        super().__init__(logging.DEBUG)
        self._detector = detector

    def emit(self, record: logging.LogRecord) -> None:
        self._detector.search_record(record)


@cache
def _is_library(module: str) -> bool:
    """Return whether a module belongs to the standard library or to an installed package."""
    package = module.partition(".")[0]
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return package in sys.stdlib_module_names - {"__main__"} or "site-packages" in file


def _text(show: Callable[[], str]) -> str:
    try:
        return show()
    except Exception as error:  # noqa: BLE001 - a value without a text leaks no secret
        return f"<{type(error).__name__}>"


def _repr(value: object) -> str:
    return _text(lambda: repr(value))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "weak_error_references: keep no error of this test alive just to search it for secrets"
    )


@pytest.fixture(autouse=True)
def secret_leaks(request: pytest.FixtureRequest) -> Iterator[SecretLeakDetector]:
    """Fail the test if it leaks a planted secret."""
    detector = SecretLeakDetector(weak=request.node.get_closest_marker("weak_error_references") is not None)
    with detector.watching():
        yield detector
    leaks = detector.finish()
    counts = {"tests": 1, "searched": detector.searched, "leaks": len(leaks)}
    record_goal(request.node, "G13", SEARCHED, "every test", counts, passed=not leaks)
    if leaks:
        pytest.fail("a secret leaked:\n" + "\n".join(leaks), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Search the captured output, which is complete after the teardown."""
    report = yield
    if report.when == "teardown" and report.passed:
        detector = SecretLeakDetector()
        for name, text in report.sections:
            detector.search_text(name, text)
        if detector.leaks:
            record_goal(item, "G13", SEARCHED, "every test", {"leaks": len(detector.leaks)}, passed=False)
            report.user_properties = list(item.user_properties)
            report.outcome = "failed"
            report.longrepr = "a secret leaked:\n" + "\n".join(detector.leaks)
    return report
