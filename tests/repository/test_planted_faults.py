"""The planted faults still fit the code that they change."""

from __future__ import annotations

import ast
from collections import Counter

from support import planted_faults
from support.planted_faults import PACKAGE, TESTS, PlantedFault
from support.rows import each_row

FAULTS = planted_faults.load()


@each_row("fault", FAULTS, ids=[fault.id for fault in FAULTS])
def test_fits(fault: PlantedFault) -> None:
    """Each fault changes one place of its module, which stays valid Python, and names tests that exist."""
    source = (PACKAGE / fault.module).read_text(encoding="utf-8")
    assert ast.dump(ast.parse(fault.replaced(source))) != ast.dump(ast.parse(source))
    assert all((TESTS.parent / test).exists() for test in fault.tests)


def test_number() -> None:
    """There are thirty faults or more, with names of their own, in each part that decides about credentials."""
    assert len(FAULTS) >= 30
    assert max(Counter(fault.id for fault in FAULTS).values()) == 1
    assert {fault.id.partition("-")[0] for fault in FAULTS} >= {"cache", "chain", "token", "http", "process"}
