"""What a record of interactions is: the items of one user in the order of time. No torch here."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.block import Block
from headstart.data.content import Content
from headstart.data.decoding import open_text
from headstart.data.field import Field, mostly, string
from headstart.data.lines import chunks, lines
from headstart.data.streams import unpacked_name
from headstart.data.times import moment
from headstart.modalities.interactions.ids import ITEM_NAMES, name_of
from headstart.modalities.interactions.known_users import matches
from headstart.modalities.interactions.survey import survey

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.data.unit import Unit

ITEMS_NAMES = ("items", "sequence", "history", "item_ids", "item_sequence", "basket")
#: A column of sessions may hold their names, or their items.
SESSION_NAMES = ("session", "session_id", "sessionid", "visit_id", "visitid")
USER_NAMES = (
    *("user", "user_id", "userid", "uid", "customer", "customer_id", "visitorid", "visitor_id"),
    *("reviewerid", "reviewer_id", "member_id", "client_id"),
)
TIMES_NAMES = ("times", "timestamps", "time_sequence")
TIME_NAMES = (
    *("time", "timestamp", "date", "datetime", "ts", "unixreviewtime", "created_at", "date_time"),
    *("event_time", "event_timestamp", "eventtime", "ordered_at", "order_date", "order_time"),
    *("purchased_at", "purchase_date", "purchase_time", "bought_at", "invoicedate", "invoice_date"),
    *("viewed_at", "visited_at", "played_at", "listened_at", "time_stamp", "unix_time", "when"),
)
KIND_NAMES = (
    *("event", "event_type", "eventtype", "event_name", "action", "action_type", "kind"),
    *("behavior", "behaviour", "behavior_type", "behaviour_type", "interaction_type"),
)
VALUE_NAMES = ("value", "rating", "stars", "score", "overall", "weight", "count", "play_count")
#: Names of columns of other kinds of data: a table that has one holds records of that kind.
_OTHERS = ("text", "review", "sentence", "content", "body", "title", "caption", "question")
#: Items between which a cell of several has one of these.
_SEPARATORS = (",", ";", "|", " ")
#: A cell of two numbers and more.
_SEVERAL = re.compile(r"\d+(?:\s*[ ,;|]\s*\d+)+")
_TABLES = frozenset({".csv", ".tsv", ".jsonl", ".json"})


def names_in(value: Any) -> list[str] | None:
    """Return the items of a list, or of a cell such as ``"12 7 9"``; None where it is neither."""
    found = _names(value)
    return None if found is None else [one for one in found if one is not None]


def _names(value: Any) -> list[str | None] | None:
    """Return the items of a list or a cell, with None for each that has no id."""
    values = _cells(value)
    return None if values is None else [name_of(one) for one in values]


def _cells(value: Any) -> list[Any] | None:
    """Return the parts of a list or a cell; None where it is neither."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            return _bracketed(text)
        between = next((mark for mark in _SEPARATORS if mark in text), None)
        return list(text.split(between) if between else [text])
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return list(value) if isinstance(value, list | tuple) else None


def _bracketed(text: str) -> list[Any] | None:
    """Return the parts of a list as JSON, Python or NumPy write it."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return list(found) if isinstance(found, list) else None
    if text[1:-1].lstrip().startswith("["):
        return None
    return [] if not text[1:-1].strip() else _cells(text[1:-1])


def _listed(columns: Mapping[str, Sequence[Any]]) -> str | None:
    """Return a column of items, by its name, in which most cells are lists such as [12, 7, 9]."""
    known = {column.strip().lower(): column for column in columns}
    named = (known[name] for name in (*ITEM_NAMES, *SESSION_NAMES) if name in known)
    return next((column for column in named if mostly(columns[column], _is_list)), None)


def _is_list(value: Any) -> bool:
    """Return whether a value is a list, or a cell of several numbers such as ``12 7 9``."""
    if not isinstance(value, str):
        return isinstance(value, list | tuple | np.ndarray)
    return value.strip().startswith("[") or _SEVERAL.fullmatch(value.strip()) is not None


def _take_name(what: str) -> Any:
    def take(value: Any, unit: Unit) -> tuple[str | None, str | None]:
        if value is None:
            return None, None
        found = name_of(value)
        blank = isinstance(value, str) and not value.strip()
        return found, f"it has no {what}" if found is None and not blank else None

    return take


def _all_names(values: Sequence[Any]) -> list[str | None] | None:
    """Return the ids of many values, each different one looked at once; None where one is none."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return list(map(str, values))
    if not kinds <= {str, int, float, type(None)}:
        return None
    if kinds == {str} and "" not in values:
        whole = "".join(values)
        if whole.isascii() and whole.isdigit():
            return list(values)
    known = {value: name_of(value) for value in dict.fromkeys(values) if value is not None}
    if None in known.values():
        return None
    known[None] = None
    return list(map(known.__getitem__, values))


def _all_numbers(values: Sequence[Any]) -> list[float] | None:
    """Return many values as numbers; None where one is none, or a date."""
    if not set(map(type, values)) <= {str, int, float}:
        return None
    try:
        found = list(map(float, values))
    except (ValueError, OverflowError):
        return None
    return found if all(map(math.isfinite, found)) else None


def _take_items(value: Any, unit: Unit) -> tuple[list[str | None] | None, str | None]:
    if value is None:
        return None, None
    found = _names(value)
    if found is None:
        return None, "its items are no list, and no cell such as 12 7 9"
    return (found, None) if any(found) else (None, "it has no item")


