"""What a record is: readings that a sensor took at equal distances of time. Imports no torch."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.data.content import Content, Effort
from headstart.data.field import Field
from headstart.data.survey import quantiles

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.audit import Audit

#: What the column is called in files, first ones first.
NAMES = ("readings", "series", "signal")
#: Of fewer readings there is nothing to learn.
FEWEST = 8


def parse(value: Any) -> tuple[list[float] | None, str | None]:
    """Turn ``"0.1 0.4 0.3"``, or a list of numbers, into floats; or say why that cannot be."""
    if value is None:
        return None, None
    numbers = value.split() if isinstance(value, str) else value
    try:
        readings = [float(number) for number in numbers]
    except (TypeError, ValueError):
        return None, "its readings are not all numbers"
    if len(readings) < FEWEST:
        return None, f"it has {len(readings)} readings, and {FEWEST} are the fewest"
    if not all(map(math.isfinite, readings)):
        return None, "not all of its readings are finite"
    return readings, None


def fits(value: Any) -> bool:
    """True for what can be a series; a single number cannot."""
    return isinstance(value, str | list) and parse(value)[0] is not None


def digests(records: Dataset) -> np.ndarray:
    """Return (n,) uint64, equal for equal readings."""
    return np.fromiter((_digest(readings) for readings in records["series"]), np.uint64)


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Note how long the series are."""
    lengths = np.array([len(readings) for readings in records["series"]])
    audit.findings["lengths"] = {"unit": "readings", "quantiles": quantiles(lengths)}


def export(records: Dataset, folder: Path) -> list[str]:
    """Return the readings as they stand in a table, for people who label; no files are written."""
    return [" ".join(f"{reading:g}" for reading in readings) for readings in records["series"]]


class Rule(NamedTuple):
    """A quality rule: what a series that fails it is like, and whether one passes."""

    reason: str
    passes: Callable[[list[float]], bool]


RULES = {"flat": Rule("its readings are all the same", lambda readings: len(set(readings)) > 1)}


def failing(records: Dataset, names: Sequence[str], options: Any) -> dict[int, str]:
    """Return the first rule that each bad series fails, by its index."""
    found = {}
    for index, readings in enumerate(records["series"]):
        failed = [name for name in names if not RULES[name].passes(readings)]
        if failed:
            found[index] = failed[0]
    return found


def _column() -> pa.DataType:
    import pyarrow as pa

    return pa.list_(pa.float32())


def _digest(readings: list[float]) -> int:
    content = np.asarray(readings, dtype=np.float32).tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


SERIES = Content(
    name="series",
    noun="series",
    reads=".csv, .tsv, .jsonl, .json, .parquet or a saved dataset with a column of readings",
    fields=(
        Field(
            "series",
            NAMES,
            fits=fits,
            take=lambda value, unit: parse(value),
            type=_column,
            size=lambda value: 4 * len(value),
        ),
    ),
    tables=frozenset({".csv", ".tsv", ".jsonl", ".json"}),
    stores=frozenset({".parquet"}),
    archives=frozenset({".zip"}),
    class_files=frozenset(),
    digests=digests,
    survey=survey,
    rules=RULES,
    failing=failing,
    export=export,
)
