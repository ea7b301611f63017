"""``serve`` with the tools of AWS: ``nox -s javascript`` installs the JavaScript SDK, ``nox -s peers`` the AWS CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from anycreds.testing import FakeAWS
from cli.commands import serving
from conformance.peer import running

JAVASCRIPT = os.environ.get("ANYCREDS_JAVASCRIPT", "")
"""The folder whose ``node_modules`` has the JavaScript SDK."""
AWS_CLI = os.environ.get("ANYCREDS_AWS_CLI", "")
"""The command of the AWS CLI."""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}

needs_javascript = pytest.mark.skipif(
    not (JAVASCRIPT and shutil.which("node")), reason="needs node and an installed SDK: run `nox -s javascript`"
)
needs_aws_cli = pytest.mark.skipif(
    not (AWS_CLI and shutil.which(AWS_CLI)), reason="needs the AWS CLI: run `nox -s peers`"
)


@needs_javascript
@pytest.mark.parametrize("without", ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ""])
def test_javascript_sdk_gets_credentials(without: str, fake_aws: FakeAWS, isolated: Path) -> None:
    """The default chain of the JavaScript SDK gets the credentials, with either of the two variables for the token."""
    driver = Path(__file__).parents[1] / "conformance" / "javascript" / "driver.mjs"
    home = {"HOME": str(isolated), "AWS_EC2_METADATA_DISABLED": "true"}
    with running("javascript", "node", str(driver), JAVASCRIPT) as peer:
        for source, key in ((fake_aws.container_environ(), "ASIA"), (KEYS, "AKIDTEST")):
            with serving(environ=source) as (variables, _):
                given = {name: value for name, value in variables.items() if name != without}
                call = {"factory": "from_default_chain"}
                found = peer.run_case({**home, **given}, call, times=2)
                assert found["credentials"]["access_key_id"].startswith(key)
                assert found["credentials"]["expiration"]
    assert fake_aws.count() == 1


@needs_aws_cli
def test_aws_cli_gets_credentials(fake_aws: FakeAWS, isolated: Path) -> None:
    """The AWS CLI signs a request with the credentials, including the session token, and STS accepts it."""
    with serving(environ=fake_aws.container_environ()) as (variables, _):
        done = subprocess.run(
            [AWS_CLI, "sts", "get-caller-identity", "--endpoint-url", fake_aws.service_url, "--output", "json"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(isolated),
                "AWS_DEFAULT_REGION": "eu-west-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=50,  # seconds; it loads much
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Account"] == fake_aws.account_id
    signed = fake_aws.exchanges[-1].signed_for
    assert signed is not None
