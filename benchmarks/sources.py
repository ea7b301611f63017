"""Credential sources, as data: the environment and files that configure exactly one source.

``{home}`` and other placeholders are replaced by ``source_environment``. The names of sources are also used in
``Peer.cannot``. EC2 metadata is disabled for all other sources, so that the real service is never called.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .measurement import Fake

CONFIG, CREDENTIALS = ".aws/config", ".aws/credentials"
ROLE = "arn:aws:iam::123456789012:role/Demo"
ACCOUNT = "123456789012"
SSO_SESSION = "demo"
SSO_TOKEN = f".aws/sso/cache/{hashlib.sha1(SSO_SESSION.encode(), usedforsecurity=False).hexdigest()}.json"
# Invented credentials. Those of the fake have another prefix.
KEY, SECRET, TOKEN = "AKIABENCHMARK", "no-secret", "t" * 900  # about as long as a token of STS
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}


class Source(NamedTuple):
    """One source of credentials."""

    name: str
    description: str
    environ: Mapping[str, str]
    files: Mapping[str, str] = {}
    """Files in the home directory, by path."""
    route: str | None = None
    """The fake's route that each call requests once; its count proves that this source was called."""
    key: str | None = None
    """The access key id of the credentials, or None for one of the fake's."""
    calls: int = 20
    """Calls of each process: enough that one slow system call does not dominate the figure."""

    def requests(self, fake: Fake) -> int:
        """Return the number of requests that the fake has received for the route."""
        return fake.count(self.route) if self.route else 0


def _of_files(count: int, calls: int) -> Source:
    profiles = (
        f"[team-{number}]\n"
        f"aws_access_key_id = {KEY}{number:07}\n"
        f"aws_secret_access_key = {SECRET}\n"
        f"region = eu-west-1\n\n"
        for number in range(count)
    )
    return Source(
        name=f"file {count:,}",
        description=f"the last of {count:,} profiles in the shared credentials file"
        if count > 1
        else "a file of one profile",
        environ={**OFF, "AWS_SHARED_CREDENTIALS_FILE": f"{{home}}/{CREDENTIALS}", "AWS_PROFILE": f"team-{count - 1}"},
        files={CREDENTIALS: "".join(profiles)},
        key=f"{KEY}{count - 1:07}",
        calls=calls,
    )


def _of_profile(name: str, description: str, profile: str, route: str | None = None, **more: str) -> Source:
    """Return a source that is configured in a config file."""
    return Source(
        name=name,
        description=description,
        environ={
            **OFF,
            "AWS_CONFIG_FILE": f"{{home}}/{CONFIG}",
            "AWS_PROFILE": "demo",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",  # for botocore
            "AWS_ENDPOINT_URL": "{metadata_url}",
        },
        files={CONFIG: f"[profile demo]\n{profile}", **more},
        route=route,
        key=None if route else KEY,
    )


SOURCES = (
    Source(
        "environment",
        "keys in the environment",
        {**OFF, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN},
        key=KEY,
        calls=50,  # each takes less than 0.1 ms
    ),
    _of_files(1, calls=20),
    _of_files(100, calls=20),
    _of_files(10_000, calls=4),  # some peers take a second per call
    _of_profile(
        "process",
        "a command that prints credentials: cat",
        "credential_process = {cat} {home}/keys.json\n",
        **{
            "keys.json": f'{{{{"Version": 1, "AccessKeyId": "{KEY}", "SecretAccessKey": "{SECRET}", '
            f'"SessionToken": "{TOKEN}", "Expiration": "2099-12-31T23:59:59Z"}}}}'
        },
    ),
    Source(
        "container",
        "the container endpoint, one exchange",
        {
            **OFF,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{container_url}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "{container_token}",
        },
        route="container",
    ),
    Source(
        "imds",
        "EC2 instance metadata, three exchanges",
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{metadata_url}"},
        route="role",
    ),
    _of_profile(
        "role",
        "a role assumed with the keys of another profile, one signed exchange with STS",
        f"role_arn = {ROLE}\nsource_profile = base\n\n"
        "[profile base]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n",
        route="assume role",
    ),
    _of_profile(
        "sso",
        "IAM Identity Center with a token that is valid for an hour, one exchange",
        f"sso_session = {SSO_SESSION}\nsso_account_id = {ACCOUNT}\nsso_role_name = Demo\n\n"
        f"[sso-session {SSO_SESSION}]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n",
        route="sso role",
        **{SSO_TOKEN: "{sso_token}"},
    ),
)


@contextmanager
def source_environment(source: Source, fake: Fake) -> Iterator[dict[str, str]]:
    """Yield the environment of a source; its files exist inside the ``with`` block."""
    with TemporaryDirectory() as home:
        placeholders = {
            **{name: value for name, value in fake._asdict().items() if isinstance(value, str)},
            "home": home,
            "cat": str(shutil.which("cat")),
            "sso_token": fake.send_command("sso valid").strip(),
        }
        for path, text in source.files.items():
            file = Path(home, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format(**placeholders), encoding="utf-8")
        environ = {name: value.format(**placeholders) for name, value in source.environ.items()}
        yield {**environ, "HOME": home, "ANYCREDS_BENCH_SOURCE": source.name.partition(" ")[0]}
