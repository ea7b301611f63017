"""The docstring examples of the httpx, httpx2 and presigning adapters."""

from __future__ import annotations

import inspect
import json
import math
import time
from importlib import import_module
from itertools import takewhile
from textwrap import dedent
from typing import Any

import pytest

from adapters.httpx.service import REGION
from anycreds.testing._fake_aws.sigv4_verify import SignedBy, verify
from anycreds.testing._fake_aws.state import AccessKey

pytestmark = pytest.mark.anyio

KEY = AccessKey("AKIAEXAMPLE", "canary-secret", None, math.inf, "arn:aws:iam::123456789012:user/example")
HOSTS = {f"{name}.eu-central-1.amazonaws.com": name.rpartition(".")[2] for name in ("dynamodb", "abcdef.execute-api")}


def example_of(module: str, name: str) -> Any:
    """Return ``main`` of a docstring example."""
    text = inspect.getdoc(getattr(import_module(f"anycreds.adapters.{module}"), name)) or ""
    block = text.partition("::\n\n")[2]
    code = takewhile(lambda line: not line or line.startswith(" "), block.splitlines())
    names: dict[str, Any] = {}
    exec(compile(dedent("\n".join(code)), f"example of {module}.{name}", "exec"), names)
    return names["main"]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret_access_key)


@pytest.mark.parametrize("module", ["httpx", "httpx2"])
async def test_clients(module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The request of the example has a valid signature; nothing is sent to AWS."""
    http = pytest.importorskip(module, reason="needs the extra httpx2")

    async def handle(transport: Any, request: Any) -> Any:
        headers = {name.lower(): value for name, value in request.headers.raw}
        found = verify(
            request.method,
            request.url.raw_path.decode(),
            headers,
            await request.aread(),
            find_key={KEY.access_key_id: KEY}.get,
            now=time.time(),
            service=HOSTS[request.url.host],
            region=REGION,
        )
        assert isinstance(found, SignedBy)
        return http.Response(200, json={"TableNames": []})

    monkeypatch.setattr(http.AsyncHTTPTransport, "handle_async_request", handle)
    await example_of(module, "SigV4Auth")()
    assert json.loads(capsys.readouterr().out.replace("'", '"')) == {"TableNames": []}


@pytest.mark.parametrize(("name", "prefix"), [("presign", "https://my-bucket.s3."), ("rds_token", "")])
async def test_presigning(name: str, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The examples print a presigned URL and the length of a database password."""
    await example_of("presigning", name)()
    out = capsys.readouterr().out
    assert out.startswith(prefix)
    assert out.strip()
