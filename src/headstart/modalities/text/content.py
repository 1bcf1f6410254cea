"""Text as content: what a record of it is, and what may be wrong with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.columns import TEXT_NAMES, is_text, longest
from headstart.data.content import Content, Effort
from headstart.data.lines import fault
from headstart.modalities.text import exact as duplicates
from headstart.modalities.text import quality

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.audit import Audit
    from headstart.data.unit import Unit


def _take(text: Any, unit: Unit) -> tuple[Any, str | None]:
    return text, fault(text)


def _is_blank(text: Any) -> bool:
    return isinstance(text, str) and (not text or text.isspace())


def _column() -> pa.DataType:
    import pyarrow as pa

    return pa.string()


def _repeats(records: Dataset, audit: Audit) -> int:
    return duplicates.exact(duplicates.stream(records, "text"))


def _digests(records: Dataset) -> np.ndarray:
    return duplicates.hashes(duplicates.stream(records, "text"))


def _matches(
    background: Dataset, tested: Dataset, notes: list[str], thorough: bool
) -> Iterator[tuple[int, int, bool]]:
    from headstart.modalities.text import near as near_texts

    if near_texts.available():
        return near_texts.matches(background, tested)
    notes.append(near_texts.MISSING)
    return duplicates.matches(background, tested)


def _survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    from headstart.modalities.text.survey import survey

    survey(records, audit, effort)


def _export(records: Dataset, folder: Path) -> list[str]:
    return list(duplicates.stream(records, "text"))


TEXT = Content(
    name="text",
    reads=".txt, .jsonl, .json, .csv, .tsv (each also .gz), .parquet, .zip or a saved dataset",
    tables=frozenset({".txt", ".jsonl", ".json", ".csv", ".tsv"}),
    stores=frozenset({".parquet"}),
    archives=frozenset({".zip"}),
    class_files=frozenset({".txt"}),
    columnless={".txt": "is plain text"},
    column=_column,
    size=len,
    is_blank=_is_blank,
    take=_take,
    names=TEXT_NAMES,
    fits=is_text,
    obvious=longest,
    repeats=_repeats,
    noun="texts",
    digests=_digests,
    matches=_matches,
    survey=_survey,
    rules=quality.RULES,
    failing=quality.failing,
    export=_export,
)
