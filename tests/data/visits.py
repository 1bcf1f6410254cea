"""A kind of data that the library does not have: who looked at what, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from headstart.data.content import Content
from headstart.data.field import Field, string


def _name(value: Any, unit: Any) -> tuple[Any, str | None]:
    return (None, None) if value is None else (str(value), None)


def _time(value: Any, unit: Any) -> tuple[Any, str | None]:
    try:
        return float(value), None
    except (TypeError, ValueError):
        return None, "its time is no number"


def _field(name: str, *names: str, take: Any = _name, kind: Any = string) -> Field:
    return Field(
        name, (name, *names), lambda value: True, take, kind, is_blank=lambda value: value == ""
    )


VISITS = Content(
    name="visits",
    fields=(
        _field("user", "user_id"),
        _field("item", "item_id"),
        _field("time", "timestamp", "when", take=_time, kind=pa.float64),
    ),
    reads=".csv, .jsonl or .parquet",
    tables=frozenset({".csv", ".jsonl"}),
    stores=frozenset({".parquet"}),
    archives=frozenset(),
    class_files=frozenset(),
    recognises=lambda name, schema: schema is not None and {"user", "item"} <= set(schema.names),
    repeats=lambda records, audit: 0,
    noun="visits",
    digests=lambda records: np.arange(len(records), dtype=np.uint64),
    matches=lambda background, tested, notes, thorough: iter(()),
    survey=lambda records, audit, effort: None,
    export=lambda records, folder: [],
)
