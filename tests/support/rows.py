"""Loops over a table within one test: every row is checked, and the error names each row that fails."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

_SHOWN = 100  # characters of a row in the error


def each_row(
    names: str, rows: Iterable[Any], *, ids: Sequence[str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test once per row, as ``pytest.mark.parametrize`` would, but as one test that reports all failing rows.

    For tables of plain values that a function maps to others. Fixtures are set up once, not once per row.

    Args:
        names: The parameters that a row has the values of, separated by commas. If there is one, a row is its value.
        rows: The table.
        ids: The name of each row in the error. By default its values.
    """
    parameters = [name.strip() for name in names.split(",")]
    table = list(rows)
    if not table or (ids is not None and len(ids) != len(table)):
        raise ValueError("the table is empty, or has another number of ids")

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        if inspect.iscoroutinefunction(function):
            raise TypeError("an async test is parametrized with pytest.mark.parametrize")

        @functools.wraps(function)
        def looped(*arguments: Any, **fixtures: Any) -> None:
            failed: list[tuple[str, BaseException]] = []
            for index, row in enumerate(table):
                values = row if len(parameters) > 1 else (row,)
                try:
                    function(*arguments, **dict(zip(parameters, values, strict=True)), **fixtures)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - reported below with its row
                    failed.append((_shown(row) if ids is None else ids[index], error))
            if failed:
                lines = [f"{label}: {type(error).__name__}: {error}" for label, error in failed]
                message = "\n".join((f"{len(failed)} of {len(table)} rows fail", *lines))
                raise AssertionError(message) from failed[0][1]

        signature = inspect.signature(function)
        if missing := set(parameters) - set(signature.parameters):
            raise TypeError(f"the test has no parameter {', '.join(sorted(missing))}")
        kept = [one for name, one in signature.parameters.items() if name not in parameters]
        looped.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return looped

    return decorate


@contextmanager
def row(name: str) -> Iterator[None]:
    """Name the row of a table in every failure inside ``with``, for loops in async tests. The first failure ends it."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"in the row {name!r}")
        raise


def _shown(row: object) -> str:
    """Return the values of a row, functions by their names."""
    values = row if isinstance(row, tuple) else (row,)
    text = ", ".join(getattr(value, "__name__", None) or ascii(value) for value in values)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
