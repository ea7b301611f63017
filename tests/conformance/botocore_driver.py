"""Runs conformance cases with botocore: reads one JSON line per case, and writes one with its outcome.

Each call has its own session. Connections beyond loopback are blocked.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    ContainerProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
    SSOProvider,
)
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.tokens import SSOTokenProvider
from botocore.utils import ContainerMetadataFetcher

PROFILE = (
    "assume-role",
    "assume-role-with-web-identity",
    "sso",
    "shared-credentials-file",
    "login",
    "custom-process",
    "config-file",
)
PROVIDERS = {
    "from_env": ("env",),
    "from_ini": PROFILE,
    "from_process": ("custom-process",),
    "from_sso": ("sso",),
    "from_login_credentials": ("login",),
    "from_token_file": ("assume-role-with-web-identity",),
    "from_http": ("container-role",),
    "from_container_metadata": ("container-role",),
    "from_instance_metadata": ("iam-role",),
}
"""For each factory of anycreds: the names of botocore's corresponding providers."""

TOKEN_FILE = {
    "web_identity_token_file": "AWS_WEB_IDENTITY_TOKEN_FILE",
    "role_arn": "AWS_ROLE_ARN",
    "role_session_name": "AWS_ROLE_SESSION_NAME",
}
"""For each option of anycreds: the variable that botocore's token file provider reads."""

CONTAINER = {
    "full_uri": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "authorization_token": "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "authorization_token_file": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}
"""For each option of anycreds: the variable that botocore's container provider reads."""

SETTINGS = {
    "filepath": "credentials_file",
    "config_filepath": "config_file",
    "endpoint": "ec2_metadata_service_endpoint",
    "endpoint_mode": "ec2_metadata_service_endpoint_mode",
    "ec2_metadata_v1_disabled": "ec2_metadata_v1_disabled",
}
"""For each option of anycreds: the setting of botocore's session."""

DEFAULTS = {
    "AWS_RETRY_MODE": "standard",  # as the other SDKs; botocore's own default makes five attempts
    "AWS_MAX_ATTEMPTS": "3",
}


def run_case(environ: Mapping[str, str], call: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Make a call ``times`` times, and return the outcome of the last one."""
    path = os.environ["PATH"]
    os.environ.clear()
    os.environ.update(DEFAULTS, PATH=path)
    if "AWS_REGION" in environ:
        os.environ["AWS_DEFAULT_REGION"] = environ["AWS_REGION"]  # the only region variable that botocore reads
    os.environ.update(environ)
    # botocore computes these paths when it is imported.
    sso_cache = str(Path(environ["HOME"], ".aws", "sso", "cache"))
    SSOProvider._SSO_TOKEN_CACHE_DIR = SSOTokenProvider._SSO_TOKEN_CACHE_DIR = sso_cache
    try:
        load = create_loader(call["factory"], call.get("options", {}))
        for _ in range(times - 1):
            fields(load())
        credentials = load()
        if credentials is None:
            return failure("None", "no credentials", continues=True)
        return {"credentials": fields(credentials)}
    except Exception as error:  # noqa: BLE001 - every error of botocore is compared
        name = "ClientError" if isinstance(error, ClientError) else type(error).__name__
        return failure(name, str(error), continues=False)


def create_loader(factory: str, options: dict[str, Any]) -> Any:
    """Return a function that loads credentials as the call of anycreds does."""
    if factory == "from_token_file":
        os.environ.update({variable: options[name] for name, variable in TOKEN_FILE.items() if name in options})
    session = Session(profile=options.get("profile"))
    for name, setting in SETTINGS.items():
        if name in options:
            session.set_config_variable(setting, options[name])
    ContainerMetadataFetcher.RETRY_ATTEMPTS = 1 + options.get("max_retries", 0)
    ContainerMetadataFetcher.SLEEP_TIME = 0  # pauses are not compared
    if factory in {"from_temporary_credentials", "from_web_token"}:
        return lambda: role_loader(session, factory, options)
    resolver = session.get_component("credential_provider")
    code = options.get("mfa_code_provider", {}).get("returns")
    resolver.get_provider("assume-role")._prompter = lambda _: code
    if factory == "from_default_chain":
        return session.get_credentials
    given = {variable: options[name] for name, variable in CONTAINER.items() if name in options}
    if given:
        return ContainerProvider(environ=given).load
    chain = CredentialResolver([resolver.get_provider(name) for name in PROVIDERS[factory]])
    return chain.load_credentials


def role_loader(session: Session, factory: str, options: dict[str, Any]) -> Any:
    """Return credentials of a role, for which botocore has no provider without a profile."""
    extra = {
        "DurationSeconds": options.get("duration"),
        "ExternalId": options.get("external_id"),
        "Policy": options.get("policy"),
        "PolicyArns": [{"arn": arn} for arn in options.get("policy_arns", [])],
        "ProvidedContexts": [
            {"ProviderArn": arn, "ContextAssertion": assertion}
            for arn, assertion in options.get("provided_contexts", {}).items()
        ],
        "ProviderId": options.get("provider_id"),
        "RoleSessionName": options.get("role_session_name"),
        "SerialNumber": options.get("serial_number"),
        "SourceIdentity": options.get("source_identity"),
        "Tags": [{"Key": key, "Value": value} for key, value in options.get("tags", {}).items()],
        "TransitiveTagKeys": options.get("transitive_tag_keys"),
    }
    role, given = options["role_arn"], {key: value for key, value in extra.items() if value}
    config = options.get("client_config", {})
    create = partial(session.create_client, region_name=config.get("region"), endpoint_url=config.get("endpoint_url"))
    if factory == "from_web_token":
        token = options["web_identity_token"]
        text = token["returns"] if isinstance(token, dict) else token
        unsigned = Config(signature_version=UNSIGNED)
        fetch = AssumeRoleWithWebIdentityCredentialFetcher(
            lambda *names, **_: create(*names, config=unsigned), lambda: text, role, given
        )
    else:
        source = options.get("source_credentials")
        credentials = (
            create_loader(source["factory"], source.get("options", {}))() if source else session.get_credentials()
        )
        code = options.get("mfa_code_provider", {}).get("returns")
        fetch = AssumeRoleCredentialFetcher(create, credentials, role, given, lambda _: code)
    return DeferredRefreshableCredentials(fetch.fetch_credentials, "assume-role")


def fields(credentials: Any) -> dict[str, str | None]:
    """Return botocore's credentials with the field names of anycreds."""
    frozen = credentials.get_frozen_credentials()
    expiration = getattr(credentials, "_expiry_time", None)
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "session_token": frozen.token,
        "expiration": expiration.isoformat() if expiration else None,
        "account_id": frozen.account_id,
    }


def failure(name: str, message: str, *, continues: bool) -> dict[str, Any]:
    """Return the outcome for an error."""
    return {"error": {"name": name, "message": message, "continues": continues}}


def allow_loopback_only(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise an error for name lookups and connections beyond this machine."""
    if event in {"socket.connect", "socket.getaddrinfo"}:
        host = arguments[1][0] if event == "socket.connect" else arguments[0]
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise RuntimeError(f"reached beyond loopback: {host}")


if __name__ == "__main__":
    sys.addaudithook(allow_loopback_only)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run_case(**json.loads(line))) + "\n")
        sys.stdout.flush()
