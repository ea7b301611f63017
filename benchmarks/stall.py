"""How long the event loop stands still at most during the first resolve of a process, in each way, imports included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from .measuring import Fake, Row, excess, fake_aws, fresh_process, span

GOAL = 0.010  # seconds
ROUNDS, QUICK_ROUNDS = 3, 2
ROLE = "arn:aws:iam::123456789012:role/Demo"
LOGIN = "arn:aws:iam::123456789012:user/demo"
# Each way to get credentials, and how people are told of it. In the chain, EC2 metadata is the first with any.
WAYS = {
    "imds": "IMDS",
    "role": "assume-role",
    "profile": "profile with a role",
    "sso": "SSO, with a refresh",
    "login": "aws login, with a refresh",
    "cognito": "Cognito guest",
    "chain": "default chain to IMDS",
}
QUICK_WAYS = ("imds", "role")
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
    ways = QUICK_WAYS if quick else [way for way in WAYS if way != "login" or find_spec("cryptography")]
    with _machine() as (fake, environ):
        return [_measure(loop, way, QUICK_ROUNDS if quick else ROUNDS, fake, environ) for way in ways]


def _measure(loop: str, way: str, rounds: int, fake: Fake, environ: Mapping[str, str]) -> Row:
    mine, least, whole, collecting = [], [], [], []
    _resolve(loop, way, fake, environ)  # so that everything is compiled
    for _ in range(rounds):
        least.append(float(fresh_process("stall.py", loop, "nothing", **environ).words[0]))
        longest, seconds, collection = _resolve(loop, way, fake, environ)
        mine.append(longest)
        whole.append(seconds)
        collecting.append(collection)
    return Row(
        what=f"first resolve, {WAYS[way]}: longest stall",
        loop=loop,
        unit="s",
        ours=span(mine),
        floor=span(least),
        floor_is="the same process does nothing",
        kind="value",
        judged=span(mine),
        goal=GOAL,
        notes=(
            f"the whole first resolve took {span(whole).median * 1e3:.0f} ms",
            f"the longest garbage collection in it took {span(collecting).median * 1e3:.1f} ms",
        ),
        details={"whole_resolve": span(whole), "collection": span(collecting), "excess": excess(mine, least)},
    )


def _resolve(loop: str, way: str, fake: Fake, environ: Mapping[str, str]) -> tuple[float, float, float]:
    """Run one process. Return the longest stall, the time of the whole and the longest garbage collection."""
    home = Path(environ["HOME"])
    keys = {}
    if way == "sso":
        _write_token(home / ".aws" / "sso" / "cache", hashlib.sha1(b"demo", usedforsecurity=False), fake.answer(way))
    elif way == "login":
        _write_token(home / ".aws" / "login" / "cache", hashlib.sha256(LOGIN.encode()), fake.answer(way))
    elif way in ("role", "profile"):
        keys = {"AWS_ACCESS_KEY_ID": fake.access_key_id, "AWS_SECRET_ACCESS_KEY": fake.secret_access_key}
    longest, seconds, collection = map(float, fresh_process("stall.py", loop, way, **environ, **keys).words)
    return longest, seconds, collection


@contextmanager
def _machine() -> Iterator[tuple[Fake, dict[str, str]]]:
    """Give a fake and the environment that leads to it, with a home directory."""
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
