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
