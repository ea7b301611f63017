"""The machine that a test's program runs on: its files, variables and sign-ins, and helpers of several tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from anycreds import Credentials, CredentialsError
from anycreds.testing import CANARY, FakeAWS

ROLE = "arn:aws:iam::123456789012:role/Demo"
OTHER_ROLE = "arn:aws:iam::123456789012:role/Other"
DEVICE = "arn:aws:iam::123456789012:mfa/alice"
LOGIN = "arn:aws:iam::123456789012:user/alice"
START_URL = "https://anycreds-fake.awsapps.com/start"
KEYS = Credentials("AKIDEXAMPLE", f"{CANARY}-secret")


def keys(aws: FakeAWS) -> str:
    """Return the lines of a profile with access keys that the fake accepts."""
    access_key_id, secret = next(iter(aws.keys.items()))
    return key_lines(access_key_id, secret)


def key_lines(access_key_id: str, secret: str = f"{CANARY}-secret") -> str:
    """Return the lines of a profile with access keys."""
    return f"aws_access_key_id = {access_key_id}\naws_secret_access_key = {secret}\n"


def sso_lines(session: str = "corp", region: str = "us-east-1") -> str:
    """Return an SSO profile ``dev`` and its session."""
    return (
        f"[profile dev]\nsso_session = {session}\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
        f"[sso-session {session}]\nsso_region = {region}\nsso_start_url = {START_URL}\n"
    )


def document(**changes: object) -> bytes:
    """Return a credentials document of container and EC2 metadata; ``...`` leaves a field out."""
    full = {
        "Code": "Success",
        "AccessKeyId": "AKIDDOCUMENT",
        "SecretAccessKey": f"{CANARY}-secret",
        "Token": f"{CANARY}-session",
        "Expiration": "2999-01-01T00:00:00Z",
        **changes,
    }
    return json.dumps({name: value for name, value in full.items() if value is not ...}).encode()


async def error_of(provider: Callable[[], Awaitable[Credentials]]) -> CredentialsError:
    """Return the ``CredentialsError`` that awaiting a provider raises."""
    with pytest.raises(CredentialsError) as caught:
        await provider()
    return caught.value


class Machine:
    """A home directory and the environment of a program."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch

    def environ(self, variables: Mapping[str, str]) -> None:
        """Set environment variables."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def without(self, *variables: str) -> None:
        """Unset environment variables."""
        for name in variables:
            self._monkeypatch.delenv(name)

    def config(self, text: str) -> Path:
        """Write ``~/.aws/config``."""
        return self.write(".aws/config", text)

    def credentials(self, text: str) -> Path:
        """Write ``~/.aws/credentials``."""
        return self.write(".aws/credentials", text)

    def write(self, path: str, text: str) -> Path:
        """Write a file below the home directory that all users can read."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)
        return file

    def web_identity(self, token: str, role: str = ROLE) -> None:
        """Write a token file, and set the variables that EKS sets."""
        file = self.write("token", token)
        self.environ({"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": role})

    def sso(self, token: Mapping[str, Any], session: str = "corp") -> Path:
        """Write the token file of ``aws sso login``; the token is the fake's ``sso_token()``."""
        name = hashlib.sha1(session.encode(), usedforsecurity=False).hexdigest()
        return self.write(f".aws/sso/cache/{name}.json", json.dumps(token))

    def login(self, token: Mapping[str, Any]) -> Path:
        """Write the token file of ``aws login``; the token is the fake's ``login_token()``."""
        name = hashlib.sha256(LOGIN.encode()).hexdigest()
        return self.write(f".aws/login/cache/{name}.json", json.dumps(token))


class Routes:
    """Creates clients that send every request to a fake, whatever its host is, and records the hosts."""

    def __init__(self, aws: FakeAWS) -> None:
        self.base = httpx.URL(aws.service_url)
        self.hosts: list[str] = []
        self.made: list[httpx.AsyncClient] = []

    def client(self) -> httpx.AsyncClient:
        """Create a client: an ``http_client_factory``."""
        made = httpx.AsyncClient(transport=_Rerouted(self), trust_env=False)
        self.made.append(made)
        return made


class _Rerouted(httpx.AsyncBaseTransport):
    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._network = httpx.AsyncHTTPTransport(trust_env=False, verify=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._routes.hosts.append(request.url.host)
        base = self._routes.base
        url = httpx.URL(scheme=base.scheme, host=base.host, port=base.port, raw_path=request.url.raw_path)
        sent = httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        return await self._network.handle_async_request(sent)

    async def aclose(self) -> None:
        await self._network.aclose()
