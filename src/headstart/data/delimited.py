"""Reading ``.csv`` and ``.tsv``, whose first row names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import Any

from headstart.data.block import SAMPLE, Block, Choose, Quarantine
from headstart.data.lines import LONGEST, TOO_LONG, chunks, lines
from headstart.data.streams import CHUNK, Stream, Unreadable

QUOTES = "its quotes are broken"
UNCLOSED = "a quoted field is never closed; close the quote"
WIDTH = "it has more or fewer fields than the first row"


def read_delimited(
    stream: Stream, kind: str, choose: Choose, quarantine: Quarantine
) -> Iterator[Block]:
    """Read rows; a record's number is the line where it starts.

    Raises:
        Unreadable: most of it is not UTF-8 text, or a quote is not closed.
    """
    data = chunks(stream)
    head = next(data, b"")
    table = _rows(chain([head], data), _dialect(head, kind), quarantine)
    header = [name.strip() for name in next(table, [(0, [])])[0][1]]
    indices: dict[str, int] | None = None
    for rows in table:
        if indices is None:
            sample = rows[:SAMPLE]
            chosen = choose(
                {
                    name: [row[index] for _, row in sample if len(row) > index and row[index]]
                    for index, name in enumerate(header)
                }
            )
            indices = {name: header.index(column) for name, column in chosen.items()}
        kept = []
        for number, row in rows:
            if len(row) == len(header):
                kept.append((number, row))
            else:
                quarantine(number, WIDTH)
        yield Block(
            [number for number, _ in kept],
            {name: [row[index] for _, row in kept] for name, index in indices.items()},
        )


def _rows(
    data: Iterator[bytes], dialect: dict[str, Any], quarantine: Quarantine
) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield the header, then numbered rows, about a megabyte at a time."""
    number = size = 0

    def feed() -> Iterator[str]:
        nonlocal number, size
        for first, block in lines(data, quarantine):
            for line_number, line in enumerate(block, first):
                number = line_number
                size += len(line)
                yield line + "\n"

    reader = csv.reader(feed(), strict=True, **dialect)
    rows: list[tuple[int, list[str]]] = []
    is_header = True
    limit = csv.field_size_limit(LONGEST)
    try:
        while True:
            start = number + 1
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if "unexpected end" in str(error):
                    raise Unreadable(UNCLOSED) from None
                quarantine(start, TOO_LONG if "limit" in str(error) else QUOTES)
                continue
            if row:
                rows.append((start, row))
            if rows and (is_header or size > CHUNK):
                yield rows
                rows, size, is_header = [], 0, False
    finally:
        csv.field_size_limit(limit)
    if rows:
        yield rows


def _dialect(head: bytes, kind: str) -> dict[str, Any]:
    """Detect the delimiter of a ``.csv`` from its header, and whether a ``.tsv`` has quotes."""
    sample = head.decode("utf-8-sig", "replace").splitlines(keepends=True)[:100]
    if kind == ".csv":
        header = next((line for line in sample if line.strip()), "")
        return {"delimiter": max(",;\t|", key=header.count)}
    try:
        rows = csv.reader(sample, delimiter="\t", strict=True)
        quoted = len({len(row) for row in rows if row}) == 1
    except csv.Error:
        quoted = False
    return {"delimiter": "\t", "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE}
