"""Every case, played by botocore. Run it with ``nox -s botocore``, which installs it with all it needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.case_files import Case, read_cases
from conformance.peer import RESULTS, Peer, check, driver_of_botocore, driving

if not os.environ.get("ANYCREDS_BOTOCORE"):
    pytest.skip("compares with botocore: run `nox -s botocore`", allow_module_level=True)


@pytest.fixture(scope="module")
def botocore() -> Iterator[Peer]:
    """Run the driver for all cases; each gets a session of its own."""
    with driving("botocore", *driver_of_botocore()) as peer:
        yield peer


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in read_cases()])
def test_case(case: Case, botocore: Peer, isolated: Path, pytestconfig: pytest.Config) -> None:
    """What botocore does is what ours does, or differs exactly as the case says."""
    check(botocore, case, isolated, pytestconfig.stash[RESULTS].setdefault("botocore", {}))