def _take_times(value: Any, unit: Unit) -> tuple[list[float] | None, str | None]:
    if value is None:
        return None, None
    found = [moment(one) for one in _cells(value) or [None]]
    times = [one for one in found if one is not None]
    fault = "its times are no list of numbers or dates such as 2024-05-31"
    return (times, None) if len(times) == len(found) else (None, fault)


def _take_number(what: str, of: Any) -> Any:
    def take(value: Any, unit: Unit) -> tuple[float | None, str | None]:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None, None
        found = of(value)
        if found is None:
            return None, f"its {what} {str(value)[:30]!r} is no number{_DATE * (what == 'time')}"
        return found, None

    return take


_DATE = ", and no date such as 2024-05-31"


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and name_of(value) is not None


def _items() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.string())


def _float() -> pa.DataType:
    import pyarrow as pa

    return pa.float64()


def _times() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.float64())


def _field(
    name: str, names: Sequence[str], fits: Any, take: Any, kind: Any, take_all: Any = None
) -> Field:
    return Field(name, names, fits=fits, take=take, type=kind, required=False, take_all=take_all)


#: The columns of a table of events, or of one with a sequence in each row.
ROWS = (
    replace(
        _field("items", ITEMS_NAMES, lambda value: bool(names_in(value)), _take_items, _items),
        obvious=_listed,
    ),
    _field("times", TIMES_NAMES, lambda value: bool(_cells(value)), _take_times, _times),
    _field("session", SESSION_NAMES, _plain, _take_name("session"), string, _all_names),
    _field("user", USER_NAMES, _plain, _take_name("user"), string, _all_names),
    _field("item", ITEM_NAMES, _plain, _take_name("item"), string, _all_names),
    _field(
        "time",
        TIME_NAMES,
        lambda value: moment(value) is not None,
        _take_number("time", moment),
        _float,
        _all_numbers,
    ),
    _field(
        "value",
        VALUE_NAMES,
        lambda value: _number(value) is not None,
        _take_number("value", _number),
        _float,
        _all_numbers,
    ),
    _field("kind", KIND_NAMES, _plain, _take_name("kind"), string, _all_names),
)


def read_lines(unit: Unit, named: Mapping[str, str]) -> Iterator[Block]:
    """Yield the sequences of a file of lines ``user item item ...``, in the order of time."""
    cut: list[int] = []
    with closing(open_text(unit)) as text:
        for first, found in lines(chunks(text), lambda number, reason: cut.append(int(number))):
            rows = [(first + index, line.split()) for index, line in enumerate(found)]
            rows = [(number, row) for number, row in rows if row]
            yield Block(
                [*cut, *(number for number, _ in rows)],
                {
                    "user": [None] * len(cut) + [row[0] for _, row in rows],
                    "items": [[]] * len(cut) + [row[1:] for _, row in rows],
                },
            )
            cut.clear()


def digests(records: Dataset) -> np.ndarray:
    """Return (n,) uint64, equal for the same items in the same order."""
    return np.fromiter(map(_digest, _joined(records)), np.uint64, len(records))


def _joined(records: Dataset) -> Iterator[str]:
    """Yield the items of each record as one text."""
    import pyarrow.compute as pc

    for batch in records.select_columns(["items"]).with_format("arrow").iter(batch_size=8192):
        yield from pc.binary_join(batch["items"], "\0").to_pylist()


def _digest(joined: str) -> int:
    return int.from_bytes(hashlib.blake2b(joined.encode(), digest_size=8).digest(), "big")


def _export(records: Dataset, folder: Path) -> list[str]:
    return [" ".join(items) for items in records["items"]]


def _recognises(name: str, schema: pa.Schema | None) -> bool | None:
    """Whether a table has a user and an item in each row, or a list of items, by its columns."""
    if schema is None:
        return False
    columns = {column.strip().lower() for column in schema.names}
    if columns & set(_OTHERS):
        return False
    if columns & {*USER_NAMES, *SESSION_NAMES} and columns & set(ITEM_NAMES):
        return True
    if os.path.splitext(unpacked_name(name))[1] in _TABLES | {".parquet", ".arrow"}:
        lists = {"items", "item_ids", "item_sequence", "history"}
        return bool(columns & lists) and not columns & {"label", "labels"}
    return False


def _none_repeat(records: Dataset, audit: Audit) -> int:
    """Return 0: equal events are no copies of a record."""
    return 0


def _content(fields: tuple[Field, ...], parts: tuple[Field, ...] = (), **others: Any) -> Content:
    return Content(
        name="interactions",
        noun="sequences",
        reads=(
            ".csv, .tsv, .jsonl, .json or .parquet with columns of users, items and times, or of "
            "lists of items; .txt with a line `user item item ...` for each user"
        ),
        fields=fields,
        parts=parts,
        tables=_TABLES | {".txt"},
        stores=frozenset({".parquet", ".xlsx"}),
        archives=frozenset({".zip"}),
        class_files=frozenset(),
        readers={".txt": read_lines},
        recognises=_recognises,
        digests=digests,
        survey=survey,
        export=_export,
        rows=8192,
        **others,
    )


#: What is read, row by row, before events are gathered by user.
ROW = _content(ROWS, repeats=_none_repeat)
#: A user's items in the order of time, and their times where they are known.
INTERACTIONS = _content(
    (
        Field(
            "items",
            ITEMS_NAMES,
            fits=lambda value: bool(names_in(value)),
            take=_take_items,
            type=_items,
            size=lambda value: 12 * len(value),
        ),
        Field(
            "times",
            TIMES_NAMES,
            fits=lambda value: isinstance(value, list),
            take=lambda value, unit: (value, None),
            type=_times,
            size=lambda value: 8 * len(value),
            required=False,
        ),
    ),
    parts=ROWS,
    matches=matches,
)
