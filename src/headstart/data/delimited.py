"""Reading ``.csv`` and ``.tsv``, whose first row names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

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
    header = [name.strip() for row in next(table, Parsed([])).rows(1) for name in row]
    indices: dict[str, int] | None = None
    comma = False
    for found in table:
        if indices is None:
            sample = found.rows(SAMPLE)
            sample += _parsed(chain(*(piece[:SAMPLE] for piece in rest)), dialect, len(header))
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
        if isinstance(found, Simple):
            values = {name: found.fields[index :: found.width] for name, index in indices.items()}
            numbers: Sequence[int] = range(found.first, found.first + found.size)
        else:
            kept = [(number, row) for number, row in found.numbered if len(row) == len(header)]
            for number, row in found.numbered if len(kept) < len(found.numbered) else ():
                if len(row) != len(header):
                    log.quarantine(number, WIDTH)
            values = {name: [row[index] for _, row in kept] for name, index in indices.items()}
            numbers = [number for number, _ in kept]
        if comma:
            values[LABEL.name] = list(map(with_point, values[LABEL.name]))
        yield Block(numbers, values)


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


class Parsed(NamedTuple):
    """Rows, each with the line where it starts."""

    numbered: list[tuple[int, list[str]]]

    def rows(self, most: int) -> list[list[str]]:
        """Return the first rows."""
        return [row for _, row in self.numbered[:most]]


class Simple(NamedTuple):
    """Rows of one line each, as wide as the header, without a list for each.

    Attributes:
        first: line of the first one.
        width: fields of each.
        fields: of all rows, one row after the other.
    """

    first: int
    width: int
    fields: list[str]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.fields) // self.width

    def rows(self, most: int) -> list[list[str]]:
        """Return the first rows."""
        starts = range(0, min(most, self.size) * self.width, self.width)
        return [self.fields[start : start + self.width] for start in starts]


def _simple(block: list[str], first: int, dialect: Dialect, width: int) -> Simple | None:
    """Return the rows of a block where fields stand between separators as they are, or None."""
    mark, text = dialect.options["delimiter"], "\n".join(block)
    quoted = dialect.options.get("quoting") != csv.QUOTE_NONE and '"' in text
    if quoted or "\r" in text or len(text) > LONGEST:
        return None
    if {line.count(mark) for line in block} != {width - 1}:
        return None
    return Simple(first, width, text.replace("\n", mark).split(mark))


def _rows(
    data: Iterator[bytes], dialect: Dialect, quarantine: Quarantine
) -> Iterator[Parsed | Simple]:
    """Yield the header, then numbered rows, about a megabyte at a time."""
    number = last = size = width = 0
    blocks = lines(data, quarantine)
    pending: Iterator[tuple[int, str]] = iter(())

    def feed() -> Iterator[str]:
        nonlocal number, last, size, pending
        while True:
            for number, line in pending:
                size += len(line)
                if number > dialect.skipped:
                    yield line + "\n"
            if number < last:  # a block was taken meanwhile
                continue
            if (found := next(blocks, None)) is None:
                return
            pending, last = enumerate(found[1], found[0]), found[0] + len(found[1]) - 1

    reader = csv.reader(feed(), strict=True, **dialect.options)
    rows: list[tuple[int, list[Any]]] = []
    is_header = True
    limit = csv.field_size_limit(LONGEST)
    try:
        while True:
            # Between two rows a whole block may be simple, and is split at once.
            while not is_header and number == last and (found := next(blocks, None)) is not None:
                first, block = found
                last = first + len(block) - 1
                simple = _simple(block, first, dialect, width)
                if simple is None:
                    pending = enumerate(block, first)
                    break
                if rows:
                    yield Parsed(rows)
                    rows, size = [], 0
                yield simple
                number = last
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
                yield Parsed(rows)
                rows, size, is_header = [], 0, False
    finally:
        csv.field_size_limit(limit)
    if rows:
        yield Parsed(rows)
