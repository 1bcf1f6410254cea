"""Reading ``.jsonl`` and ``.json``: one object per line, or one array of objects."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from headstart.data.block import SAMPLE, Block, Choose, Quarantine
from headstart.data.lines import LONGEST, chunks, lines
from headstart.data.streams import Stream, Unreadable

NOT_JSON = "it is not valid JSON"
NOT_OBJECT = "it is not a JSON object with a field for each column"
CUT_ARRAY = "its JSON array is broken or cut short; write one object a line (.jsonl)"

_GAP = re.compile(r"[\s,]*")


def read_json(stream: Stream, choose: Choose, quarantine: Quarantine) -> Iterator[Block]:
    """Read objects; the first character distinguishes an array from lines.

    Raises:
        Unreadable: most of it is not UTF-8 text, or the array is broken.
    """
    data = chunks(stream)
    head = next(data, b"")
    is_array = head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    data = chain([head], data)
    chosen: Mapping[str, str] | None = None
    for values in _array(data) if is_array else _objects(data, quarantine):
        numbers, rows = [], []
        for number, value in values:
            if isinstance(value, dict):
                numbers.append(number)
                rows.append(value)
            else:
                quarantine(number, NOT_OBJECT)
        if rows:
            if chosen is None:
                chosen = choose(_columns(rows[:SAMPLE]))
            found = {name: [row.get(key) for row in rows] for name, key in chosen.items()}
            yield Block(numbers, found)


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
    decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
    scan = json.JSONDecoder().raw_decode
    buffer = ""
    number = 0
    opened = False
    for chunk in data:
        buffer += decode(chunk)
        if not opened:
            buffer, opened = buffer.lstrip().removeprefix("["), True
        values = []
        index = _end_of_gap(buffer, 0)
        while not buffer.startswith("]", index):
            try:
                value, index = scan(buffer, index)
            except (ValueError, RecursionError):
                break
            number += 1
            values.append((number, value))
            index = _end_of_gap(buffer, index)
        yield values
        if buffer.startswith("]", index):
            return
        buffer = buffer[index:]
        if len(buffer) > LONGEST:
            break
    raise Unreadable(CUT_ARRAY)


def _end_of_gap(text: str, index: int) -> int:
    match = _GAP.match(text, index)
    return match.end() if match else index


def _columns(rows: Iterable[dict[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values = columns.setdefault(name, [])
            if value is not None:
                values.append(value)
    return columns
