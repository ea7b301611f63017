"""Invalid arguments and headers are rejected, the provider's errors are unchanged, and no text contains a secret."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from typing import Any

import pytest

from adapters.httpx.service import REGION, Library, Source, each_library, keys, serving
from anycreds import InvalidConfigurationError, NoCredentialsError, from_env
from support.event_loops import each_loop

INVALID_NAMES: list[tuple[Any, Any, str]] = [
    ("dynamodb", None, "region is missing .*pass the region of the endpoint, such as region='eu-central-1'"),
    ("dynamodb", "", "region is missing"),
    ("dynamodb", "eu/central", "region cannot be a part of a host name"),
    ("dynamodb", 5, "region is not text"),
    ("", REGION, "service is not a signing name"),
    (None, REGION, "service is not a signing name"),
    ("s3/aws4_request", REGION, "service is not a signing name"),
    ("s3,x=", REGION, "service is not a signing name"),
]


def test_invalid_service_or_region_is_rejected(library: Library) -> None:
    """An invalid region or service is rejected when the object is created."""
    for service, region, message in INVALID_NAMES:
        with pytest.raises(InvalidConfigurationError, match=f"SigV4Auth: {message}"):
            library.SigV4Auth(Source(), service=service, region=region)


@each_library
def test_error_of_a_sync_client_names_the_alternative(library: Library) -> None:
    """The error of a sync client names the alternative."""
    auth = library.SigV4Auth(Source(), service="s3", region=REGION)
    message = r"works with AsyncClient only.*anycreds\.adapters\.botocore"
    with library.http.Client(auth=auth, trust_env=False) as client, pytest.raises(RuntimeError, match=message):
        client.get("http://127.0.0.1:1/")


def test_repr_names_provider_service_and_region(library: Library) -> None:
    """The ``repr`` names the provider, the service and the region."""
    auth = library.SigV4Auth(from_env(environ={}), service="s3", region=REGION)
    assert repr(auth) == "<SigV4Auth of environment variables, for s3 in eu-central-1>"


def test_auth_is_pickled(library: Library) -> None:
    """An object that is sent to another process has its service and region, and the provider of all its copies."""
    auth = library.SigV4Auth(from_env(), service="s3", region="eu-central-1")
    copied = pickle.loads(pickle.dumps(auth))
    assert copied._provider is auth._provider
    assert repr(copied) == repr(auth)


@pytest.mark.anyio
@each_loop
async def test_provider_error(library: Library) -> None:
    """The client raises the provider's own error, and sends nothing."""
    async with serving() as service:
        auth = library.SigV4Auth(from_env(environ={}), service="dynamodb", region=REGION)
        async with library.client(service, auth) as client:
            with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is compared
                await client.get("/")
        with pytest.raises(type(caught.value)) as bare:
            await from_env(environ={})()
        assert str(caught.value) == str(bare.value)
        assert not isinstance(caught.value, NoCredentialsError)
        assert service.requests == []


@pytest.mark.anyio
async def test_headers_that_cannot_be_signed(library: Library) -> None:
    """A header or token that cannot be signed is named but not shown, and nothing is sent."""
    async with serving() as service:
        auth = library.SigV4Auth(Source(), service="dynamodb", region=REGION)
        async with library.client(service, auth) as client:
            with pytest.raises(InvalidConfigurationError, match="SigV4Auth: a header has a character"):
                await client.get("/", headers={"x-amz-meta-a": "ä".encode()})
        auth = library.SigV4Auth(Source(keys().replace(session_token="canary-ä")), service="s3", region=REGION)
        async with library.client(service, auth) as client:
            with pytest.raises(InvalidConfigurationError, match="the session token has a character") as caught:
                await client.get("/")
        assert caught.value.source == "function Source"
        assert service.requests == []


@pytest.mark.anyio
@each_library
async def test_requests_without_tls_are_logged_once_per_origin(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests without TLS to another machine log one warning for each origin; loopback does not."""
    http = library.http
    transport = http.MockTransport(lambda _: http.Response(200))
    auth = library.SigV4Auth(Source(), service="dynamodb", region=REGION)
    async with http.AsyncClient(auth=auth, transport=transport) as client:
        for url in ("http://127.0.0.1:8000/a", "http://localhost/", "https://10.0.0.1/", "http://[::1]/"):
            await client.get(url)
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
        for _ in range(2):
            await client.get("http://10.0.0.1:8000/a?secret")
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == "anycreds.adapters"
    assert record.getMessage() == ("sending signed requests to http://10.0.0.1:8000 without TLS; others can read them")


def test_import_error_without_httpx2() -> None:
    """Without httpx2, the import error names the extra to install."""
    code = "import sys; sys.modules['httpx2'] = None; import anycreds.adapters.httpx2"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    assert "ImportError: anycreds.adapters.httpx2 needs httpx2" in done.stderr
    assert done.stderr.rstrip().endswith("pip install anycreds[httpx2]")


def test_presigning_needs_no_http_library() -> None:
    """Presigning imports neither httpx nor an async library."""
    code = (
        "import sys, anycreds.adapters.presigning; "
        "print([name for name in ('httpx', 'httpx2', 'trio', 'ssl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "[]"
