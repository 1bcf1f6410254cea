"""Odd tables of events: cells, columns and files of every kind, for the verbs that read them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Values of a cell of each column, the usual ones first.
CELLS: dict[str, tuple[Any, ...]] = {
    "user_id": (
        "a",
        "b",
        "c",
        7,
        7.0,
        "7",
        "",
        " ",
        None,
        "nan",
        True,
        "a#1",
        "é" * 40,
        [1],
        1e400,
    ),
    "item_id": (
        "x",
        "y",
        "z",
        12,
        "12",
        12.0,
        "",
        None,
        "NaN",
        [1, 2],
        "1 2 3",
        "[3, 4]",
        "x|y",
        -1,
    ),
    "timestamp": (
        *(1_700_000_000, 1_700_000_500, 1_700_000_500, "2024-05-02", "2024-05-02T10:00:00+02:00"),
        *(1_700_000_000_000, 1.7e18, 0, -5, 17, "", None, "soon", "02/05/2024", 20240531, 2024),
        *([1, 2], "nan", 1e400, True),
    ),
    "session_id": ("s", "t", "u", 1, "", None),
    "rating": (5, 4, 1, "5", "", None, "good", -3, 1e400),
    "items": ([1, 2, 3], "1 2 3", "[1, 2]", [], "", None, [None, 1], "['a', 'b']", {"a": 1}, 5),
    "times": ([1, 2, 3], "1 2 3", [3, 2], None, "x", [None, 1, 2]),
}
#: Columns of a table.
TABLES = (
    ("user_id", "item_id"),
    ("user_id", "item_id", "timestamp"),
    ("user_id", "item_id", "timestamp", "rating"),
    ("user_id", "session_id", "item_id", "timestamp"),
    ("session_id", "item_id", "timestamp"),
    ("user_id", "items"),
    ("user_id", "items", "times"),
    ("items",),
    ("user_id", "item_id", "items", "timestamp"),
)
#: Options that change what is read.
SETTINGS = (
    (),
    ("hold_out=time",),
    ("hold_out=session",),
    ("hold_out=session", "session_gap=100"),
    ("hold_out=none",),
    ("session_gap=1",),
    ("least_value=3",),
    ("least_events=2", "least_users=2"),
    ("repeats=first", "ties=shuffle"),
    ("repeats=keep", "seen=keep"),
)
ENDINGS = (".csv", ".jsonl", ".parquet", ".tsv")
VERBS = ("audit", "pretrain")


@dataclass(frozen=True)
class Case:
    """One or two odd tables, options, and a command that reads them."""

    seed: int

    def __str__(self) -> str:
        return f"tables of seed {self.seed}"

    def prepared(self, scratch: Path) -> list[str]:
        """Write the tables into ``scratch`` and return the command."""
        rng = random.Random(self.seed)
        sources = [
            _table(rng, scratch / f"events{number}") for number in range(rng.choice((1, 1, 2)))
        ]
        settings = [("--set", f"interactions.{each}") for each in rng.choice(SETTINGS)]
        options = ["--modality", "interactions", *(word for pair in settings for word in pair)]
        verb = rng.choice(VERBS)
        if verb == "pretrain":
            small = ("--set", "encoder.width=16", "--set", "encoder.layers=1")
            options += ["--out", str(scratch / "out"), "--budget", "1steps", "--tracker", "none"]
            options += small
        return [verb, *map(str, sources), *options]


def cases(count: int) -> Iterator[Case]:
    """Yield so many tables."""
    yield from map(Case, range(count))


def _table(rng: random.Random, path: Path) -> Path:
    columns = rng.choice(TABLES)
    odd = rng.choice((0.0, 0.05, 0.3, 1.0))
    rows = []
    for _ in range(rng.choice((1, 4, 30))):
        row = {}
        for name in columns:
            usual = CELLS[name][:3]
            row[name] = rng.choice(CELLS[name] if rng.random() < odd else usual)
        rows.append(row)
    ending = rng.choice(ENDINGS)
    file = path.with_suffix(ending)
    if ending == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif ending == ".parquet":
        _write_parquet(rows, columns, file)
    else:
        held = io.StringIO()
        writer = csv.DictWriter(held, columns, delimiter="\t" if ending == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
        file.write_text(held.getvalue(), encoding="utf-8")
    return file


def _write_parquet(rows: list[dict[str, Any]], columns: tuple[str, ...], file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name in columns:
        values = [row[name] for row in rows]
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # of several types
            arrays[name] = pa.array([None if value is None else str(value) for value in values])
    pq.write_table(pa.table(arrays), file)
