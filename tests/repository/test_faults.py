"""Every row of the fault catalogue has a test, or a reason why it has none, and the document is up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import fault_ids
from support.fault_ids import DOCUMENT, document, marked_tests, read_catalogue

ROWS = {"U": 35, "L": 23, "P": 12, "C": 22, "S": 25}


def test_the_catalogue_is_complete() -> None:
    """The catalogue has every ID of each kind once and in order, and the text of each row fits into a table."""
    catalogue = read_catalogue()
    assert list(catalogue) == [f"{kind}{number:02}" for kind, last in ROWS.items() for number in range(1, last + 1)]
    texts = [text for row in catalogue.values() for text in (row.title, row.expected, row.reason or "-")]
    assert [text for text in texts if not text.strip() or re.search(r"[|\n]", text)] == []


def test_each_row_has_a_test_or_a_reason() -> None:
    """A row without a test has a reason, a row with a reason has no test, and no other ID is used."""
    catalogue, tests = read_catalogue(), marked_tests()
    assert [row.id for row in catalogue.values() if row.reason is None and row.id not in tests] == []
    assert [row.id for row in catalogue.values() if row.reason is not None and row.id in tests] == []
    assert sorted(set(tests) - set(catalogue)) == []


def test_the_document_is_up_to_date() -> None:
    """``docs/faults.md`` is what ``python tests/support/fault_ids.py`` writes."""
    assert DOCUMENT.read_text(encoding="utf-8") == document()


def test_unknown_id_is_an_error_of_the_collection(tmp_path: Path) -> None:
    """A marker with an ID that is not in the catalogue ends the collection with an error that names ID and test."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # the folder may be in the project, as in a session of nox
    test = tmp_path / "test_it.py"
    test.write_text('import pytest\n\n@pytest.mark.fault("U01", "U99")\ndef test_it():\n    pass\n')
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "support.fault_ids", str(test)]
    run = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=_environment())
    assert run.returncode == 4
    assert "not in faults.toml: U99 at test_it.py::test_it" in run.stderr + run.stdout


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(fault_ids.__file__).parents[1]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('@pytest.mark.fault("U01", "U02")\nasync def test_it(): ...\n', {"U01": "test_it", "U02": "test_it"}),
        ('ROWS = [pytest.param(1, marks=pytest.mark.fault("U03"))]\n', {"U03": "ROWS"}),
        ('@pytest.mark.fault("U01")\ndef helper(): ...\n', "belongs to a test or a table"),
        ("@pytest.mark.fault(*IDS)\ndef test_it(): ...\n", "an ID is a literal text"),
    ],
)
def test_marked_tests_are_found(tmp_path: Path, source: str, expected: dict[str, str] | str) -> None:
    """The marker is found at tests and in tables; anywhere else, and with a computed ID, it is an error."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(source)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            marked_tests(tmp_path)
    else:
        assert {key: [each.name for each in found] for key, found in marked_tests(tmp_path).items()} == {
            key: [name] for key, name in expected.items()
        }
