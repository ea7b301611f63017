"""The longest stall of the event loop during a process's first call of each provider, imports included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .measurement import Fake, Row, excess, fake_aws, fresh_process, span

GOAL = 0.010  # seconds
ROUNDS = 3
ROLE = "arn:aws:iam::123456789012:role/Demo"
LOGIN = "arn:aws:iam::123456789012:user/demo"
# Providers and their titles. In the default chain, EC2 metadata is the first with credentials.
VARIANTS = {
    "environment": "environment keys by the default chain",
    "keys": "profile with keys",
    "process": "profile with a command",
    "container": "container endpoint",
    "imds": "IMDS",
    "role": "assume-role",
    "profile": "profile with a role",
    "sso": "SSO, with a refresh",
    "login": "aws login, with a refresh",
    "cognito": "Cognito guest",
    "chain": "default chain to IMDS",
}
QUICK_VARIANTS = ("imds", "role")
CONFIG = f"""
[profile keys]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = no-secret

[profile process]
credential_process = echo '{{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "no-secret"}}'

[profile role]
role_arn = {ROLE}
credential_source = Environment

[profile sso]
sso_session = demo
sso_account_id = 123456789012
sso_role_name = Demo

[profile login]
login_session = {LOGIN}

[sso-session demo]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
"""


class FirstCall(NamedTuple):
    """The first call of a process. Times are seconds."""

    stall: float
    """The longest one of the event loop."""
    duration: float
    collection: float
    """The longest garbage collection."""


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    variants = QUICK_VARIANTS if quick else VARIANTS
    found: dict[str, list[FirstCall]] = {
        variant: [] for variant in ("nothing", *variants) if variant != "login" or find_spec("cryptography")
    }
    with _machine() as (fake, environ):
        for number in range(1) if quick else range(-1, ROUNDS):
            for variant, calls in found.items():
                call = _first_call(loop, variant, fake, environ)
                if number >= 0:  # the round before compiles everything
                    calls.append(call)
    nothing = found.pop("nothing")
    return [_row(loop, VARIANTS[variant], calls, nothing) for variant, calls in found.items()]


def _row(loop: str, title: str, calls: Sequence[FirstCall], nothing: Sequence[FirstCall]) -> Row:
    stalls, durations, collections = (span(figures) for figures in zip(*calls, strict=True))
    least = [call.stall for call in nothing]
    return Row(
        what=f"first call, {title}: longest stall",
        loop=loop,
        unit="s",
        ours=stalls,
        baseline=span(least),
        baseline_is="the same process without a call",
        kind="value",
        judged=stalls,
        goal=GOAL,
        notes=(
            f"duration of the first call: {durations.median * 1e3:.0f} ms",
            f"longest garbage collection in it: {collections.median * 1e3:.1f} ms",
        ),
        details={
            "whole_resolve": durations,
            "collection": collections,
            "excess": excess([call.stall for call in calls], least),
        },
    )


def _first_call(loop: str, variant: str, fake: Fake, environ: Mapping[str, str]) -> FirstCall:
    """Run one process."""
    home = Path(environ["HOME"])
    more = {}
    if variant == "sso":
        _write_token(
            home / ".aws" / "sso" / "cache", hashlib.sha1(b"demo", usedforsecurity=False), fake.send_command(variant)
        )
    elif variant == "login":
        _write_token(home / ".aws" / "login" / "cache", hashlib.sha256(LOGIN.encode()), fake.send_command(variant))
    elif variant in ("environment", "role", "profile"):
        more = {"AWS_ACCESS_KEY_ID": fake.access_key_id, "AWS_SECRET_ACCESS_KEY": fake.secret_access_key}
    elif variant == "container":
        more = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": fake.container_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": fake.container_token,
        }
    return FirstCall(*map(float, fresh_process("stall.py", loop, variant, **environ, **more).words))


@contextmanager
def _machine() -> Iterator[tuple[Fake, dict[str, str]]]:
    """Yield a fake and an environment that uses it, with a home directory."""
    with fake_aws() as fake, TemporaryDirectory() as home:
        config = Path(home) / "config"
        config.write_text(CONFIG, encoding="utf-8")
        yield (
            fake,
            {
                "HOME": home,
                "AWS_CONFIG_FILE": str(config),
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": fake.metadata_url,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": fake.metadata_url,
            },
        )


def _write_token(folder: Path, name: hashlib._Hash, document: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name.hexdigest()}.json").write_text(document, encoding="utf-8")
