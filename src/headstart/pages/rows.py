"""Rows of a result as a table for a terminal; elsewhere they are JSON lines, for programs."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headstart.pages.markup import cut
from headstart.pages.tables import Table

#: Rows that a terminal shows, letters of a cell, and columns of the input.
MOST, _LETTERS, _COLUMNS = 200, 60, 4
#: Columns of the narrowest terminal whose table can be read.
NARROWEST = 40


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table as wide as the terminal, numbers with three decimals.

    Lists and tables within a row, such as the scores of all classes, are left out.

    Args:
        rows: of ``predict`` or ``search``; the columns of the input are under ``record``.
    """
    from rich.console import Console

    shown = [dict(_cells(row)) for row in rows[:MOST]]
    head = list(dict.fromkeys(name for row in shown for name in row))
    head = [name for name in head if not _says_nothing(name, shown)]
    cells = [[row.get(name, "") for name in head] for row in shown]
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=shutil.get_terminal_size().columns)
    console.print(Table("", cells, head).printed(), highlight=False)
    more = len(rows) - len(shown)
    notes = [f"{more:,} more rows; --out FILE.csv writes all."] if more > 0 else []
    return "\n".join([written.getvalue().strip("\n"), *notes])


def _cells(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each column and the cell, the result before the input."""
    for name, value in row.items():
        if not isinstance(value, Mapping | list):
            yield name, _shown(value)
    record = row.get("record") or {}
    plain = [name for name, value in record.items() if not isinstance(value, Mapping | list)]
    for name in plain[:_COLUMNS]:
        yield (f"input:{name}" if name in row else name), _shown(record[name])


def _says_nothing(name: str, rows: Sequence[Mapping[str, str]]) -> bool:
    """Return whether a column repeats the preview, or the one query that was just typed."""
    if name == "query":
        return len({row.get(name) for row in rows}) == 1
    repeats = all(row.get(name) == row.get("preview", "") for row in rows)
    return name != "preview" and "preview" in rows[0] and repeats


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    return "" if value is None else cut(" ".join(str(value).split()), _LETTERS)
