"""Minimal code for each source, as a baseline: no checks, no error handling, no precedence of settings.

Exchanges are generators that yield a request, receive the body of its response, and return the access key id. They do
no I/O, so that a bare socket and an HTTP client share them.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Generator, Mapping
from pathlib import Path
from time import time
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from .sources import CONFIG, CREDENTIALS

Environ: TypeAlias = Mapping[str, str]
IMDS_ROLES = "/latest/meta-data/iam/security-credentials/"
REGION = "AWS_REGION"


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


Exchanges: TypeAlias = Generator[Request, bytes, str]


def exchanges(environ: Environ) -> tuple[str, Exchanges] | None:
    """Return the URL of the endpoint and the exchanges, or None for a source without requests."""
    match environ["ANYCREDS_BENCH_SOURCE"]:
        case "container":
            endpoint = environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
            return endpoint, _container(urlsplit(endpoint).path, environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
        case "imds":
            return environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"], _imds()
        case "role":
            return environ["AWS_ENDPOINT_URL"], _role(environ)
        case "sso":
            return environ["AWS_ENDPOINT_URL"], _sso(environ)
    return None


def _container(path: str, token: str) -> Exchanges:
    return _key(json.loads((yield Request("GET", path, {"Authorization": token}))))


def _imds() -> Exchanges:
    token = yield Request("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21600"})
    head = {"X-aws-ec2-metadata-token": token.decode()}
    role = yield Request("GET", IMDS_ROLES, head)
    return _key(json.loads((yield Request("GET", IMDS_ROLES + role.decode(), head))))


def _role(environ: Environ) -> Exchanges:
    from xml.etree.ElementTree import fromstring

    from anycreds import Credentials
    from anycreds._core.http import Url
    from anycreds._providers.sts.requests import FORM_TYPE, assume_role_form
    from anycreds._wire.sigv4 import Scope, sign_headers

    sections = scan_sections(Path(environ["HOME"], CONFIG).read_text(encoding="utf-8"))
    profile = sections[f"profile {environ['AWS_PROFILE']}"]
    base = sections[f"profile {profile['source_profile']}"]
    keys = Credentials(base["aws_access_key_id"], base["aws_secret_access_key"])
    body = assume_role_form({"RoleArn": profile["role_arn"], "RoleSessionName": f"by-hand-{time():.0f}"})
    head = {"Content-Type": FORM_TYPE}
    endpoint = urlsplit(environ["AWS_ENDPOINT_URL"])
    url = Url("http", str(endpoint.hostname), endpoint.port, "/")
    signed = sign_headers(keys, Scope(environ[REGION], "sts"), time(), "POST", url, headers=head, body=body)
    assert isinstance(signed, dict)
    response = yield Request("POST", "/", {**head, **signed}, body)
    found = {field.tag.rpartition("}")[2]: field.text for field in fromstring(response).iter()}  # noqa: S314 - the fake's
    return _key(found)


def _sso(environ: Environ) -> Exchanges:
    sections = scan_sections(Path(environ["HOME"], CONFIG).read_text(encoding="utf-8"))
    profile = sections[f"profile {environ['AWS_PROFILE']}"]
    name = hashlib.sha1(profile["sso_session"].encode(), usedforsecurity=False).hexdigest()
    token = json.loads(Path(environ["HOME"], f".aws/sso/cache/{name}.json").read_text(encoding="utf-8"))
    query = f"account_id={profile['sso_account_id']}&role_name={profile['sso_role_name']}"
    head = {"x-amz-sso_bearer_token": token["accessToken"]}
    response = json.loads((yield Request("GET", f"/federation/credentials?{query}", head)))
    return str(response["roleCredentials"]["accessKeyId"])


def key_from_file(environ: Environ) -> str:
    """Return the key id of a profile, after a scan of the file."""
    text = Path(environ["HOME"], CREDENTIALS).read_text(encoding="utf-8")
    return scan_sections(text)[environ["AWS_PROFILE"]]["aws_access_key_id"]


def command(environ: Environ) -> list[str]:
    """Return the ``credential_process`` of a profile."""
    sections = scan_sections(Path(environ["HOME"], CONFIG).read_text(encoding="utf-8"))
    return shlex.split(sections[f"profile {environ['AWS_PROFILE']}"]["credential_process"])


def key_from_output(output: bytes) -> str:
    """Return the key id that a command printed."""
    return _key(json.loads(output))


def _key(document: Mapping[str, str | None]) -> str:
    return str(document["AccessKeyId"])


def scan_sections(text: str) -> dict[str, dict[str, str]]:
    """Return the sections of a file that has no comments, nested settings or quotes."""
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith("["):
            current = sections.setdefault(line[1:-1], {})
        elif line:
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    return sections
