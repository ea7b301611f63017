"""Where credentials come from, as data: the environment and the files that lead a program to one source, and no other.

``{home}`` and the like stand for what differs from run to run; see ``furnished``. Names of sources are also those in
``Peer.cannot``. Wherever EC2 metadata is not the source, it is switched off: nothing here may ask the real one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .measuring import Fake

CONFIG, CREDENTIALS = ".aws/config", ".aws/credentials"
ROLE = "arn:aws:iam::123456789012:role/Demo"
ACCOUNT = "123456789012"
SSO_SESSION = "demo"
SSO_TOKEN = f".aws/sso/cache/{hashlib.sha1(SSO_SESSION.encode(), usedforsecurity=False).hexdigest()}.json"
# Of keys that are invented here. Those of the fake begin otherwise.
KEY, SECRET, TOKEN = "AKIABENCHMARK", "no-secret", "t" * 900  # a token about as long as those of STS
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}


class Source(NamedTuple):
    """One place that credentials come from."""

    name: str
    says: str
    environ: Mapping[str, str]
    files: Mapping[str, str] = {}
    """What stands in the home directory, by path."""
    route: str | None = None
    """What comes to the fake each time that somebody asks; so it shows whether this source was asked, and no other."""
    key: str | None = None
    """The access key id that it gives; None: one of the fake's."""
    asks: int = 20
    """How often each process asks: of milliseconds each, so many that one slow system call does not make the figure."""


def _of_files(count: int, asks: int) -> Source:
    profiles = (
        f"[team-{number}]\n"
        f"aws_access_key_id = {KEY}{number:07}\n"
        f"aws_secret_access_key = {SECRET}\n"
        f"region = eu-west-1\n\n"
        for number in range(count)
    )
    return Source(
        name=f"file {count:,}",
        says=f"the last of {count:,} profiles in the shared credentials file" if count > 1 else "a file of one profile",
        environ={**OFF, "AWS_SHARED_CREDENTIALS_FILE": f"{{home}}/{CREDENTIALS}", "AWS_PROFILE": f"team-{count - 1}"},
        files={CREDENTIALS: "".join(profiles)},
        key=f"{KEY}{count - 1:07}",
        asks=asks,
    )


def _of_profile(name: str, says: str, profile: str, route: str | None = None, **more: str) -> Source:
    """Return a source that stands in a config file."""
    return Source(
        name=name,
        says=says,
        environ={
            **OFF,
            "AWS_CONFIG_FILE": f"{{home}}/{CONFIG}",
            "AWS_PROFILE": "demo",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",  # what botocore reads
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
        asks=50,  # of which each takes less than a tenth of a millisecond
    ),
    _of_files(1, asks=20),
    _of_files(100, asks=20),
    _of_files(10_000, asks=4),  # some peers take a second for each
    _of_profile(
        "process",
        "a program that prints keys: cat",
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
        "IAM Identity Center with a token that is good for an hour, one exchange",
        f"sso_session = {SSO_SESSION}\nsso_account_id = {ACCOUNT}\nsso_role_name = Demo\n\n"
        f"[sso-session {SSO_SESSION}]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n",
        route="sso role",
        **{SSO_TOKEN: "{sso_token}"},
    ),
)


@contextmanager
def furnished(source: Source, fake: Fake) -> Iterator[dict[str, str]]:
    """Give the environment that leads to a source; its files are there as long as the ``with`` lasts."""
    with TemporaryDirectory() as home:
        places = {
            **{name: value for name, value in fake._asdict().items() if isinstance(value, str)},
            "home": home,
            "cat": str(shutil.which("cat")),
            "sso_token": fake.answer("sso valid").strip(),
        }
        for path, text in source.files.items():
            file = Path(home, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format(**places), encoding="utf-8")
        environ = {name: value.format(**places) for name, value in source.environ.items()}
        yield {**environ, "HOME": home, "ANYCREDS_BENCH_SOURCE": source.name.partition(" ")[0]}
