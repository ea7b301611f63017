"""The AWS SDK for JavaScript on node: its memoized default chain. Its process is ``node/worker.mjs``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from . import AdvisoryWindow, Peer

SDK = "@aws-sdk/credential-providers"
WORKER = Path(__file__).parent / "node" / "worker.mjs"
VARIABLE = "ANYCREDS_JAVASCRIPT"
FOLDER = Path(
    os.environ.get(VARIABLE) or os.devnull
).absolute()  # contains node_modules with the version in package.json
PACKAGE = FOLDER / "node_modules" / SDK / "package.json"

FIRST = f"""
require(require.resolve("{SDK}", {{ paths: [process.argv[1]] }})).fromNodeProviderChain()();
"""


def _missing() -> str | None:
    if shutil.which("node") is None:
        return "not installed: node"
    if not os.environ.get(VARIABLE):
        return f"{VARIABLE} is not set (`nox -s bench` installs the SDK)"
    return None if PACKAGE.is_file() else f"not in {VARIABLE}: {SDK} (`nox -s bench` installs it)"


def _versions() -> dict[str, str]:
    node = subprocess.run(("node", "--version"), stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return {"node": node.removeprefix("v"), SDK: json.loads(PACKAGE.read_text(encoding="utf-8"))["version"]}


MISSING = _missing()
PEERS = (
    Peer(
        name="JavaScript SDK on node",
        worker=("node", str(WORKER), str(FOLDER)),
        packages=(),
        versions={} if MISSING else _versions(),
        first=("node", "-e", FIRST, str(FOLDER)),
        missing=MISSING,
        # It refreshes in the background in the last 5 minutes; callers wait only after the expiration.
        advisory_window=AdvisoryWindow(lifetime=240.0, after=0.0),
        cannot={"cancelled": "a promise cannot be cancelled"},
    ),
)
