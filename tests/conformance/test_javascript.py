"""Every conformance case with the AWS SDK for JavaScript. Run it with ``nox -s javascript``, which installs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from conformance.case_files import Case, read_cases
from conformance.peer import RESULTS, Peer, check, running

INSTALLED = os.environ.get("ANYCREDS_JAVASCRIPT", "")
"""The folder with the ``node_modules`` of the SDK."""

if not (INSTALLED and shutil.which("node")):
    pytest.skip("needs node and an installed SDK: run `nox -s javascript`", allow_module_level=True)


@pytest.fixture(scope="module")
def javascript() -> Iterator[Peer]:
    """Run the driver for all cases; each has its own home, so that the SDK's caches do not matter."""
    driver = Path(__file__).parent / "javascript" / "driver.mjs"
    with running("javascript", "node", str(driver), INSTALLED) as peer:
        yield peer


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in read_cases()])
def test_javascript_has_the_expected_outcome(
    case: Case, javascript: Peer, isolated: Path, portal: BlockingPortal, pytestconfig: pytest.Config
) -> None:
    """The SDK does what anycreds does, or differs exactly as the case says."""
    check(javascript, case, isolated, portal, pytestconfig.stash[RESULTS].setdefault("javascript", {}))
