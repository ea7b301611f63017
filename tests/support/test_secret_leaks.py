"""The secret-leak detector: each test in ``LEAKS`` leaks a planted secret in one way, and must fail for that reason.

They run in a separate pytest with the conftest.py of this suite.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from anycreds._core.credentials import Credentials
from anycreds._core.errors import RetrievalError
from support.secret_leaks import SecretLeakDetector

HERE = Path(__file__).parents[1]

LEAKS = '''
import asyncio, logging, sys, threading, types, warnings
import httpx, pytest
from anycreds._core.credentials import Credentials
from anycreds import CredentialsError, NoCredentialsError, NotConfiguredError, ProviderAttempt, RetrievalError
from anycreds._core.provider import Provider
from anycreds.testing import CANARY, FakeAWS
from support.fake_io import FakeRuntime

SECRET = f"{CANARY}-secret-0001"
LOG = logging.getLogger("some.library")


def raise_and_swallow(error, cause=None):
    try:
        raise error from cause
    except type(error):
        pass


def run_in(module, code):
    """Run code as a part of a module, and swallow the error."""
    names = {"__name__": module, "SECRET": SECRET, "CredentialsError": CredentialsError}
    exec(code, names)
    try:
        names["f"]()
    except CredentialsError:
        pass


@types.coroutine
def suspend():
    yield


def function_in(module, code, **names):
    """Return the function f of some code as a part of a module."""
    names = {"__name__": module, "SECRET": SECRET, "suspend": suspend, **names}
    exec(code, names)
    return names["f"]


def interrupt(error, method, function):
    """Raise an error inside a provider that waits in a function, and swallow it."""
    provider = type("Leaky", (Provider,), {"__slots__": (), method: function})("leaky", FakeRuntime())
    call = provider()
    try:
        call.send(None)
        call.throw(error)
    except BaseException as raised:
        assert isinstance(raised, type(error))


def test_leak_log_message():
    LOG.debug("the key is %s", SECRET)

def test_leak_log_args():
    LOG.debug("the key is %.0s", SECRET)

def test_leak_log_extra():
    LOG.debug("the key", extra={"key": SECRET})

def test_leak_log_traceback():
    try:
        raise ValueError(SECRET)
    except ValueError:
        LOG.exception("oh")

def test_leak_log_in_thread():
    thread = threading.Thread(target=LOG.debug, args=(SECRET,))
    thread.start()
    thread.join()

def test_leak_error_message():
    raise_and_swallow(RetrievalError(f"got {SECRET}"))

def test_leak_error_never_raised():
    RetrievalError(f"got {SECRET}")

def test_leak_error_attribute():
    raise_and_swallow(RetrievalError("got", code=SECRET))

def test_leak_error_nested_attribute():
    nothing = NotConfiguredError(SECRET)
    raise_and_swallow(NoCredentialsError(attempts=(ProviderAttempt("env", "nothing", 0.0, nothing),)))

def test_leak_error_note():
    error = RetrievalError("got")
    error.add_note(SECRET)
    raise_and_swallow(error)

def test_leak_error_cause():
    raise_and_swallow(RetrievalError("got"), ValueError(SECRET))

def test_leak_error_context():
    try:
        try:
            raise ValueError(SECRET.encode())
        except ValueError:
            raise RetrievalError("got") from None
    except RetrievalError:
        pass

def test_leak_error_group():
    noted = ValueError()
    noted.add_note(SECRET)
    raise_and_swallow(RetrievalError("got"), ExceptionGroup("several", [ValueError(), noted]))

def test_leak_error_request_headers():
    request = httpx.Request("GET", "http://127.0.0.1", headers={"x-aws-ec2-metadata-token": SECRET})
    raise_and_swallow(RetrievalError("got"), httpx.ReadTimeout("late", request=request))

def test_leak_error_authorization():
    request = httpx.Request("GET", "http://127.0.0.1", headers={"authorization": SECRET})
    raise_and_swallow(RetrievalError("got"), httpx.ReadTimeout("late", request=request))

def test_leak_error_copy():
    twin = RetrievalError("got")._copy()
    twin.add_note(SECRET)

@pytest.mark.weak_error_references
def test_leak_error_weak():
    pytest.kept = RetrievalError(SECRET)

def test_leak_local():
    run_in("anycreds.leaky", "def f():\\n    key = SECRET\\n    raise CredentialsError('oh')")

def test_leak_local_in_cause():
    code = "def g(body):\\n    1 / 0\\n"
    code += "def f():\\n    try:\\n        g({'k': [SECRET]})\\n    except ZeroDivisionError as e:\\n"
    code += "        raise CredentialsError('oh') from e"
    run_in("anycreds.leaky", code)

LEAK = "async def f(self, io, context):\\n    key = SECRET\\n    await suspend()"
CALL = "async def f(*args):\\n    await inner()"

def test_leak_frame_in_cancellation():
    interrupt(asyncio.CancelledError(), "_fetch", function_in("anycreds.leaky", LEAK))

def test_leak_frame_in_interrupt():
    interrupt(KeyboardInterrupt(), "_fetch", function_in("anycreds.leaky", LEAK))

def test_leak_frame_in_group():
    inner = function_in("httpx.leaky", "def f(key):\\n    raise ValueError")
    code = "async def f(*args):\\n    try:\\n        inner(SECRET)\\n    except ValueError as error:\\n"
    code += "        raise BaseExceptionGroup('several', [ExceptionGroup('one', [error])]) from None"
    interrupt(BaseExceptionGroup("", [ValueError()]), "_fetch", function_in("anycreds.leaky", code, inner=inner))

def test_leak_frame_of_httpx():
    inner = function_in("httpx.leaky", "async def f(key=SECRET):\\n    await suspend()")
    interrupt(asyncio.CancelledError(), "_fetch", function_in("anycreds.leaky", CALL, inner=inner))

def test_leak_frame_of_the_standard_library():
    inner = function_in("json.leaky", "async def f(key=SECRET):\\n    await suspend()")
    interrupt(asyncio.CancelledError(), "_fetch", function_in("anycreds.leaky", CALL, inner=inner))

def test_leak_print():
    print(SECRET)

def test_leak_stderr():
    print(SECRET, file=sys.stderr)

@pytest.fixture
def prints_late():
    yield
    print(SECRET)

def test_leak_print_at_teardown(prints_late):
    pass

def test_leak_warning():
    with pytest.warns(UserWarning):
        warnings.warn(SECRET)

def test_leak_warning_ignored():
    warnings.simplefilter("ignore")
    warnings.warn(SECRET)


def test_fine_local_of_the_fake():
    run_in("anycreds.testing._fake_aws", "def f():\\n    key = SECRET\\n    raise CredentialsError('oh')")

def test_fine_local_elsewhere():
    run_in("other", "def f():\\n    key = SECRET\\n    raise CredentialsError('oh')")

def test_fine_frame_of_user_code():
    inner = function_in("program", "async def f(key=SECRET):\\n    await suspend()")
    interrupt(asyncio.CancelledError(), "_fetch", function_in("anycreds.leaky", CALL, inner=inner))

def test_fine_frame_called_by_user_code():
    inner = function_in("json.leaky", "async def f(key=SECRET):\\n    await suspend()")
    inner = function_in("program", CALL, inner=inner)
    interrupt(asyncio.CancelledError(), "_fetch", function_in("anycreds.leaky", CALL, inner=inner))

def test_fine_stripped_frame():
    interrupt(asyncio.CancelledError(), "_load", function_in("anycreds.leaky", LEAK))

def test_fine_credentials():
    creds = Credentials("ASIAFAKE", SECRET, SECRET)
    error = RetrievalError(f"got {creds}")
    error.creds = creds
    LOG.debug("%r", creds)
    print(creds)

def test_fine_names():
    from support import secret_leaks as canary
    LOG.debug("%r %s", canary, canary.__file__)
    print("test_secret_leaks.py", "test_secret_leaks_0")

def test_fine_fake(fake_aws):
    headers = {"Authorization": fake_aws.container_token}
    assert SECRET in httpx.get(fake_aws.container_url, headers=headers, trust_env=False).text
'''

_NAMES = [line.removeprefix("def ").partition("(")[0] for line in LEAKS.splitlines() if line.startswith("def test_")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run the tests of ``LEAKS``, and return the failure messages of each."""
    folder = tmp_path_factory.mktemp("inner")
    shutil.copy(HERE / "conftest.py", folder)
    (folder / "test_leaks.py").write_text(LEAKS)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib --strict-markers\n")
    paths = [str(HERE), str(HERE.parent / "src"), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--junitxml=out.xml"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    cases = ET.parse(folder / "out.xml").iter("testcase")
    return {
        case.attrib["name"]: [child.attrib.get("message", "") + (child.text or "") for child in case] for case in cases
    }


@pytest.mark.fault("S09")
@pytest.mark.parametrize("name", [name for name in _NAMES if name.startswith("test_leak_")])
def test_each_leak_is_caught(name: str, outcomes: dict[str, list[str]]) -> None:
    """A test that leaks a secret in this way fails for that reason."""
    assert "a secret leaked" in "".join(outcomes[name])


@pytest.mark.parametrize("name", [name for name in _NAMES if name.startswith("test_fine_")])
def test_other_uses_pass(name: str, outcomes: dict[str, list[str]]) -> None:
    """A test that only handles secrets, or has the word in names of files, passes."""
    assert outcomes[name] == []


def test_report_names_the_location() -> None:
    """The report of a leak names its location."""
    detector = SecretLeakDetector()
    with detector.watching():
        error = RetrievalError("fine")
        error.add_note("not fine: canary-secret-0001")
    leaks = detector.finish()
    error.__notes__.clear()  # this test's own detector has seen the error too
    assert leaks == ["__notes__ of RetrievalError: …'not fine: canary-secret-0001'…"]


def test_credentials_of_an_error_are_no_leak() -> None:
    """Credentials as an attribute of an error are no leak, because their secrets cannot be printed."""
    detector = SecretLeakDetector()
    with detector.watching():
        error = RetrievalError("fine")
        error.creds = Credentials("ASIAFAKE", "canary-secret-0001")  # type: ignore[attr-defined]
    assert detector.finish() == []
