"""Tests of the description of connection failures."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

import anycreds
from anycreds._core.http import HOST_NOT_FOUND
from anycreds._system.http.errors import describe_os_error
from anycreds.testing import CANARY


@pytest.mark.fault("U26")
@pytest.mark.parametrize("is_cause", [True, False])
def test_unknown_host_is_recognized(is_cause: bool) -> None:
    """A failed name resolution is described as such, also if the HTTP library wraps its error."""
    error: Exception = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if is_cause:
        outer = RuntimeError("canary of another library")
        outer.__cause__ = error
        error = outer
    assert describe_os_error(error) == f"{HOST_NOT_FOUND} (Name or service not known)"


@pytest.mark.fault("U26")
@pytest.mark.realtime
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])  # uvloop has a resolver of its own
async def test_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the resolver hangs, a call ends at its timeout."""
    release, real = threading.Event(), socket.getaddrinfo

    def hang(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in ("sts.example.com", b"sts.example.com"):
            return real(host, *arguments, **options)
        if len(arguments) < 5 or not arguments[4] & socket.AI_NUMERICHOST:  # trio first asks whether it is an address
            release.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    provider = anycreds.from_temporary_credentials(
        "arn:aws:iam::123456789012:role/x",
        source_credentials=anycreds.Credentials("AKID", CANARY),
        client_config=anycreds.ClientConfig(endpoint_url="https://sts.example.com", region="us-east-1", max_attempts=1),
        timeout=0.1,
    )
    try:
        with pytest.raises(anycreds.ProviderTimeoutError, match=r"sts\.example\.com .*no response within 0\.1 s"):
            await provider()
    finally:
        release.set()
