"""The AWS CLI and ``disk_cached`` use each other's credentials of a role; ``nox -s peers`` installs the AWS CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import anycreds
from anycreds.testing import FakeAWS

AWS_CLI = os.environ.get("ANYCREDS_AWS_CLI", "")
"""The command of the AWS CLI."""
CONFIG = """
[profile role]
role_arn = arn:aws:iam::123456789012:role/Shared
credential_source = Environment
external_id = id
duration_seconds = 3600
role_session_name = me
"""

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.realtime,
    pytest.mark.skipif(not (AWS_CLI and shutil.which(AWS_CLI)), reason="needs the AWS CLI: run `nox -s peers`"),
]


@pytest.mark.parametrize("first", ["anycreds", "AWS CLI"])
async def test_one_call_for_both(first: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes second calls STS for no role, whichever of the two that is."""
    config = isolated / "config"
    config.write_text(CONFIG)
    with FakeAWS.in_thread() as aws:
        environ = {**aws.key_environ(), **aws.service_environ(), "AWS_CONFIG_FILE": str(config)}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

        def by_the_cli() -> str:
            done = subprocess.run(
                [AWS_CLI, "sts", "get-caller-identity", "--profile", "role", "--region", "us-east-1"],
                env={"PATH": os.environ["PATH"], "HOME": str(isolated), **environ},
                capture_output=True,
                text=True,
                timeout=50,  # seconds; it loads much
                check=False,
            )
            assert done.returncode == 0, done.stderr
            scope = aws.exchanges[-1].signed_for
            assert scope is not None
            return scope.access_key_id

        async def by_anycreds() -> str:
            return (await anycreds.disk_cached(anycreds.from_ini("role"))()).access_key_id

        if first == "AWS CLI":
            found = [by_the_cli(), await by_anycreds()]
        else:
            found = [await by_anycreds(), by_the_cli()]
        assert aws.count("assume role") == 1
    assert found[0] == found[1]
