"""Text as content: its fields, files, quality rules and duplicates."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data.content import Content
from headstart.data.decoding import PAGES
from headstart.data.field import Field, string
from headstart.data.lines import fault
from headstart.data.pairs import NEGATIVE, PAIR
from headstart.data.store import stream
from headstart.data.streams import unpacked_name
from headstart.modalities.text import quality
from headstart.modalities.text.exact import hashes
from headstart.modalities.text.near import matches, near_pairs
from headstart.modalities.text.survey import survey

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset

    from headstart.data.unit import Unit


TEXT_NAMES = (
    *("text", "content", "sentence", "document", "review", "body", "article", "comment"),
    *("message", "tweet", "post", "passage", "utterance", "question", "query", "description"),
)
#: Suffixes of texts and of tables of texts, unless another kind of data recognises the file.
_SUFFIXES = frozenset(
    {".txt", ".json", ".jsonl", ".csv", ".tsv", ".xlsx", ".parquet", ".arrow", *PAGES}
)
#: The name of a picture, a recording, a clip or a page: a text that stands for something else.
_FILE = re.compile(
    r"\S*\.(?:jpe?g|png|webp|tiff?|gif|bmp|wav|mp3|flac|ogg|m4a|mp4|avi|mov|mkv|webm|pdf)", re.I
)
#: A column dominates when its texts are this long on average, and this many times the next.
_LONG, _TIMES = 20, 3


def longest(strings: Mapping[str, Sequence[str]]) -> str | None:
    """Return the only column of strings, or the one whose strings are by far the longest."""
    if len(strings) == 1:
        return next(iter(strings))
    lengths = {name: sum(map(len, texts)) / len(texts) for name, texts in strings.items()}
    ranked = sorted(lengths, key=lambda name: -lengths[name])
    if len(ranked) > 1 and lengths[ranked[0]] >= max(_LONG, _TIMES * lengths[ranked[1]]):
        return ranked[0]
    return None


def _fits(value: Any) -> bool:
    return isinstance(value, str) and not _FILE.fullmatch(value.strip())


def _take(text: Any, unit: Unit) -> tuple[Any, str | None]:
    return text, fault(text)


def _is_blank(text: Any) -> bool:
    return isinstance(text, str) and (not text or text.isspace())


def _recognises(name: str, schema: pa.Schema | None) -> bool:
    return os.path.splitext(unpacked_name(name))[1] in _SUFFIXES


def _digests(records: Dataset) -> np.ndarray:
    return hashes(stream(records, "text"))


def _export(records: Dataset, folder: Path) -> list[str]:
    return list(stream(records, "text"))


TEXT = Content(
    name="text",
    fields=(
        Field(
            name="text",
            names=TEXT_NAMES,
            fits=_fits,
            take=_take,
            type=string,
            size=len,
            obvious=longest,
            is_blank=_is_blank,
        ),
    ),
    companions=(PAIR, NEGATIVE),
    reads=(
        ".txt, .html, .jsonl, .json, .csv, .tsv, .xlsx, .parquet (each also .gz, .bz2, .xz, .zst), "
        ".zip or a saved dataset"
    ),
    tables=frozenset({".txt", ".jsonl", ".json", ".csv", ".tsv", *PAGES}),
    stores=frozenset({".parquet", ".xlsx"}),
    archives=frozenset({".zip"}),
    class_files=frozenset({".txt", *PAGES}),
    columnless={".txt": "is plain text", **dict.fromkeys(PAGES, "is a page")},
    recognises=_recognises,
    noun="texts",
    digests=_digests,
    matches=matches,
    near=near_pairs,
    survey=survey,
    rules=quality.RULES,
    failing=quality.failing,
    export=_export,
    of_object=lambda value: value if isinstance(value, str) else None,
)
