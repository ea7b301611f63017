"""Tests that threads load what the first call of a process needs: the event loop imports little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = "arn:aws:iam::123456789012:role/Demo"
NOWHERE = "http://127.0.0.1:9"  # no server listens there; the modules are loaded anyway
CONFIG = f"""
[profile role]
role_arn = {ROLE}
source_profile = keys
[profile keys]
aws_access_key_id = AKID
aws_secret_access_key = shh
[profile sso]
sso_session = demo
sso_account_id = 123456789012
sso_role_name = Demo
[profile login]
login_session = arn
[profile command]
credential_process = exit 3
[sso-session demo]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
"""
FACTORIES = {
    "imds": f"from_instance_metadata(endpoint='{NOWHERE}')",
    "container": "from_container_metadata()",
    "http": f"from_http(full_uri='{NOWHERE}', max_retries=0)",
    "role": f"from_temporary_credentials('{ROLE}', source_credentials=keys)",
    "web token": f"from_web_token('{ROLE}', 'token')",
    "token file": f"from_token_file(web_identity_token_file='/dev/null', role_arn='{ROLE}')",
    "profile": "from_ini('role')",
    "process": "from_process('command')",
    "sso": "from_sso('sso')",
    "login": "from_login_credentials('login')",
    "cognito": "from_cognito_identity('us-east-1:x')",
    "pool": "from_cognito_identity_pool('us-east-1:x')",
    "chain": "from_default_chain()",
}
FEW = 8
"""How many of our modules the event loop's thread may load, each within a millisecond."""
PROGRAM = """
import sys, threading
import anycreds

loop, factory, role = sys.argv[1:]
here, met = threading.get_ident(), []

class Watching:
    def find_spec(self, name, path=None, target=None):
        if threading.get_ident() == here and name.partition(".")[0] in ("anycreds", "anyio"):
            met.append(name)

async def keys():
    return anycreds.Credentials("AKID", "shh")

async def main():
    sys.meta_path.insert(0, Watching())
    try:
        await eval("anycreds." + factory)()
    except anycreds.CredentialsError:
        pass
    sys.meta_path.pop(0)

if loop == "trio":
    import trio
    trio.run(main)
else:
    import asyncio
    asyncio.run(main())
import json
print(json.dumps(met))
"""


def ran(program: str, home: Path, *arguments: str) -> str:
    """Run a program in a new process; return the last line of its output."""
    config = home / "config"
    config.write_text(CONFIG)
    environ = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(sys.path),
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": NOWHERE,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_REGION": "us-east-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": NOWHERE,
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("loop", "factory"),
    [("asyncio", factory) for factory in FACTORIES] + [("trio", factory) for factory in ("imds", "role", "chain")],
)
def test_event_loop_imports_next_to_nothing(factory: str, loop: str, tmp_path: Path) -> None:
    """Neither making a provider nor its first call imports anyio, or much of ours, in the event loop's thread."""
    met = json.loads(ran(PROGRAM, tmp_path, loop, FACTORIES[factory], ROLE))
    assert [name for name in met if name.startswith("anyio")] == []
    assert len(met) <= FEW, met


def test_modules_are_loaded_without_threads(tmp_path: Path) -> None:
    """If the operating system starts no more threads, the modules are loaded by the event loop's thread."""
    program = """
import asyncio, threading
from anycreds._system import preload

def refused(*arguments):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refused
asyncio.run(preload.preload())
import sys
print("anyio._backends._asyncio" in sys.modules)
"""
    assert ran(program, tmp_path) == "True"


def test_caller_cancelled_while_loading_leaves_at_once(tmp_path: Path) -> None:
    """A cancelled caller leaves at once, and the modules are loaded for the next caller."""
    program = """
import asyncio
from anycreds._system import preload

async def main():
    first = asyncio.ensure_future(preload.preload())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    await preload.preload()
    await asyncio.sleep(0.05)

asyncio.run(main(), debug=True)
asyncio.run(preload.preload())
print("ended")
"""
    assert ran(program, tmp_path) == "ended"


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_one_thread_for_many_callers(loop: str, tmp_path: Path) -> None:
    """A thousand concurrent callers wait for one thread, except those that are cancelled."""
    program = """
import sys, threading
import anyio
from anycreds._system import preload

start, started, served = threading.Thread.start, [], []

def counted(thread):
    started.append(thread)
    start(thread)

async def call():
    await preload.preload()
    served.append(None)

async def on_asyncio():
    import asyncio
    tasks = [asyncio.ensure_future(call()) for _ in range(1000)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks)

async def on_trio():
    import trio
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                inner.start_soon(call)
                await trio.lowlevel.checkpoint()
                scope.cancel()
        for _ in range(999):
            nursery.start_soon(call)

threading.Thread.start = counted
if sys.argv[1] == "trio":
    import trio
    trio.run(on_trio)
else:
    import asyncio
    asyncio.run(on_asyncio())
print(len(started), len(served))
"""
    assert ran(program, tmp_path, loop) == "1 999"


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_given_modules_are_loaded(loop: str, tmp_path: Path) -> None:
    """Given modules are imported too, for callers that wait for other modules already; failing imports are ignored."""
    program = """
import sys
import anyio
from anycreds._system import preload

async def main():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(preload.preload)
        tasks.start_soon(preload.preload, ("colorsys",))
        tasks.start_soon(preload.preload, ("colorsys", "wave", "no.such.module"))
    print("colorsys" in sys.modules, "wave" in sys.modules, preload._loading)

anyio.run(main, backend=sys.argv[1])
"""
    assert ran(program, tmp_path, loop) == "True True {}"
