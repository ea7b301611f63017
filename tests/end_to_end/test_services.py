"""Calls of services over real sockets: how many connections an attempt opens, and what is logged of it."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pytest

import anycreds
from anycreds import Credentials, Provider
from anycreds.testing import CANARY, FakeAWS
from support.http_libraries import http_library  # noqa: F401
from support.raw_http_server import closed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]

ROLE = "arn:aws:iam::123456789012:role/Demo"
DEVICE = "arn:aws:iam::123456789012:mfa/alice"
POOL = "us-east-1:00000000-0000-4000-8000-00000000c0de"


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a region, so that no fallback is logged."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


def sso(aws: FakeAWS, home: Path) -> Provider:
    """Sign in with a token that has expired, and return the provider of an SSO profile."""
    directory = home / ".aws/sso/cache"
    directory.mkdir(parents=True)
    (home / ".aws/config").write_text(
        "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n"
        "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://anycreds-fake.awsapps.com/start\n"
    )
    name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
    file = directory / f"{name}.json"
    file.write_text(json.dumps(aws.sso_token(expires_in=-1)))
    file.chmod(0o600)
    return anycreds.from_sso("dev")


async def test_requests_of_one_attempt_share_a_connection(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests of an attempt to one host share one connection, which is closed afterwards.

    The refresh of an SSO token has its own, because it continues if the attempt is cancelled.
    """
    for kind, requests, connections in (("sso", 2, 2), ("cognito", 2, 1), ("web identity", 1, 1)):
        async with FakeAWS() as aws:
            monkeypatch.setenv("AWS_ENDPOINT_URL", aws.service_url)
            providers: dict[str, Provider] = {
                "cognito": anycreds.from_cognito_identity_pool(POOL),
                "web identity": anycreds.from_web_token(ROLE, aws.web_identity_token()),
            }
            await (providers.get(kind) or sso(aws, isolated))()
            assert (kind, len(aws.exchanges), aws.connections) == (kind, requests, connections)
            assert await closed(aws)


async def test_log_records_show_no_secret(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Of a role with a device, no log record shows the external ID, the MFA code or the credentials."""
    external, code = "shared-with-a-partner", "730946"

    async def mfa_code(serial: str) -> str:
        return code

    caplog.set_level(logging.DEBUG)
    async with FakeAWS() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.service_url)
        aws.roles = {ROLE: {"external_id": external, "mfa_serial": DEVICE, "mfa_codes": [code]}}
        found = await anycreds.from_temporary_credentials(
            ROLE,
            external_id=external,
            serial_number=DEVICE,
            mfa_code_provider=mfa_code,
            source_credentials=Credentials(*aws.key_environ().values()),
        )()
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (CANARY, external, code, found.secret_access_key, found.session_token or "-"):
        assert secret not in logged
