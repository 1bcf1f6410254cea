"""Pairs of records with one label: how they are read, and how they become rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from headstart.config import EvaluateConfig, SourceOptions
from headstart.data import tables
from headstart.data.audit import Audit
from headstart.data.pairs import (
    ALIKE,
    SEARCHES,
    UNREADABLE,
    Columns,
    find_columns,
    matched,
)
from headstart.downstream.rows import LabeledRows
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor

#: Before the names of the second record's tensors in a batch; also its column in the records.
SECOND = "second"


def read_labeled_pairs(source: str, options: Any, modality: Modality, audit: Audit) -> Dataset:
    """Read records ``id``, the content, ``second`` (content, too) and ``label`` (a text).

    Args:
        options: with ``pair_column``; columns that it does not name are found where their names
            are well known.

    Raises:
        HeadstartError: it is unclear which columns hold the pairs or their label.
    """
    found = _columns(source, options, modality)
    records = _paired(source, found, found.score, options, modality, audit)
    if "label" not in records.column_names or all(value is None for value in records["label"]):
        raise HeadstartError(
            f"it is unclear which column of {source} holds the label of a pair; name it with "
            f"--label-column (its columns are: {_listed(source, modality)})."
        )
    return records


def read_pairs(sources: list[str], options: Any, modality: Modality, audit: Audit) -> Dataset:
    """Read pairs without labels: ``id``, the content and ``second``."""
    from datasets import concatenate_datasets

    parts = []
    for source in sources:
        found = _columns(source, options, modality)
        records = _paired(source, found, None, options, modality, audit)
        parts.append(records.select_columns(["id", modality.content.name, SECOND]))
    return concatenate_datasets(parts)


class PairRows:
    """Pairs as rows: the tensors of the first records, and those of the second as ``second_...``.

    Args:
        processor: turns records into batches.
        records: N pairs.
        targets: (N,...) handed on as ``labels``.
        length: most positions of either record.
    """

    def __init__(
        self, processor: Processor, records: Dataset, targets: Tensor, length: int
    ) -> None:
        self.targets = targets
        firsts, seconds = sides(records, processor.content.name)
        self._first = LabeledRows(processor, firsts, targets, length)
        self._second = LabeledRows(processor, seconds, targets, length)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def names(self) -> frozenset[str]:
        """Names of the tensors of the first records."""
        return self._first.names

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the pairs at ``indices`` (n,); the same in every epoch."""
        second = self._second.batch(indices, epoch)
        labels = second.pop("labels")
        return {**_joined(self._first.batch(indices, epoch), second), "labels": labels}


def collate_pairs(processor: Processor, records: Dataset, length: int) -> Batch:
    """Return pairs as a batch, without labels."""
    first, second = sides(records, processor.content.name)
    return _joined(processor.collate(first, length), processor.collate(second, length))


def pooled_pairs(encoder: Encoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the pooled features (B,D) of the first and of the second records of a batch."""
    first = {name: tensor for name, tensor in batch.items() if not name.startswith(f"{SECOND}_")}
    second = {
        name.removeprefix(f"{SECOND}_"): tensor
        for name, tensor in batch.items()
        if name.startswith(f"{SECOND}_")
    }
    return encoder.pool(first), encoder.pool(second)


def sides(records: Dataset, content: str) -> tuple[Dataset, Dataset]:
    """Return the first and the second records of pairs, each with their ``content`` column."""
    first = records.remove_columns(SECOND)
    return first, records.remove_columns(content).rename_column(SECOND, content)


def _joined(first: Batch, second: Batch) -> Batch:
    return {**first, **{f"{SECOND}_{name}": tensor for name, tensor in second.items()}}


def _columns(source: str, options: Any, modality: Modality) -> Columns:
    plain = {name: getattr(options, name) for name in SourceOptions.model_fields}
    config = EvaluateConfig(run=source, train=source, pair_column=options.pair_column, **plain)
    found = find_columns(source, config, modality.content, (*ALIKE, *SEARCHES))
    if found is None:
        raise HeadstartError(
            f"it is unclear which columns of {source} hold the two records of a pair; name them "
            f"with --{modality.content.name}-column and --pair-column (its columns are: "
            f"{_listed(source, modality)})."
        )
    return found


def _paired(
    source: str, found: Columns, label: str | None, options: Any, modality: Modality, audit: Audit
) -> Dataset:
    content = modality.content.name

    def side(column: str, label: str | None, audit: Audit) -> Dataset:
        named = SourceOptions(
            **{f"{content}_column": column}, label_column=label, document=options.document
        )
        return modality.read([source], named, audit)

    first, other = matched(
        side(found.first, label, audit), side(found.second, None, Audit()), UNREADABLE, audit
    )
    if not len(first):
        raise HeadstartError(f"no pair could be read from {source}; check its columns.")
    return first.add_column(SECOND, list(other[content]), feature=other.features[content])


def _listed(source: str, modality: Modality) -> str:
    return ", ".join(map(repr, tables.columns(source, modality.content))) or "none"
