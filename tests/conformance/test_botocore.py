"""Every conformance case with botocore. Run it with ``nox -s peers``, which installs botocore."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from conformance.case_files import Case, read_cases
from conformance.peer import RESULTS, Peer, botocore_command, check, running

if not os.environ.get("ANYCREDS_BOTOCORE"):
    pytest.skip("compares with botocore: run `nox -s peers`", allow_module_level=True)


@pytest.fixture(scope="module")
def botocore() -> Iterator[Peer]:
    """Run the driver for all cases; each call has its own session."""
    with running("botocore", *botocore_command()) as peer:
        yield peer


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in read_cases()])
def test_botocore_has_the_expected_outcome(
    case: Case, botocore: Peer, isolated: Path, portal: BlockingPortal, pytestconfig: pytest.Config
) -> None:
    """Botocore does what anycreds does, or differs exactly as the case says."""
    check(botocore, case, isolated, portal, pytestconfig.stash[RESULTS].setdefault("botocore", {}))
