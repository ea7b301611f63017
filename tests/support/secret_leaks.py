"""No test may let a secret show. Every planted secret holds the word ``CANARY``, and here it is searched for.

Autouse, for every test: what is logged (from DEBUG up), warned, raised as a ``CredentialsError`` (with its causes, its
notes, its attributes and the locals of our frames in its traceback) or printed. Names of files and of Python objects
may hold the word: followed by a dot or an underscore it is no secret.

Errors of a test are kept until its end. A test about memory or collection has ``pytest.mark.weak_error_references``:
then only those are searched that still exist at its end.
"""

from __future__ import annotations

import logging
import re
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import pytest

from anycreds._core.credentials import Credentials
from anycreds._core.errors import CredentialsError
from anycreds.testing import CANARY

_MARKER = re.compile(rf"(?<!module '){CANARY}(?![._])")
_AROUND = 60  # characters of the place of a find that are shown
_DEEPEST = 4  # error -> request -> headers -> list: as deep as HTTP libraries hide what was sent
_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "h11")


class SecretLeakDetector:
    """Collects what was found, as sentences in ``found``."""

    def __init__(self, *, weak: bool = False) -> None:
        self.found: list[str] = []
        self._weak = weak
        self._errors: list[Callable[[], BaseException | None]] = []
        self._seen: set[int] = set()

    def look(self, where: str, text: str) -> None:
        """Search a text."""
        if find := _MARKER.search(text):
            self.found.append(f"{where}: …{text[max(0, find.start() - _AROUND) : find.end() + _AROUND]}…")

    def look_at_record(self, record: logging.LogRecord) -> None:
        """Search a log record: its text, what it was made from, what came with it."""
        self.look(f"log record of {record.name}", _text(record.getMessage))
        for name, value in vars(record).items():
            self.look(f"{name} of a log record of {record.name}", _repr(value))
        if record.exc_info and record.exc_info[1]:
            self.look_at_error(record.exc_info[1])

    def look_at_error(self, error: BaseException) -> None:
        """Search an error, and all that it was caused by, came with or is made of."""
        waiting: list[BaseException | None] = [error]
        while waiting:
            one = waiting.pop()
            if one is None or id(one) in self._seen:
                continue
            self._seen.add(id(one))
            self._look_at_one_error(one)
            waiting += [one.__cause__, one.__context__]
            if isinstance(one, BaseExceptionGroup):
                waiting += one.exceptions

    def _look_at_one_error(self, error: BaseException) -> None:
        kind = type(error).__name__
        self.look(f"str() of {kind}", _text(lambda: str(error)))
        self.look(f"repr() of {kind}", _repr(error))
        self.look(f"args of {kind}", _repr(error.args))
        for name, value in vars(error).items():  # the notes are here too
            self._dig(f"{name} of {kind}", value, _DEEPEST)
        self._look_at_frames(error.__traceback__)

    def _dig(self, where: str, value: object, depth: int) -> None:
        if isinstance(value, BaseException):
            self.look_at_error(value)
        elif isinstance(value, Credentials) or depth == 0:
            return
        elif isinstance(value, Mapping):
            for key, item in value.items():
                self._dig(where, key, depth - 1)
                self._dig(where, item, depth - 1)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in value:
                self._dig(where, item, depth - 1)
        else:
            self.look(where, _repr(value))
            if type(value).__module__.partition(".")[0] in _HTTP_LIBRARIES:
                self._dig(where, getattr(value, "__dict__", {}), depth - 1)

    def _look_at_frames(self, trace: TracebackType | None) -> None:
        while trace is not None:
            frame, trace = trace.tb_frame, trace.tb_next
            module = frame.f_globals.get("__name__", "")
            if not _is_ours(module) or id(frame) in self._seen:
                continue
            self._seen.add(id(frame))
            for name, value in frame.f_locals.items():
                where = f"local {name!r} of {module}.{frame.f_code.co_name}() in a traceback"
                self.look(where, _repr(value))

    def finish(self) -> list[str]:
        """Search the errors that were seen, and return all finds, each once."""
        for reference in self._errors:
            if (error := reference()) is not None:
                self.look_at_error(error)
        self._errors.clear()
        self._seen.clear()
        return list(dict.fromkeys(self.found))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See every log record, warning and ``CredentialsError`` while the ``with`` lasts."""
        root, handler = logging.getLogger(), _Handler(self)
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        with pytest.MonkeyPatch.context() as patch:
            self._see_errors(patch)
            self._see_warnings(patch)
            try:
                yield
            finally:
                root.removeHandler(handler)
                root.setLevel(level)

    def _remember(self, error: CredentialsError) -> None:
        self._errors.append(weakref.ref(error) if self._weak else lambda: error)

    def _see_errors(self, patch: pytest.MonkeyPatch) -> None:
        make, copy = CredentialsError.__init__, CredentialsError._copy

        def seen_init(error: CredentialsError, *args: Any, **options: Any) -> None:
            make(error, *args, **options)
            self._remember(error)

        def seen_copy(error: CredentialsError) -> CredentialsError:
            twin = copy(error)
            self._remember(twin)
            return twin

        patch.setattr(CredentialsError, "__init__", seen_init)
        patch.setattr(CredentialsError, "_copy", seen_copy)

    def _see_warnings(self, patch: pytest.MonkeyPatch) -> None:
        warn = warnings.warn

        def seen_warn(message: Any, category: Any = None, stacklevel: int = 1, *args: Any, **options: Any) -> None:
            self.look("warning", str(message))
            warn(message, category, stacklevel + 1, *args, **options)

        patch.setattr(warnings, "warn", seen_warn)


class _Handler(logging.Handler):
    def __init__(self, detector: SecretLeakDetector) -> None:
        super().__init__(logging.DEBUG)
        self._detector = detector

    def emit(self, record: logging.LogRecord) -> None:
        self._detector.look_at_record(record)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "anycreds" and not f"{module}.".startswith("anycreds.testing.")


def _text(show: Callable[[], str]) -> str:
    try:
        return show()
    except Exception as error:  # noqa: BLE001 - what cannot be shown shows no secret
        return f"<{type(error).__name__}>"


def _repr(value: object) -> str:
    return _text(lambda: repr(value))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "weak_error_references: keep no error of this test alive just to search it for secrets"
    )


@pytest.fixture(autouse=True)
def secret_leaks(request: pytest.FixtureRequest) -> Iterator[SecretLeakDetector]:
    """Fail the test if it lets a planted secret show."""
    watch = SecretLeakDetector(weak=request.node.get_closest_marker("weak_error_references") is not None)
    with watch.watching():
        yield watch
    if found := watch.finish():
        pytest.fail("a secret shows:\n" + "\n".join(found), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Search what was printed or otherwise captured, when all of it is there."""
    report = yield
    if report.when == "teardown" and report.passed:
        watch = SecretLeakDetector()
        for name, text in report.sections:
            watch.look(name, text)
        if watch.found:
            report.outcome = "failed"
            report.longrepr = "a secret shows:\n" + "\n".join(watch.found)
    return report
