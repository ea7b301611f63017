"""Each program in ``examples`` does what its first line says, against fakes of AWS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from anycreds.testing import FakeAWS
from documentation.world import user_with_aws

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60  # for one program on a busy machine

pytestmark = pytest.mark.skipif(
    "ANYCREDS_DOCS" not in os.environ, reason="the programs need libraries that `nox -s docs` installs"
)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    """Serve AWS to a user who is signed in."""
    with user_with_aws(tmp_path / "home", monkeypatch) as fake:
        yield fake


def run(*command: str | Path) -> str:
    """Return what a program prints."""
    paths = os.pathsep.join([str(EXAMPLES), *(str(Path(path).resolve()) for path in sys.path if path)])
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "PYTHONPATH": paths, "PATH": programs},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_python(source: str) -> str:
    """Return what lines of Python print that import an example."""
    return run(sys.executable, "-W", "error::ResourceWarning", "-c", source)


def test_fastapi_app(aws: FakeAWS) -> None:
    """The app responds with the account, and several requests share the credentials."""
    source = """
from fastapi.testclient import TestClient
from fastapi_app import app
with TestClient(app) as client:
    print([client.get("/account").json() for _ in range(3)])
"""
    assert run_python(source) == f"{[{'account': '123456789012'}] * 3}\n"
    assert aws.count("caller identity") == 3


def test_litestar_app(aws: FakeAWS) -> None:
    """The app responds with the key of the environment."""
    source = """
from litestar.testing import TestClient
from litestar_app import app
with TestClient(app) as client:
    print(client.get("/key").json())
"""
    assert run_python(source) == "{'key': 'AKIDEXAMPLE', 'expires': None}\n"


def test_trio_httpx(aws: FakeAWS) -> None:
    """All ten signed requests are accepted."""
    lines = run(sys.executable, EXAMPLES / "trio_httpx.py").splitlines()
    assert sorted(lines, key=lambda line: int(line.split()[0])) == [f"{number} 200" for number in range(10)]


def test_s3_files(aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object that aiobotocore writes is the one that s3fs reads."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        run_python("import boto3; boto3.client('s3', region_name='us-east-1').create_bucket(Bucket='files')")
        assert run(sys.executable, EXAMPLES / "s3_files.py", "files") == "hello\n"
    finally:
        server.stop()


def test_tenants(aws: FakeAWS) -> None:
    """Four jobs of three tenants assume three roles."""
    lines = run(sys.executable, EXAMPLES / "tenants.py").splitlines()
    expected = ["blue: report", "green: report", "red: invoice", "red: report"]
    assert sorted(lines) == [f"{job} as ASIA…" for job in expected]
    assert aws.count("assume role") == 3


def test_process_pool(aws: FakeAWS) -> None:
    """Four tasks get credentials of the role, and each process calls STS once."""
    lines = run(sys.executable, EXAMPLES / "process_pool.py").splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"{item} as ASIA…" for item in "abcd"]
    assert aws.count("assume role") == len({line.rpartition(" ")[2] for line in lines})


class Broker(BaseHTTPRequestHandler):
    """Responds with credentials to every request."""

    def do_GET(self) -> None:
        keys = {"AccessKeyId": "AKIDBROKER", "SecretAccessKey": "not-a-secret", "Token": "t"}
        body = json.dumps({**keys, "Expiration": "2099-01-01T00:00:00Z"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def test_custom_provider(aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker the default chain has the credentials; with one they come from it."""
    program = EXAMPLES / "custom_provider.py"
    assert run(sys.executable, program) == "environment variables\n"
    with HTTPServer(("127.0.0.1", 0), Broker) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(server.handle_request)
        monkeypatch.setenv("BROKER_URL", f"http://127.0.0.1:{server.server_port}/")
        assert run(sys.executable, program) == "broker\n"


def test_tests(tmp_path: Path) -> None:
    """The example tests pass, on both event loops."""
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", tmp_path)
    output = run(sys.executable, "-m", "pytest", *options, EXAMPLES / "tests")
    assert "3 passed" in output


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_serve(aws: FakeAWS) -> None:
    """The program in JavaScript gets the credentials of the profile."""
    status, key, _ = run("sh", EXAMPLES / "serve" / "run.sh", "--profile", "deploy").split()
    assert (status, key[:4]) == ("200", "ASIA")
