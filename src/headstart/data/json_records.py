"""Reading ``.jsonl`` and ``.json``: one object per line, or one array of objects."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from headstart.data.block import OTHER, SAMPLE, Block, Choose, Later, Log, Quarantine
from headstart.data.decoding import TextStream
from headstart.data.json_documents import document_rows, end_of_gap, is_document
from headstart.data.lines import LONGEST, chunks, lines
from headstart.data.streams import CHUNK, Unreadable
from headstart.errors import HeadstartError

NOT_JSON = "it is not valid JSON"
NOT_OBJECT = "it is not a JSON object with a field for each column"
MORE = "more follows behind its JSON array; write one array, or one object a line (.jsonl)"
#: From this many keys on, objects are no rows of a table, and new keys are not looked at.
_MOST = 1000
CUT_ARRAY = "its JSON array is broken or cut short; write one object a line (.jsonl)"


def read_json(text: TextStream, kind: str, choose: Choose, log: Log) -> Iterator[Block]:
    """Read objects: an array of them, one a line, or see :mod:`headstart.data.json_documents`.

    Raises:
        Unreadable: the array or the document is broken.
        Later: a column begins after the rows from which columns were chosen.
    """
    data = chunks(text)
    head = next(data, b"")
    start = head.lstrip()[:1]
    opening = head.decode(errors="surrogateescape")
    data = chain([head], data)
    if start == b"[":
        tables: Iterator[Iterable[tuple[int, Any]]] = _array(data)
    elif is_document(opening, kind, not text.sample and len(head) < CHUNK):
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        tables = iter([enumerate(document_rows(map(decode, data), kind, log.tell), start=1)])
    else:
        tables = _objects(data, log.quarantine)
    yield from _chosen(tables, _sampled(text), choose, log.quarantine)


def _chosen(
    tables: Iterable[Iterable[tuple[int, Any]]],
    sample: list[dict[str, Any]],
    choose: Choose,
    quarantine: Quarantine,
) -> Iterator[Block]:
    """Yield rows with the columns of the fields; later keys are chosen from as well."""
    chosen: dict[str, str] | None = None
    unclear: HeadstartError | None = None
    keys: set[str] = set()
    for values in tables:
        numbers, rows = [], []
        for number, value in values:
            if isinstance(value, dict):
                numbers.append(number)
                rows.append(value)
            else:
                quarantine(number, NOT_OBJECT)
        new = set().union(*rows) - keys if len(keys) < _MOST else set()
        if not rows or (not new and chosen is None):
            continue
        keys |= new
        if new:
            is_first = chosen is None and unclear is None
            sample += rows[:SAMPLE] if is_first else []
            # Keys that begin behind these are in the same chunk.
            later = new.difference(*sample) if is_first else new
            sample += [row for row in rows if row.keys() & later][:SAMPLE]
            columns = _columns(sample)
            keys |= columns.keys()
            try:
                found = choose(columns).items()
                again = {name: key for name, key in found if not name.startswith(OTHER)}
            except HeadstartError as error:
                if chosen is None:  # a later row may have the column that is missing
                    unclear = error
                    continue
                again = chosen
            if unclear is not None or (chosen is not None and again.keys() > chosen.keys()):
                raise Later({name: columns[name] for name in again.values()})
            chosen = chosen or again
        if chosen is not None:
            values_of = {name: [row.get(key) for row in rows] for name, key in chosen.items()}
            yield Block(numbers, values_of, rows)
    if unclear is not None:
        raise unclear


def _sampled(text: TextStream) -> list[dict[str, Any]]:
    """Return objects of the lines in a sample."""
    found = []
    for piece in text.sample:
        for line in piece.split(b"\n"):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                found.append(value)
    return found


def _objects(data: Iterator[bytes], quarantine: Quarantine) -> Iterator[Iterable[tuple[int, Any]]]:
    """Yield the numbered values of the lines of each chunk."""
    for first, block in lines(data, quarantine):
        values = []
        for number, line in enumerate(block, first):
            if not line or line.isspace():
                continue
            try:
                values.append((number, json.loads(line)))
            except (ValueError, RecursionError):
                quarantine(number, NOT_JSON)
        yield values


def _array(data: Iterator[bytes]) -> Iterator[Iterable[tuple[int, Any]]]:
    """Yield the numbered items that each chunk completes."""
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    scan = json.JSONDecoder().raw_decode
    buffer = ""
    number = 0
    opened = False
    for chunk in data:
        buffer += decode(chunk)
        if not opened:
            buffer, opened = buffer.lstrip().removeprefix("["), True
        values = []
        index = end_of_gap(buffer, 0)
        while not buffer.startswith("]", index):
            try:
                value, index = scan(buffer, index)
            except (ValueError, RecursionError):
                break
            number += 1
            values.append((number, value))
            index = end_of_gap(buffer, index)
        yield values
        if buffer.startswith("]", index):
            if buffer[index + 1 :].strip() or any(map(bytes.strip, data)):
                raise Unreadable(MORE)
            return
        buffer = buffer[index:]
        if len(buffer) > LONGEST:
            break
    raise Unreadable(CUT_ARRAY)


def _columns(rows: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values = columns.setdefault(name, [])
            if value is not None:
                values.append(value)
    return columns
