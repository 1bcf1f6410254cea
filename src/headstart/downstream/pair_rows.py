"""Pairs of records with one label: reading them, and turning them into rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from headstart.data import tables
from headstart.data.audit import Audit
from headstart.data.columns import LABEL, listed
from headstart.data.pairs import ALIKE, PAIR, SEARCHES, columns_of, second_of
from headstart.downstream.rows import LabeledRows
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch
    from headstart.config import SourceOptions
    from headstart.encoders import Encoder
    from headstart.modalities import Modality, Processor


def read_labeled_pairs(
    source: str, options: SourceOptions, modality: Modality, audit: Audit
) -> Dataset:
    """Read records with ``id``, the content, ``pair`` (the second content) and ``label`` (str).

    Args:
        options: columns that it does not name are found by their well-known names.

    Raises:
        HeadstartError: it is unclear which columns hold the pairs or their label.
    """
    records = _paired(source, options, modality, audit, scored=True)
    if LABEL.name not in records.column_names:
        found = tables.columns(source, modality.content)
        raise HeadstartError(
            f"it is unclear which column of {source} holds the label of a pair; name it with "
            f"--column label=COLUMN ({listed(found)})."
        )
    return records


def read_pairs(
    sources: list[str], options: SourceOptions, modality: Modality, audit: Audit
) -> Dataset:
    """Read pairs without labels: ``id``, the content and ``pair``."""
    from datasets import concatenate_datasets

    wanted = ["id", *modality.content.columns, PAIR]
    return concatenate_datasets(
        [
            _paired(source, options, modality, audit, scored=False).select_columns(wanted)
            for source in sources
        ]
    )


class PairRows:
    """Pairs as rows: the tensors of the first records, and those of the second as ``pair_...``.

    Args:
        processor: turns records into batches.
        records: N pairs.
        targets: (N,...), the ``labels``.
        length: most positions of either record.
    """

    def __init__(
        self, processor: Processor, records: Dataset, targets: Tensor, length: int
    ) -> None:
        self.targets = targets
        firsts, seconds = sides(records, processor.content.columns[0])
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
    first, second = sides(records, processor.content.columns[0])
    return _joined(processor.collate(first, length), processor.collate(second, length))


def pooled_pairs(encoder: Encoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the pooled features (B,D) of the first and of the second records of a batch."""
    first = {name: tensor for name, tensor in batch.items() if not name.startswith(f"{PAIR}_")}
    second = {
        name.removeprefix(f"{PAIR}_"): tensor
        for name, tensor in batch.items()
        if name.startswith(f"{PAIR}_")
    }
    return encoder.pool(first), encoder.pool(second)


def sides(records: Dataset, content: str) -> tuple[Dataset, Dataset]:
    """Return the first and the second records of pairs, each with their ``content`` column."""
    first = records.remove_columns(PAIR)
    return first, records.remove_columns(content).rename_column(PAIR, content)


def _joined(first: Batch, second: Batch) -> Batch:
    return {**first, **{f"{PAIR}_{name}": tensor for name, tensor in second.items()}}


def _paired(
    source: str, options: SourceOptions, modality: Modality, audit: Audit, *, scored: bool
) -> Dataset:
    content = modality.content
    found = columns_of(source, options.columns, content, (*ALIKE, *SEARCHES))
    options = options.model_copy(update={"columns": found.named(content, scored=scored)})
    return modality.read([source], options, audit, fields=[second_of(content)])
