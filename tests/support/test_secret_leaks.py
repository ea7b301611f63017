"""The canary must sing: each test in ``LEAKS`` lets a planted secret show in one way, and must fail for that alone.

They run in one pytest of their own, under the very conftest.py of this suite.
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
import logging, sys, threading, warnings
import httpx, pytest
from anycreds._core.credentials import Credentials
from anycreds import CredentialsError, NoCredentialsError, NotConfiguredError, ProviderAttempt, RetrievalError
from anycreds.testing import CANARY, FakeAWS

SECRET = f"{CANARY}-secret-0001"
LOG = logging.getLogger("some.library")


def raise_and_swallow(error, cause=None):
    try:
        raise error from cause
    except type(error):
        pass


def run_in(module, code):
    """Run code as if it stood in a module, and swallow what it raises."""
    names = {"__name__": module, "SECRET": SECRET, "CredentialsError": CredentialsError}
    exec(code, names)
    try:
        names["f"]()
    except CredentialsError:
        pass


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
    """Run the leaking tests, and return the name of each with what was said against it."""
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


@pytest.mark.parametrize("name", [name for name in _NAMES if name.startswith("test_leak_")])
def test_each_leak_is_caught(name: str, outcomes: dict[str, list[str]]) -> None:
    """A test that lets a secret show in this way fails, for that reason."""
    assert "a secret shows" in "".join(outcomes[name])


@pytest.mark.parametrize("name", [name for name in _NAMES if name.startswith("test_fine_")])
def test_nothing_else_is_caught(name: str, outcomes: dict[str, list[str]]) -> None:
    """A test that only handles secrets, or names files after the canary, passes."""
    assert outcomes[name] == []


def test_a_find_says_where() -> None:
    """What was found is told with its place, so that it can be mended."""
    watch = SecretLeakDetector()
    with watch.watching():
        error = RetrievalError("fine")
        error.add_note("not fine: canary-secret-0001")
    found = watch.finish()
    error.__notes__.clear()  # this test's own canary has seen the error too
    assert found == ["__notes__ of RetrievalError: …'not fine: canary-secret-0001'…"]


def test_a_set_is_not_dug_into() -> None:
    """Credentials on an error are no leak: they cannot be printed."""
    watch = SecretLeakDetector()
    with watch.watching():
        error = RetrievalError("fine")
        error.set = Credentials("ASIAFAKE", "canary-secret-0001")  # type: ignore[attr-defined]
    assert watch.finish() == []
