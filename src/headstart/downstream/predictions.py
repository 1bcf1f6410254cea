"""Rows of predictions: kept on disk, and written to the file that the user asked for."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from headstart.data.comma_separated import csv_lines
from headstart.downstream.image.masks import write_masks
from headstart.errors import HeadstartError
from headstart.files import scratch, whole_file, writable

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

#: Endings that predictions of some runs alone are written to; the empty one is a folder.
OWN = ("", ".srt")
#: Rows of a ``.parquet`` file in memory at once.
CHUNK = 10_000


class StoredRows(Sequence[Row]):
    """Rows of plain values in a temporary file: a sequence with 8 bytes of memory for each row.

    Args:
        rows: values that JSON can hold.

    Raises:
        DiskFull: there is no room for them.

    Example::

        rows = StoredRows(predict(run, records))
        rows[0]["label"]
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        folder = Path(scratch())
        self._starts = array("Q")
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        size = 0
        for row in rows:
            self._starts.append(size)
            with writable(folder):
                size += self._file.write(json.dumps(row).encode() + b"\n")

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        self._file.seek(self._starts[index])
        row: Row = json.loads(self._file.readline())
        return row


def check_ending(out: Path, *endings: str) -> None:
    """Refuse a file that predictions cannot be written to.

    Args:
        endings: further allowed endings.
    """
    if out.suffix not in (".jsonl", ".csv", ".parquet", *endings):
        raise HeadstartError(
            f"predictions can be written to .jsonl, .csv or .parquet, not to {out.name!r}; change "
            "--out."
        )


def write_predictions(rows: Sequence[Row], out: Path) -> None:
    """Write rows to ``.jsonl``, ``.csv`` (UTF-8) or ``.parquet``, whole or not at all.

    In ``.csv`` and ``.parquet`` each label has a column of scores, ``score:LABEL``, and so has each
    column of the input: under its own name, or as ``input:NAME`` where a column of the result has
    that name. Lists are JSON in ``.csv``; values of different types in one column are text in
    ``.parquet``. Masks can also be written as PNG files, to a folder (without an ending).

    Args:
        rows: gone through several times, a few in memory at once.

    Raises:
        HeadstartError: another ending, or a full disk.
    """
    if not out.suffix and any("runs" in row for row in rows):
        write_masks((row for row in rows if row["runs"] is not None), out)
        return
    check_ending(out)
    with whole_file(out) as partial:
        if out.suffix == ".jsonl":
            # As JSON, a lone surrogate is its number behind a backslash.
            with open(partial, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        layout = _Layout.of(rows)
        if out.suffix == ".csv":
            with open(
                partial, "w", encoding="utf-8", errors="backslashreplace", newline=""
            ) as file:
                file.writelines(csv_lines([layout.names or ["id"]]))
                file.writelines(csv_lines(map(_cell, layout.flat(row).values()) for row in rows))
            return
        _write_parquet(rows, layout, partial)


@dataclass(frozen=True)
class _Layout:
    """The columns of a table.

    Attributes:
        results: the columns that have the names of their values.
        others: from a part of a row, ``scores`` or ``record``, and a name in it to a column.
    """

    results: list[str]
    others: dict[tuple[str, str], str]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> _Layout:
        """Return the layout that has a column for whatever any row has."""
        parts = ("scores", "record")
        results: dict[str, None] = {}
        found: dict[tuple[str, str], None] = {}
        for row in rows:
            results.update(dict.fromkeys(name for name in row if name not in parts))
            for part in parts:
                found.update(dict.fromkeys((part, name) for name in row.get(part) or ()))
        taken = {*results, *(f"score:{name}" for part, name in found if part == "scores")}
        others = {}
        for part, name in found:
            own = f"input:{name}" if name in taken else name
            others[part, name] = f"score:{name}" if part == "scores" else own
        return cls(list(results), others)

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return list(dict.fromkeys([*self.results, *self.others.values()]))

    def flat(self, row: Row) -> Row:
        """Return a value for each column, None where the row has none."""
        found = dict.fromkeys(self.names) | {name: row.get(name) for name in self.results}
        for (part, name), column in self.others.items():
            values = row.get(part) or {}
            if name in values:
                found[column] = values[name]
        return found


def _write_parquet(rows: Sequence[Row], layout: _Layout, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds: dict[str, pa.DataType] = {}
    for chunk in _columns(rows, layout):
        for name, values in chunk.items():
            kinds[name] = _common(kinds.get(name, pa.null()), values)
    schema = pa.schema(list(kinds.items()))
    with parquet.ParquetWriter(path, schema) as writer:
        for chunk in _columns(rows, layout):
            for name, kind in kinds.items():
                if kind == pa.string():
                    chunk[name] = [_text(value) for value in chunk[name]]
            writer.write_table(pa.table(chunk, schema=schema))


def _columns(rows: Iterable[Row], layout: _Layout) -> Iterator[dict[str, list[Any]]]:
    remaining = map(layout.flat, rows)
    while chunk := list(islice(remaining, CHUNK)):
        yield {_valid(name): [_valid(row[name]) for row in chunk] for name in layout.names}


def _valid(value: Any) -> Any:
    """Return a value in UTF-8, of which a lone surrogate of JSON is no character."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list):
        return [*map(_valid, value)]
    if isinstance(value, dict):
        return {_valid(key): _valid(each) for key, each in value.items()}
    return value


def _common(kind: pa.DataType, values: list[Any]) -> pa.DataType:
    """Return a type for values and those of an earlier type: text where there is no other."""
    import pyarrow as pa

    try:
        schemas = [pa.schema([("value", each)]) for each in (kind, pa.array(values).type)]
        return pa.unify_schemas(schemas, promote_options="permissive").field("value").type
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.string()


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
