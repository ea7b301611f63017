"""The world in which the code of the documentation runs: a fake of AWS, and the files and variables of a user.

The pages rely on these profiles: ``default`` (a region), ``keys`` (access keys), ``deploy`` (a role, from ``keys``),
``mfa`` (a role that needs a code), ``dev`` (single sign-on), ``person`` (``aws login``) and ``tool`` (a command).
Requests of httpx and httpx2 to hosts of AWS go to the fake, and those to ``https://broker.example`` to its endpoint of
container credentials, whose token is in ``BROKER_TOKEN``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from anycreds.testing import FakeAWS, IdentityPool

POOL = "eu-central-1:0dd2f5b0-5a2c-4e5c-9d3c-1f2a3b4c5d6e"
REGION = "eu-central-1"
LOGIN_SESSION = "arn:aws:iam::123456789012:user/person"
CONFIG = f"""\
[default]
region = {REGION}

[profile deploy]
role_arn = arn:aws:iam::123456789012:role/Deploy
source_profile = keys

[profile mfa]
role_arn = arn:aws:iam::123456789012:role/Admin
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/person

[profile dev]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Developer

[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = {REGION}

[profile person]
login_session = {LOGIN_SESSION}

[profile tool]
credential_process = printf '{{"Version":1,"AccessKeyId":"AKIDTOOL","SecretAccessKey":"not-a-secret"}}'
"""


@contextmanager
def user_with_aws(home: Path, patch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    """Serve a fake of AWS, and set the files and variables of a user who is signed in to it."""
    with FakeAWS.in_thread(cognito_pools={POOL: IdentityPool()}) as aws:
        folder = home / ".aws"
        keys = aws.key_environ()
        _write(folder / "config", CONFIG)
        lines = ["[keys]", *(f"{name.lower()} = {value}" for name, value in keys.items())]
        _write(folder / "credentials", "\n".join(lines) + "\n")
        _write(
            folder / "sso/cache" / f"{hashlib.sha1(b'corp', usedforsecurity=False).hexdigest()}.json", aws.sso_token()
        )
        login_name = hashlib.sha256(LOGIN_SESSION.encode()).hexdigest()
        _write(folder / "login/cache" / f"{login_name}.json", aws.login_token())
        _write(folder / "web-identity-token", aws.web_identity_token())
        variables = {
            **keys,
            **aws.service_environ(),
            **aws.metadata_environ(),
            **aws.container_environ(),
            "AWS_CONFIG_FILE": str(folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "web-identity-token"),
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Pod",
            "AWS_REGION": REGION,
            "BROKER_TOKEN": aws.container_environ()["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
            "HOME": str(home),
            "USERPROFILE": str(home),
        }
        for name, value in variables.items():
            patch.setenv(name, value)
        for library in ("httpx", "httpx2"):
            _redirect(import_module(library), aws, patch)  # only `nox -s docs` installs the second
        yield aws


def _redirect(library: Any, aws: FakeAWS, patch: pytest.MonkeyPatch) -> None:
    """Let the transports of an HTTP library send what is for AWS and for the broker to the fake."""
    send = library.AsyncHTTPTransport.handle_async_request
    service = library.URL(aws.service_environ()["AWS_ENDPOINT_URL"])
    broker = library.URL(aws.container_environ()["AWS_CONTAINER_CREDENTIALS_FULL_URI"])

    async def send_to_fake(self: Any, request: Any) -> Any:
        if request.url.host == "broker.example":
            request.url = broker
        elif request.url.host.endswith(".amazonaws.com"):
            request.url = service.copy_with(raw_path=request.url.raw_path)
        return await send(self, request)

    patch.setattr(library.AsyncHTTPTransport, "handle_async_request", send_to_fake)


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
