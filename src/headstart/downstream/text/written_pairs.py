"""Pairs of source and target text: their columns, and their rows."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from headstart.data import tables
from headstart.data.columns import LABEL, check, listed, option
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import SourceOptions
    from headstart.data.audit import Audit
    from headstart.modalities import Modality
    from headstart.modalities.text.processor import TextProcessor

#: Well-known column names of source and target.
PAIRS = (
    *(("source", "target"), ("src", "tgt"), ("input", "output"), ("input", "target")),
    *(("document", "summary"), ("article", "highlights"), ("article", "summary")),
    *(("dialogue", "summary"), ("text", "summary"), ("text", "title"), ("prompt", "completion")),
    *(("instruction", "output"), ("instruction", "response"), ("text", "target")),
)
#: Column names that are languages: de, zh, pt_br.
_LANGUAGE = re.compile(r"[a-z]{2}([_-][A-Za-z]{2,4})?")


class Columns(NamedTuple):
    """The columns of a pair."""

    source: str
    target: str

    def named(self) -> dict[str, str]:
        """Return the column of each field."""
        return {TEXT.name: self.source, LABEL.name: self.target}


def find_columns(source: str, options: SourceOptions) -> Columns:
    """Return the columns of source and target.

    Those that the user named are taken; else two with well-known names, or the only two that are
    named like languages, in the order of the file.

    Raises:
        HeadstartError: a named column is missing, or it is unclear which are meant.
    """
    found = tables.columns(source, TEXT)
    for name, column in options.columns.items():
        check(source, found, name, column)
    first, second = options.columns.get(TEXT.name), options.columns.get(LABEL.name)
    if first and second:
        return Columns(first, second)
    known = {name.strip().lower(): name for name in reversed(found)}
    named = [Columns(known[a], known[b]) for a, b in PAIRS if a in known and b in known]
    languages = [name for name in found if _LANGUAGE.fullmatch(name) and _texts(found[name])]
    if len(languages) == 2:
        named += [Columns(*languages), Columns(*languages[::-1])]
    for pair in named:
        if first in (None, pair.source) and second in (None, pair.target):
            return pair
    raise HeadstartError(
        f"it is unclear which columns of {source} hold the texts to read and the texts to write; "
        f"name them with {option(TEXT.name)} and {option(LABEL.name)} ({listed(found)})."
    )


def read_written_pairs(
    source: str, options: SourceOptions, columns: Columns, modality: Modality, audit: Audit
) -> Dataset:
    """Read records ``id``, ``text`` (the source) and ``label`` (the target)."""
    named = options.model_copy(update={"columns": columns.named()})
    return modality.read([source], named, audit)


def read_to_write(
    sources: list[str],
    options: SourceOptions,
    columns: Columns | None,
    modality: Modality,
    audit: Audit,
) -> Dataset:
    """Read records ``id`` and ``text``; with ``label`` where all sources have the column.

    Args:
        columns: those of the training, used where a source has them and none are named.
    """
    from datasets import concatenate_datasets

    parts = []
    for source in sources:
        known = columns.named() if columns is not None else {}
        found = tables.columns(source, TEXT)
        named = {name: column for name, column in known.items() if column in found}
        named |= options.columns
        if named.get(LABEL.name) == named.get(TEXT.name):
            named.pop(LABEL.name, None)
        # A record without a target is read, too.
        label = replace(LABEL, required=False)
        plain = options.model_copy(update={"columns": named})
        records = modality.read([source], plain, audit, fields=[label])
        if LABEL.name not in named and LABEL.name in records.column_names:
            records = records.remove_columns(LABEL.name)
        parts.append(records)
    shared = set.intersection(*(set(part.column_names) for part in parts))
    return concatenate_datasets(
        [
            part.select_columns([name for name in part.column_names if name in shared])
            for part in parts
        ]
    )


class WrittenRows:
    """Pairs as rows: the source as ``input_ids`` and ``mask``, the target as ``written/...``.

    Args:
        processor: the encoder's processor of texts.
        records: N pairs, ``text`` and ``label``.
        reads, writes: most tokens of source and target; longer texts are cut before their closing
            tokens.

    Attributes:
        references: the N target texts.
        read_sizes, written_sizes: (N,) tokens of each text before it is cut.
    """

    def __init__(self, processor: TextProcessor, records: Dataset, reads: int, writes: int) -> None:
        self.references = list(records["label"])
        self.pad_id = processor.vocabulary.pad_id
        read = processor.encode_ids(list(records["text"]))
        written = processor.encode_ids(self.references)
        self.read_sizes = np.array([len(ids) for ids in read], dtype=np.int64)
        self.written_sizes = np.array([len(ids) for ids in written], dtype=np.int64)
        self._read = cut(read, reads, processor.vocabulary.suffix)
        self._written = cut(written, writes, processor.vocabulary.suffix)

    def __len__(self) -> int:
        return len(self.references)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the pairs at ``indices`` (n,), padded to the longest; the same in every epoch."""
        ids, mask = padded([self._read[index] for index in indices], self.pad_id)
        targets, real = padded([self._written[index] for index in indices], self.pad_id)
        return {
            "input_ids": ids,
            "mask": mask,
            "written/input_ids": targets,
            "written/mask": real,
        }


def cut(rows: list[list[int]], length: int, suffix: int) -> list[np.ndarray]:
    """Return rows of at most ``length`` tokens that keep the ``suffix`` tokens that close them."""
    return [
        np.array(
            ids if len(ids) <= length else ids[: length - suffix] + ids[len(ids) - suffix :],
            dtype=np.int32,
        )
        for ids in rows
    ]


def padded(rows: Sequence[np.ndarray], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return ids (n,T) int64 and mask (n,T) bool, padded on the right."""
    longest = max(1, max((len(row) for row in rows), default=1))
    ids = np.full((len(rows), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=bool)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = True
    return torch.from_numpy(ids), torch.from_numpy(mask)


def _texts(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) for value in values)
