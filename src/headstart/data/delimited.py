"""Reading ``.csv`` and ``.tsv``, whose first row names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from headstart.data.block import SAMPLE, Block, Choose, Log, Quarantine
from headstart.data.columns import LABEL, first_indices, repeated
from headstart.data.decoding import TextStream
from headstart.data.dialect import CUT, Dialect, dialect_of, has_decimal_commas, with_point
from headstart.data.lines import LONGEST, TOO_LONG, chunks, lines
from headstart.data.streams import CHUNK, Unreadable

QUOTES = "its quotes are broken"
UNCLOSED = "a quoted field is never closed; close the quote"
WIDTH = "it has more or fewer fields than the first row"


def read_delimited(text: TextStream, kind: str, choose: Choose, log: Log) -> Iterator[Block]:
    """Read rows; a record's number is the line where it starts.

    Raises:
        Unreadable: a quote is not closed.
    """
    data = chunks(text)
    head = next(data, b"")
    rest = list(map(_lines, text.sample))
    first = _lines(head)
    dialect = dialect_of([*(first[:-1] if rest else first), *chain(*rest)], kind, log.tell)
    table = _rows(chain([head], data), dialect, log.quarantine)
    header = [name.strip() for name in next(table, [(0, [])])[0][1]]
    indices: dict[str, int] | None = None
    comma = False
    for rows in table:
        if indices is None:
            sample = [row for _, row in rows[:SAMPLE]]
            sample += _parsed(chain(*rest), dialect, len(header))
            columns = {
                name: [row[index] for row in sample if len(row) > index and row[index]]
                for name, index in first_indices(header).items()
            }
            chosen = choose(columns)
            for sentence in repeated(header, chosen):
                log.tell(sentence)
            indices = {name: header.index(column) for name, column in chosen.items()}
            comma = _has_commas(columns, chosen, dialect)
            if comma:
                log.tell(f"the commas of column {chosen[LABEL.name]!r} are read as decimal commas")
        kept = []
        for number, row in rows:
            if len(row) == len(header):
                kept.append((number, row))
            else:
                log.quarantine(number, WIDTH)
        values = {name: [row[index] for _, row in kept] for name, index in indices.items()}
        if comma:
            values[LABEL.name] = list(map(with_point, values[LABEL.name]))
        yield Block([number for number, _ in kept], values)


def _lines(piece: bytes) -> list[str]:
    return piece.decode(errors="surrogateescape").replace("\r\n", "\n").split("\n")


def _has_commas(
    columns: Mapping[str, list[str]], chosen: Mapping[str, str], dialect: Dialect
) -> bool:
    values = columns[chosen[LABEL.name]] if LABEL.name in chosen else []
    return has_decimal_commas(values, dialect.options["delimiter"])


def _parsed(sample: Iterator[str], dialect: Dialect, width: int) -> list[list[str]]:
    """Return the rows of a sample that is cut at lines; a field of many lines is left out."""
    rows = csv.reader((line for line in sample if len(line) < CUT), **dialect.options)
    try:
        return [row for row in rows if len(row) == width]
    except csv.Error:
        return []


def _rows(
    data: Iterator[bytes], dialect: Dialect, quarantine: Quarantine
) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield the header, then numbered rows, about a megabyte at a time."""
    number = size = width = 0

    def feed() -> Iterator[str]:
        nonlocal number, size
        for first, block in lines(data, quarantine):
            for line_number, line in enumerate(block, first):
                number = line_number
                size += len(line)
                if number > dialect.skipped:
                    yield line + "\n"

    reader = csv.reader(feed(), strict=True, **dialect.options)
    rows: list[tuple[int, list[Any]]] = []
    is_header = True
    limit = csv.field_size_limit(LONGEST)
    try:
        while True:
            start = max(number, dialect.skipped) + 1
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if "unexpected end" in str(error):
                    raise Unreadable(UNCLOSED) from None
                quarantine(start, TOO_LONG if "limit" in str(error) else QUOTES)
                continue
            width = width or len(row)
            # A blank line is the record of a table with one column, and else a gap between two.
            if row or width == 1:
                rows.append((start, row or [""]))
            if rows and (is_header or size > CHUNK):
                yield rows
                rows, size, is_header = [], 0, False
    finally:
        csv.field_size_limit(limit)
    if rows:
        yield rows
