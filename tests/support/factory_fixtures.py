"""Files, constants and an ``Io`` for tests of the factories: every request gets the same response and is recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest

import anycreds
from anycreds import ClientContext, Credentials, CredentialsError, Provider
from anycreds._core.http import Request
from anycreds._core.io import FileQuery, FileVersion, ProcessResult, ReadFailure, Signature
from support.fake_io import Answer, FakeIo, answer, assert_no_secret, run
from support.login_fixtures import access_token, document

ROLE = "arn:aws:iam::123456789012:role/Demo"
MFA = "arn:aws:iam::123456789012:mfa/laptop"
TOKEN = "canary.web.identity.token"
HOME = "/home/user/.aws"
START_URL = "https://d-abc123.awsapps.com/start"
SSO: dict[str, Any] = {
    "sso_start_url": START_URL,
    "sso_account_id": "123456789012",
    "sso_region": "eu-central-1",
    "sso_role_name": "Dev",
}
SSO_LINES = "".join(f"{name} = {value}\n" for name, value in SSO.items())
SSO_TOKEN = {"startUrl": START_URL, "region": "eu-central-1", "expiresAt": "2030-01-01T00:00:00Z"}
# Tools name these files by the SHA-1 of START_URL, the SHA-1 of "my-sso" and the SHA-256 of the login session.
URL_TOKEN_FILE = f"{HOME}/sso/cache/40a89917e3175433e361b710a9d43528d7f1890a.json"
SESSION_TOKEN_FILE = f"{HOME}/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"
LOGIN_FILE = f"{HOME}/login/cache/a9aa6015b267d43765ace474701cabd31e4e9b20b4a9a72ffc52f3c0b9ae6543.json"
KEY_LINES = "aws_access_key_id = AKIDFILE\naws_secret_access_key = canaryFILE\n"
CONFIG = f"""
[profile keys]
{KEY_LINES}
[profile nothing]
region = eu-north-1
[profile elsewhere]
endpoint_url = https://elsewhere.example.com
ec2_metadata_service_endpoint = http://127.0.0.1:7
[profile command]
credential_process = vault
[profile role]
role_arn = {ROLE}
source_profile = keys
[profile mfa]
role_arn = {ROLE}
source_profile = keys
mfa_serial = {MFA}
[profile web]
role_arn = {ROLE}
web_identity_token_file = /token
[profile instance]
role_arn = {ROLE}
credential_source = Ec2InstanceMetadata
[profile container]
role_arn = {ROLE}
credential_source = EcsContainer
[profile sso]
{SSO_LINES}
[profile login]
login_session = arn:aws:iam::0123456789012:user/username
"""
ENVIRONMENT_KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "canaryENV"}
WEB_IDENTITY = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": ROLE}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container"}
REJECTED, UNAVAILABLE = answer(b"", 403), answer(b"", 503)


class UniformIo(FakeIo):
    """Responds to every request in the same way, by default with status 403, and has all files of ``CONFIG``."""

    def __init__(self, response: Answer = REJECTED, config: str = CONFIG, **options: Any) -> None:
        super().__init__(**options)
        self.response = response
        self.known: list[Signature | None] = []  # versions of files that need not be read again
        expired = document(accessToken=access_token(expiresAt="2024-01-01T00:00:00Z"))
        self.files |= {
            f"{HOME}/config": config.encode(),
            "/token": TOKEN.encode(),
            URL_TOKEN_FILE: json.dumps({**SSO_TOKEN, "accessToken": "canary-of-url"}).encode(),
            SESSION_TOKEN_FILE: json.dumps({**SSO_TOKEN, "accessToken": "canary-of-session"}).encode(),
            LOGIN_FILE: json.dumps(expired).encode(),
        }
        output = b'{"Version": 1, "AccessKeyId": "AKIDPROC", "SecretAccessKey": "canaryPROC"}'
        self.processes["vault"] = ProcessResult(0, None, output, b"")

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.response

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        self.known += [known for _, known in wanted]
        return await super().read_if_changed(wanted, limit)

    @property
    def hosts(self) -> list[str]:
        """The hosts of all requests."""
        return [request.url.host for request in self.requests]

    @property
    def form(self) -> dict[str, str]:
        """The form that the first request sends, as to STS."""
        return {name: values[0] for name, values in parse_qs(self.requests[0].body.decode()).items()}

    @property
    def body(self) -> Any:
        """The JSON that the first request sends."""
        return json.loads(self.requests[0].body)


def default_chain(*arguments: Any, **options: Any) -> Provider:
    """Return the default chain without its cache."""
    return anycreds.from_default_chain(*arguments, **options)._source


def fetch(provider: Provider, io: FakeIo | None = None, context: ClientContext = ClientContext()) -> Credentials:  # noqa: B008 - a constant
    """Return the credentials of one attempt."""
    return run(provider._fetch(io or UniformIo(), context))


def failure(provider: Provider, io: FakeIo | None = None) -> CredentialsError:
    """Return the error of one attempt."""
    with pytest.raises(CredentialsError) as caught:
        fetch(provider, io)
    assert_no_secret(caught.value, "canary")
    return caught.value


def requested(provider: Provider, io: UniformIo | None = None) -> UniformIo:
    """Return the ``Io`` of one attempt, which fails after its requests."""
    io = io or UniformIo()
    failure(provider, io)
    return io


async def mfa_code(serial: str) -> str:
    """Return the code of a device: its name."""
    return f"canary-{serial.rpartition('/')[2]}"
