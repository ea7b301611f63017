"""The registered fork hooks, in a process that never forks."""

import subprocess
import sys

import pytest

# A module with a function is in a reference cycle, which is collected after the modules of the package.
FUNCTION = """
async def main():
    return await provider()
"""
CALL = FUNCTION + "import asyncio\nasyncio.run(main())"


@pytest.mark.fault("C21")
@pytest.mark.parametrize("rest", ["", FUNCTION, CALL], ids=["alone", "with a function", "called"])
@pytest.mark.parametrize("provider", ["from_default_chain({})", "cached(anycreds.from_env({}))"])
def test_interpreter_ends_silently(provider: str, rest: str) -> None:
    """A program with a provider in a module global prints nothing when its interpreter ends."""
    environ = "environ={'AWS_ACCESS_KEY_ID': 'AKIAEXAMPLE', 'AWS_SECRET_ACCESS_KEY': 'example'}"
    program = f"import anycreds\nprovider = anycreds.{provider.format(environ)}{rest}"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


BUSY = """
import asyncio, sys, anycreds, anyio
async def slow():
    await anyio.sleep(100)
provider = anycreds.cached(slow)
async def main():
    with anyio.move_on_after(0.01):
        await provider()
if sys.argv[1] == "trio":
    import trio
    trio.run(main)
elif sys.argv[1] == "asyncio":
    asyncio.run(main())
else:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    if sys.argv[1] == "closed":
        asyncio.all_tasks(loop).pop()._log_destroy_pending = False  # asyncio reports tasks of a loop that is closed
        loop.close()
"""


@pytest.mark.fault("C21")
@pytest.mark.parametrize("way", ["trio", "asyncio", "open", "closed"])
def test_interpreter_ends_during_a_refresh(way: str) -> None:
    """A program whose interpreter ends while a refresh is in progress ends at once and prints nothing."""
    command = [sys.executable, "-W", "error", "-c", BUSY, way]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
