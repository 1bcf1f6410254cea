"""Unlabeled records beside labeled ones: removing overlap, and batches of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from headstart.data.overlap import overlap
from headstart.downstream.classification import Classification
from headstart.downstream.finetuning import Finetuning
from headstart.downstream.frozen import even_indices, vectors_of
from headstart.downstream.rows import LabeledRows
from headstart.errors import HeadstartError
from headstart.seeding import derive, order
from headstart.working import working

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.data.content import Content
    from headstart.downstream.frozen import Pooler
    from headstart.modalities import Processor

#: Prefix of the unlabeled part of a batch.
UNLABELED = "unlabeled"
#: Most bytes of collated records in memory; above that they are collated again for each batch.
MOST_BYTES = 2**31
#: Records from which the size of all is estimated.
_SAMPLE = 64


def without_known(
    unlabeled: Dataset, known: dict[str, Dataset], content: Content
) -> tuple[Dataset, list[str]]:
    """Return the unlabeled records without exact or near duplicates of known records.

    Pseudo-labels of validation or test records would leak their labels; those of labeled records
    could only contradict the true ones. Labels of the unlabeled records, if any, are removed.

    Args:
        known: labeled, validation and test records, by their name in messages.
        content: what the records are.

    Returns:
        The records with ``id`` and content only, and messages on what was left out.

    Raises:
        HeadstartError: none is left.
    """
    before, messages = len(unlabeled), []
    remaining = unlabeled.select_columns(["id", *content.columns])
    for name, records in known.items():
        indices = overlap(remaining, records, content, thorough=True).indices
        if len(indices):
            messages.append(
                f"{len(indices):,} unlabeled records are left out: {name} has them, too."
            )
            remaining = remaining.select(np.setdiff1d(np.arange(len(remaining)), indices))
    if not len(remaining):
        raise HeadstartError(
            f"all of the {before:,} unlabeled records occur in the labeled, validation or test "
            "data; name others with --unlabeled."
        )
    return remaining, messages


def classifier_of(tuned: Finetuning) -> Classification:
    """Return the head as a classification, the only task with unlabeled records."""
    assert isinstance(tuned.head, Classification)
    return tuned.head


class CollatedRows:
    """Records that are collated on demand, for those that do not fit in memory."""

    def __init__(self, processor: Processor, records: Dataset, length: int) -> None:
        self._processor, self._records, self._length = processor, records, length

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the records at ``indices`` (n,) as a batch; the same in every epoch."""
        return self._processor.collate(self._records.select(indices), self._length)


def unlabeled_rows(processor: Processor, records: Dataset, length: int) -> Rows:
    """Return records without labels as rows, in memory where they fit; ``labels`` are all -1.

    The size of all is estimated from an even sample.
    """
    sample = records.select(even_indices(len(records), most=_SAMPLE))
    taken = sum(tensor.nbytes for tensor in processor.collate(sample, length).values())
    if taken / len(sample) * len(records) > MOST_BYTES:
        return CollatedRows(processor, records, length)
    return LabeledRows(processor, records, torch.full((len(records),), -1), length)


class MixedRows:
    """Labeled rows, each with ``ratio`` unlabeled ones, as ``unlabeled/...`` in the same batch.

    The unlabeled rows are visited in random order, all of them before any is repeated. Which ones
    accompany a labeled row is a function of the seed, the epoch and its index, so a resumed run
    draws the same.
    """

    def __init__(self, labeled: Rows, unlabeled: Rows, ratio: int, seed: int) -> None:
        self._labeled, self._unlabeled, self._ratio = labeled, unlabeled, ratio
        self._seed = derive(seed, UNLABELED)
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._labeled)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the labeled rows at ``indices`` (n,), and ``ratio * n`` unlabeled ones."""
        batch = dict(self._labeled.batch(indices, epoch))
        others = self._unlabeled.batch(self._drawn(indices, epoch), epoch)
        batch |= {f"{UNLABELED}/{k}": value for k, value in others.items() if k != "labels"}
        return batch

    def _drawn(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        row = epoch * len(self) + np.asarray(indices, dtype=np.int64)
        number = (row[:, None] * self._ratio + np.arange(self._ratio)).ravel()
        walk, at = np.divmod(number, len(self._unlabeled))
        drawn = np.empty(len(number), dtype=np.int64)
        for one in np.unique(walk):
            drawn[walk == one] = self._order(int(one))[at[walk == one]]
        return drawn

    def _order(self, walk: int) -> np.ndarray:
        if walk not in self._orders:
            # An epoch needs few orders, and never an older one again.
            self._orders = {k: v for k, v in self._orders.items() if abs(k - walk) < 8}
            self._orders[walk] = order(self._seed, walk, len(self._unlabeled))
        return self._orders[walk]


def joined(batches: list[Batch]) -> Batch:
    """Return batches concatenated by rows, with the names of the first except ``labels``.

    Tensors along the positions of ``mask`` (B,T) are padded with zeros to the longest.
    """
    made: Batch = {}
    for name, first in batches[0].items():
        if name == "labels":
            continue
        parts: list[Any] = [batch[name] for batch in batches]
        if "mask" in batches[0] and first.shape[:2] == batches[0]["mask"].shape:
            width = max(part.shape[1] for part in parts)
            parts = [
                pad(part, (0, 0) * (part.ndim - 2) + (0, width - part.shape[1])) for part in parts
            ]
        made[name] = torch.cat(parts)
    return made


def features_of(encoder: Pooler, rows: Rows, say: Callable[[str], None]) -> Tensor:
    """Return pooled features (N,D) of all rows from the frozen encoder.

    Args:
        say: called with how far it is, every half a minute.
    """
    with working("embedding the unlabeled records", None, say) as progress:
        return vectors_of(encoder, rows, np.arange(len(rows)), progress)
