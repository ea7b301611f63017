"""Tests that a test which loops over a table checks every row and names each one that fails."""

from __future__ import annotations

import inspect

import pytest

from support.rows import each_row, row


def test_each_row_reports_every_failing_row() -> None:
    """The error names all failing rows, also those where an expected error is missing, and no other row."""

    @each_row("number, text", [(1, "1"), (2, "x"), (3, "3"), (4, "")])
    def check(number: int, text: str) -> None:
        if not text:
            with pytest.raises(ValueError, match="never raised"):
                pass
        assert str(number) == text

    with pytest.raises(AssertionError) as caught:
        check()
    assert [line for line in str(caught.value).splitlines() if line[:1].isdigit()] == [
        "2 of 4 rows fail",
        "2, 'x': AssertionError: assert '2' == 'x'",
        "4, '': Failed: DID NOT RAISE ValueError",
    ]


def test_each_row_combines_tables_and_fixtures() -> None:
    """Two tables are combined, and other parameters remain fixtures."""
    seen: list[tuple[str, str, int]] = []

    @each_row("left", "ab", ids=["first", "second"])
    @each_row("right", [1, 2])
    def check(fixture: str, left: str, right: int) -> None:
        seen.append((fixture, left, right))
        assert (left, right) != ("b", 2)

    assert list(inspect.signature(check).parameters) == ["fixture"]
    with pytest.raises(AssertionError, match=r"second: AssertionError: 1 of 2 rows fail\n2: "):
        check(fixture="x")
    assert seen == [("x", "a", 1), ("x", "a", 2), ("x", "b", 1), ("x", "b", 2)]


def test_each_row_rejects_what_would_check_nothing() -> None:
    """An empty table, an async test and an unknown parameter are errors when the test is defined."""

    async def waits(value: int) -> None:
        raise AssertionError(value)

    def checks(value: int) -> None:
        raise AssertionError(value)

    with pytest.raises(ValueError, match="empty"):
        each_row("value", [])
    with pytest.raises(TypeError, match="async"):
        each_row("value", [1])(waits)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no parameter other"):
        each_row("other", [1])(checks)


def test_row_is_named_in_a_failure() -> None:
    """A failure inside ``row`` is the same exception, with the row in its notes."""
    with pytest.raises(ZeroDivisionError) as caught, row("second"):
        raise ZeroDivisionError
    assert caught.value.__notes__ == ["in the row 'second'"]
