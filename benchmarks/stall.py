"""The longest stall of the event loop during a process's first call of each provider, imports included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from .measurement import Fake, Row, excess, fake_aws, fresh_process, span

GOAL = 0.010  # seconds
ROUNDS, QUICK_ROUNDS = 3, 1
ROLE = "arn:aws:iam::123456789012:role/Demo"
LOGIN = "arn:aws:iam::123456789012:user/demo"
# Providers and their titles. In the default chain, EC2 metadata is the first with credentials.
VARIANTS = {
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


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    variants = (
        QUICK_VARIANTS
        if quick
        else [variant for variant in VARIANTS if variant != "login" or find_spec("cryptography")]
    )
    with _machine() as (fake, environ):
        return [_measure(loop, variant, QUICK_ROUNDS if quick else ROUNDS, fake, environ) for variant in variants]


def _measure(loop: str, variant: str, rounds: int, fake: Fake, environ: Mapping[str, str]) -> Row:
    mine, least, whole, collecting = [], [], [], []
    _resolve(loop, variant, fake, environ)  # compile everything
    for _ in range(rounds):
        least.append(float(fresh_process("stall.py", loop, "nothing", **environ).words[0]))
        longest, seconds, collection = _resolve(loop, variant, fake, environ)
        mine.append(longest)
        whole.append(seconds)
        collecting.append(collection)
    return Row(
        what=f"first call, {VARIANTS[variant]}: longest stall",
        loop=loop,
        unit="s",
        ours=span(mine),
        baseline=span(least),
        baseline_is="the same process without a call",
        kind="value",
        judged=span(mine),
        goal=GOAL,
        notes=(
            f"duration of the first call: {span(whole).median * 1e3:.0f} ms",
            f"longest garbage collection in it: {span(collecting).median * 1e3:.1f} ms",
        ),
        details={"whole_resolve": span(whole), "collection": span(collecting), "excess": excess(mine, least)},
    )


def _resolve(loop: str, variant: str, fake: Fake, environ: Mapping[str, str]) -> tuple[float, float, float]:
    """Run one process. Return the longest stall, the duration of the call and the longest garbage collection."""
    home = Path(environ["HOME"])
    keys = {}
    if variant == "sso":
        _write_token(
            home / ".aws" / "sso" / "cache", hashlib.sha1(b"demo", usedforsecurity=False), fake.send_command(variant)
        )
    elif variant == "login":
        _write_token(home / ".aws" / "login" / "cache", hashlib.sha256(LOGIN.encode()), fake.send_command(variant))
    elif variant in ("role", "profile"):
        keys = {"AWS_ACCESS_KEY_ID": fake.access_key_id, "AWS_SECRET_ACCESS_KEY": fake.secret_access_key}
    longest, seconds, collection = map(float, fresh_process("stall.py", loop, variant, **environ, **keys).words)
    return longest, seconds, collection


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
