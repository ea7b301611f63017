"""Makes, with botocore, the call that stands in a line, and answers with a line. Both are JSON.

Each call gets a session of its own. Nothing is reached beyond loopback.
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
"""By our factory: the providers of the default chain that do the same."""

TOKEN_FILE = {
    "web_identity_token_file": "AWS_WEB_IDENTITY_TOKEN_FILE",
    "role_arn": "AWS_ROLE_ARN",
    "role_session_name": "AWS_ROLE_SESSION_NAME",
}
"""By our option: the variable that says the same to the provider for token files."""

CONTAINER = {
    "full_uri": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "authorization_token": "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "authorization_token_file": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}
"""By our option: the variable in the environment that the container provider is given."""

SETTINGS = {
    "filepath": "credentials_file",
    "config_filepath": "config_file",
    "endpoint": "ec2_metadata_service_endpoint",
    "endpoint_mode": "ec2_metadata_service_endpoint_mode",
    "ec2_metadata_v1_disabled": "ec2_metadata_v1_disabled",
}
"""By our option: the session's setting."""

STANDING = {
    "AWS_RETRY_MODE": "standard",  # what the other SDKs do; botocore would try five times
    "AWS_MAX_ATTEMPTS": "3",
}


def play(environ: Mapping[str, str], call: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Make one call, so many times, and tell what came the last time."""
    path = os.environ["PATH"]
    os.environ.clear()
    os.environ.update(STANDING, PATH=path)
    if "AWS_REGION" in environ:
        os.environ["AWS_DEFAULT_REGION"] = environ["AWS_REGION"]  # the only one that botocore reads
    os.environ.update(environ)
    # These are fixed when botocore is imported.
    sso_cache = str(Path(environ["HOME"], ".aws", "sso", "cache"))
    SSOProvider._SSO_TOKEN_CACHE_DIR = SSOTokenProvider._SSO_TOKEN_CACHE_DIR = sso_cache
    try:
        load = made(call["factory"], call.get("options", {}))
        for _ in range(times - 1):
            fields(load())
        credentials = load()
        if credentials is None:
            return failure("None", "no credentials", goes_on=True)
        return {"credentials": fields(credentials)}
    except Exception as error:  # noqa: BLE001 - whatever leaves botocore is what is compared
        name = "ClientError" if isinstance(error, ClientError) else type(error).__name__
        return failure(name, str(error), goes_on=False)


def made(factory: str, options: dict[str, Any]) -> Any:
    """Return the function that loads credentials as a call of ours would."""
    if factory == "from_token_file":
        os.environ.update({variable: options[name] for name, variable in TOKEN_FILE.items() if name in options})
    session = Session(profile=options.get("profile"))
    for name, setting in SETTINGS.items():
        if name in options:
            session.set_config_variable(setting, options[name])
    ContainerMetadataFetcher.RETRY_ATTEMPTS = 1 + options.get("max_retries", 0)
    ContainerMetadataFetcher.SLEEP_TIME = 0  # pauses are not compared
    if factory in {"from_temporary_credentials", "from_web_token"}:
        return lambda: assumed(session, factory, options)
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


def assumed(session: Session, factory: str, options: dict[str, Any]) -> Any:
    """Assume a role by the API, for which botocore has no provider."""
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
    told = options.get("client_config", {})
    create = partial(session.create_client, region_name=told.get("region"), endpoint_url=told.get("endpoint_url"))
    if factory == "from_web_token":
        token = options["web_identity_token"]
        text = token["returns"] if isinstance(token, dict) else token
        unsigned = Config(signature_version=UNSIGNED)
        fetch = AssumeRoleWithWebIdentityCredentialFetcher(
            lambda *names, **_: create(*names, config=unsigned), lambda: text, role, given
        )
    else:
        source = options.get("source_credentials")
        credentials = made(source["factory"], source.get("options", {}))() if source else session.get_credentials()
        code = options.get("mfa_code_provider", {}).get("returns")
        fetch = AssumeRoleCredentialFetcher(create, credentials, role, given, lambda _: code)
    return DeferredRefreshableCredentials(fetch.fetch_credentials, "assume-role")


def fields(credentials: Any) -> dict[str, str | None]:
    """Return what botocore hands out, by our names."""
    frozen = credentials.get_frozen_credentials()
    end = getattr(credentials, "_expiry_time", None)
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "session_token": frozen.token,
        "expiration": end.isoformat() if end else None,
        "account_id": frozen.account_id,
    }


def failure(name: str, message: str, *, goes_on: bool) -> dict[str, Any]:
    """Return the answer that tells of an error."""
    return {"error": {"name": name, "message": message, "goes_on": goes_on}}


def near_only(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to look up or connect to anything but this machine."""
    if event in {"socket.connect", "socket.getaddrinfo"}:
        host = arguments[1][0] if event == "socket.connect" else arguments[0]
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise RuntimeError(f"reached beyond loopback: {host}")


if __name__ == "__main__":
    sys.addaudithook(near_only)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(play(**json.loads(line))) + "\n")
        sys.stdout.flush()
