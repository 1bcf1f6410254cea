"""JSON that is no line per record: one object with all records, or objects over several lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import UnionType
from typing import Any

from headstart.data.block import Tell
from headstart.data.streams import Unreadable

#: Keys beside which an object may have others, and yet be a list of records.
_LISTS = frozenset({"data", "records", "rows", "examples", "samples", "instances"})
_GAP = re.compile(r"[\s,]*")
#: Most characters of such a file, which is parsed as a whole.
LARGEST = 2**26

TOO_LARGE = (
    f"it is one JSON value of more than {LARGEST // 2**20} million characters; write one object a "
    "line (.jsonl)"
)


def is_document(head: str, kind: str, is_whole: bool) -> bool:
    """Return whether JSON has values over several lines, or a single value.

    Args:
        head: the start of the file.
        kind: ``.json`` or ``.jsonl``.
        is_whole: whether that is all of it.
    """
    first, _, rest = head.lstrip().partition("\n")
    second = next((line for line in rest.split("\n") if line.strip()), "")
    if not second:
        return is_whole or kind == ".json"
    try:
        json.loads(first)
    except json.JSONDecodeError as error:
        return error.pos >= len(first.rstrip()) and not _is_object(second)
    except (ValueError, RecursionError):
        pass
    return False


def document_rows(parts: Iterator[str], kind: str, tell: Tell) -> list[Any]:
    """Return the records of a file that is no line per record.

    Args:
        parts: its text.
        kind: ``.json``, or ``.jsonl``, which holds no columns.
        tell: is told where the records are in an object.

    Raises:
        Unreadable: it is broken, too large, or holds several lists of records.
    """
    text = ""
    for part in parts:
        text += part
        if len(text) > LARGEST:
            raise Unreadable(TOO_LARGE)
    values = list(_values(text))
    return _inner(values[0], kind, tell) if len(values) == 1 else values


def _values(text: str) -> Iterator[Any]:
    scan = json.JSONDecoder().raw_decode
    index = end_of_gap(text, 0)
    while index < len(text):
        try:
            value, index = scan(text, index)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", text.count("\n", 0, index) + 1)
            raise Unreadable(f"its JSON is broken at line {line}; mend it there") from None
        yield value
        index = end_of_gap(text, index)


def end_of_gap(text: str, index: int) -> int:
    """Return where the next JSON value, or the end of an array, starts."""
    match = _GAP.match(text, index)
    return match.end() if match else index


def _inner(value: Any, kind: str, tell: Tell) -> list[Any]:
    """Return the records in a single value: itself, its list, or its columns."""
    if not isinstance(value, dict):
        return [value]
    if _are(value.get("columns"), str) and _are(value.get("data"), list):
        tell("its columns and data (as pandas writes them) are read as rows")
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
    lists = [name for name, inner in value.items() if _are(inner, dict)]
    if len(lists) == len(value) > 1:
        named = ", ".join(map(repr, lists[:3]))
        raise Unreadable(f"it holds several lists of records ({named}); write each to a file")
    if len(lists) == 1 and (len(value) == 1 or lists[0].lower() in _LISTS):
        tell(f"its records are those of the list {lists[0]!r}")
        return list(value[lists[0]])
    columns = list(value.values())
    if kind == ".json" and len(columns) > 1:
        if all(isinstance(column, dict) and column for column in columns):
            if all(column.keys() == columns[0].keys() for column in columns):
                tell("its columns (as pandas writes them) are read as rows")
                return [{name: value[name][key] for name in value} for key in columns[0]]
        elif all(_are(column, str | int | float) for column in columns) and (
            len({len(column) for column in columns}) == 1
        ):
            tell("its columns are read as rows")
            return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    return [value]


def _are(values: Any, kind: type | UnionType) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(v, kind) for v in values)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
