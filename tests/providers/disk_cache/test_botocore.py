"""The cache is that of the AWS CLI: botocore's fetchers find what anycreds writes, and anycreds what they write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    SSOCredentialFetcher,
)
from botocore.utils import JSONFileCache

import anycreds
from anycreds import Credentials, Provider
from anycreds.testing import CANARY
from support.fake_io import SECRET_KEY, SESSION_TOKEN
from support.rows import row

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/Demo"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Resource": "*", "Effect": "Allow", "Action": "s3:*"}]}'
KEYS = Credentials("AKIDUSER", f"{CANARY}-user-secret")
MFA = "arn:aws:iam::123456789012:mfa/alice"


async def no_code(serial: str) -> str:
    raise AssertionError("prompted for a code")


# The options of ``from_temporary_credentials``, and the arguments of botocore for the same call.
ROLES: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "role only": ({}, {}),
    "session name": ({"role_session_name": "me"}, {"RoleSessionName": "me"}),
    "duration": ({"duration": timedelta(hours=1)}, {"DurationSeconds": 3600}),
    "external id": ({"external_id": "id-ü"}, {"ExternalId": "id-ü"}),
    "policy": ({"policy": POLICY}, {"Policy": POLICY.replace(" ", "")}),
    "policy ARNs": ({"policy_arns": ["arn:1", "arn:2"]}, {"PolicyArns": [{"arn": "arn:1"}, {"arn": "arn:2"}]}),
    "tags": (
        {"tags": {"a": "1", "b": ""}, "transitive_tag_keys": ["a"]},
        {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}], "TransitiveTagKeys": ["a"]},
    ),
    "source identity": ({"source_identity": "alice"}, {"SourceIdentity": "alice"}),
    "contexts": (
        {"provided_contexts": {"arn:x": "assertion"}},
        {"ProvidedContexts": [{"ProviderArn": "arn:x", "ContextAssertion": "assertion"}]},
    ),
    "MFA": ({"serial_number": MFA, "mfa_code_provider": no_code}, {"SerialNumber": MFA}),
}


class NoClient:
    """Fails the test if botocore calls a service."""

    def __call__(self, service: str, **_: object) -> Any:
        raise AssertionError(f"botocore calls {service}")


class ClientOfSts:
    """What botocore needs of a client: STS as a function of the arguments."""

    def __call__(self, service: str, **_: object) -> Any:
        return self

    def assume_role(self, **arguments: object) -> dict[str, Any]:
        """Return a response of STS, as botocore parses it."""
        return {
            "Credentials": {
                "AccessKeyId": "ASIABOTOCORE",
                "SecretAccessKey": SECRET_KEY,
                "SessionToken": SESSION_TOKEN,
                "Expiration": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1),
            },
            "AssumedRoleUser": {
                "AssumedRoleId": "AROA:me",
                "Arn": "arn:aws:sts::123456789012:assumed-role/Demo/me",
            },
            "ResponseMetadata": {"RequestId": "1", "HTTPStatusCode": 200},
        }

    assume_role_with_web_identity = assume_role


class Keys:
    """The source credentials of botocore."""

    def get_frozen_credentials(self) -> Any:
        return Keys

    access_key, secret_key, token = "AKIDUSER", SECRET_KEY, None


def fetcher(arguments: dict[str, Any], folder: Path, client: Any, role: str = ROLE) -> AssumeRoleCredentialFetcher:
    """Return the fetcher that the AWS CLI uses."""
    cache = JSONFileCache(str(folder))
    return AssumeRoleCredentialFetcher(client, Keys(), role, extra_args=arguments, cache=cache, mfa_prompter=str)


def seed(folder: Path, name: str) -> None:
    """Write an entry as anycreds would."""
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"AccessKeyId": "ASIAOURS", "SecretAccessKey": SECRET_KEY, "SessionToken": SESSION_TOKEN}
    (folder / name).write_text(json.dumps({"Credentials": {**fields, "Expiration": end}}))
    (folder / name).chmod(0o600)


def entries(folder: Path) -> list[Path]:
    """Return the files of all entries."""
    return list(folder.glob("*.json"))


async def read_by_anycreds(provider: Provider, folder: Path) -> Credentials:
    """Return what the provider finds in the cache. A call of its source fails: no network can be reached."""
    return await anycreds.disk_cached(provider, directory=folder)()


async def test_roles_in_the_cache_of_the_cli_are_found(tmp_path: Path) -> None:
    """Each parameter of a role counts for the name of the entry as it does in botocore, and its content is read."""
    names: set[str] = set()
    for name, (options, arguments) in ROLES.items():
        with row(name):
            theirs = fetcher(arguments, tmp_path, ClientOfSts()).fetch_credentials()
            role = anycreds.from_temporary_credentials(ROLE, source_credentials=KEYS, **options)
            found = await read_by_anycreds(role, tmp_path)
            assert (found.access_key_id, found.secret_access_key, found.session_token) == (
                theirs["access_key"],
                theirs["secret_key"],
                theirs["token"],
            )
            assert found.account_id == theirs["account_id"] == "123456789012"
            assert found.expiration == datetime.fromisoformat(theirs["expiry_time"].replace("UTC", "+00:00"))
            names.update(path.name for path in entries(tmp_path))
    assert len(names) == len(ROLES)


async def test_entry_of_anycreds_is_found_by_the_cli(tmp_path: Path) -> None:
    """Botocore uses the entry that anycreds has written for the same role."""

    async def assumer() -> Credentials:
        end = datetime.now(UTC) + timedelta(hours=1)
        return Credentials("ASIAOURS", SECRET_KEY, SESSION_TOKEN, expiration=end, account_id="123456789012")

    written = await anycreds.disk_cached(assumer, key="a", directory=tmp_path)()
    [path] = entries(tmp_path)
    for _, arguments in ROLES.values():
        theirs = fetcher(arguments, tmp_path, NoClient())
        path.rename(tmp_path / f"{theirs._cache_key}.json")
        path = tmp_path / f"{theirs._cache_key}.json"
        found = theirs.fetch_credentials()
        assert (found["access_key"], found["secret_key"]) == (written.access_key_id, written.secret_access_key)
        assert (found["token"], found["account_id"]) == (written.session_token, "123456789012")


async def test_role_of_a_profile_is_that_of_the_cli(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role of a profile has the entry of ``aws --profile``, in the directory of the AWS CLI."""
    folder = isolated / ".aws/cli/cache"
    config = isolated / "config"
    config.write_text(
        f"[profile base]\nrole_arn = {ROLE}Base\ncredential_source = Environment\n"
        f"[profile role]\nrole_arn = {ROLE}\nsource_profile = base\nexternal_id = x\nduration_seconds = 900\n"
        "role_session_name = me\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    arguments = {"ExternalId": "x", "DurationSeconds": 900, "RoleSessionName": "me"}
    fetcher(arguments, folder, ClientOfSts()).fetch_credentials()
    found = await anycreds.disk_cached(anycreds.from_ini("role"))()
    assert (found.access_key_id, found.source) == ("ASIABOTOCORE", "assume role")


async def test_web_identity_is_that_of_the_cli(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role for the token in a file, from variables, options or a profile, has the entry of the AWS CLI."""
    token = isolated / "token"
    config = isolated / "config"
    config.write_text(f"[profile web]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\nrole_session_name = me\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    cache = JSONFileCache(str(isolated))
    AssumeRoleWithWebIdentityCredentialFetcher(
        ClientOfSts(), lambda: "token", ROLE, extra_args={"RoleSessionName": "me"}, cache=cache
    ).fetch_credentials()
    for provider in (anycreds.from_token_file(role_session_name="me"), anycreds.from_ini("web")):
        found = await read_by_anycreds(provider, isolated)
        assert (found.access_key_id, found.source) == ("ASIABOTOCORE", "web identity")


@pytest.mark.parametrize("session", [None, "corp"])
async def test_sso_is_that_of_the_cli(isolated: Path, session: str | None) -> None:
    """A role in IAM Identity Center has the entry of the AWS CLI, by its session or by its start URL."""
    settings = {"account_id": "123456789012", "role_name": "Dev", "sso_region": "eu-west-1"}
    url = "https://d-abc.awsapps.com/start"
    theirs = SSOCredentialFetcher(
        url, client_creator=NoClient(), sso_session_name=session, cache=JSONFileCache(str(isolated)), **settings
    )
    seed(isolated, f"{theirs._cache_key}.json")
    assert theirs.fetch_credentials()["access_key"] == "ASIAOURS"
    provider = anycreds.from_sso(
        sso_start_url=url,
        sso_account_id="123456789012",
        sso_role_name="Dev",
        sso_region="eu-west-1",
        sso_session=session,
    )
    found = await read_by_anycreds(provider, isolated)
    assert (found.access_key_id, found.source) == ("ASIAOURS", "SSO")


async def test_policy_that_is_not_json_has_a_name(isolated: Path) -> None:
    """An invalid session policy reaches STS, which says what is wrong with it."""
    role = anycreds.from_temporary_credentials(ROLE, source_credentials=anycreds.from_env(), policy="{")
    with pytest.raises(anycreds.InvalidConfigurationError, match="has no credentials"):
        await read_by_anycreds(role, isolated)
    assert entries(isolated) == []
