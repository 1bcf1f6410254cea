"""Unlabeled records beside labeled ones: which may be used, and how a batch holds both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import pad

from headstart.data.order import order
from headstart.data.overlap import overlap
from headstart.downstream.classification import Classification
from headstart.downstream.finetune import Finetuning
from headstart.downstream.frozen import even_indices
from headstart.downstream.rows import LabeledRows
from headstart.errors import HeadstartError
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.batch import Batch, Rows
    from headstart.data.content import Content
    from headstart.modalities import Processor

#: What an unlabeled part of a batch is called.
UNLABELED = "unlabeled"
#: Collated records are kept up to this many bytes; beyond it they are collated anew each time.
MOST_BYTES = 2**31
#: Records whose size stands for that of all.
_SAMPLE = 64


def apart(
    unlabeled: Dataset, known: dict[str, Dataset], content: Content
) -> tuple[Dataset, list[str]]:
    """Return the unlabeled records that occur in no known set, exactly or nearly.

    A label that is guessed for a record of the validation or test data would let their answers be
    learned; one for a labeled record would only contradict what is known. Their own labels, where
    they have any, go.

    Args:
        known: labeled, validation and test records, by what they are called in messages.
        content: what the records are.

    Returns:
        The records with ``id`` and content alone, and what was left out, in sentences.

    Raises:
        HeadstartError: none is left.
    """
    before, told = len(unlabeled), []
    kept = unlabeled.select_columns(["id", *content.columns])
    for name, records in known.items():
        indices = overlap(kept, records, content, thorough=True).indices
        if len(indices):
            told.append(f"{len(indices):,} unlabeled records are left out: {name} has them, too.")
            kept = kept.select(np.setdiff1d(np.arange(len(kept)), indices))
    if not len(kept):
        raise HeadstartError(
            f"all of the {before:,} unlabeled records occur in the labeled, validation or test "
            "data; name others with --unlabeled."
        )
    return kept, told


def classifier_of(tuned: Finetuning) -> Classification:
    """Return the head that unlabeled records help: of classification, the one task they serve."""
    assert isinstance(tuned.head, Classification)
    return tuned.head


class CollatedRows:
    """Records that are collated when they are asked for: what does not fit in memory."""

    def __init__(self, processor: Processor, records: Dataset, length: int) -> None:
        self._processor, self._records, self._length = processor, records, length

    def __len__(self) -> int:
        return len(self._records)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the records at ``indices`` (n,) as a batch; the same in every epoch."""
        return self._processor.collate(self._records.select(indices), self._length)


def unlabeled_rows(processor: Processor, records: Dataset, length: int) -> Rows:
    """Return records without labels as rows, in memory where they fit; ``labels`` are all -1.

    Some records that lie evenly are collated to see what all of them would take.
    """
    sample = records.select(even_indices(len(records), most=_SAMPLE))
    taken = sum(tensor.nbytes for tensor in processor.collate(sample, length).values())
    if taken / len(sample) * len(records) > MOST_BYTES:
        return CollatedRows(processor, records, length)
    return LabeledRows(processor, records, torch.full((len(records),), -1), length)


class MixedRows:
    """Labeled rows, each with ``ratio`` unlabeled ones, as ``unlabeled/...`` in the same batch.

    The unlabeled rows are walked through in an order of their own, all of them before any comes
    again. Which ones stand beside a labeled row is a function of the seed, the epoch and its index,
    so a run that goes on draws what it would have drawn.
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
            # An epoch meets few walks, and never an older one again.
            self._orders = {k: v for k, v in self._orders.items() if abs(k - walk) < 8}
            self._orders[walk] = order(self._seed, walk, len(self._unlabeled))
        return self._orders[walk]


def joined(batches: list[Batch]) -> Batch:
    """Return batches as one, row under row, with the names that the first has but ``labels``.

    Tensors that run along the positions of ``mask`` (B,T) are padded with zeros to the longest.
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
