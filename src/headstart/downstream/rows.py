"""Labeled records as rows for the training loop: tokenised once, padded batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from headstart.batch import Batch, Rows

if TYPE_CHECKING:
    from datasets import Dataset


_CHUNK = 256


def batches(rows: Rows, batch_size: int) -> Iterator[Batch]:
    """Yield all rows in order, as batches of up to ``batch_size``."""
    for start in range(0, len(rows), batch_size):
        yield rows.batch(np.arange(start, min(start + batch_size, len(rows))), epoch=0)


def by_size(rows: Rows, indices: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """Yield positions (b,) in ``indices`` with a batch of their rows, those of like size together.

    The longest come first, so that a lack of memory shows immediately. Rows that do not know their
    sizes keep their order.

    Args:
        indices: (n,) of rows.
        batch_size: most rows of a batch.
    """
    sizes = rows.sizes[indices] if isinstance(rows, SizedRows) else np.zeros(len(indices), int)
    order = np.argsort(-sizes, kind="stable")
    for start in range(0, len(order), batch_size):
        positions = order[start : start + batch_size]
        yield positions, rows.batch(indices[positions], epoch=0)


@runtime_checkable
class SizedRows(Rows, Protocol):
    """Rows that know how long each is.

    Attributes:
        sizes: (N,) positions of each row, without padding.
    """

    sizes: np.ndarray


class TargetRows(Rows, Protocol):
    """Rows whose targets are known without their batches.

    Attributes:
        targets: (N,...) the ``labels`` of all rows.
    """

    targets: Tensor

    @property
    def names(self) -> frozenset[str]:
        """Names of the tensors that a processor made."""
        ...


class Collator(Protocol):
    """Turns records into a batch: a processor, or a task's own collation."""

    def collate(self, records: Dataset, length: int) -> Batch:
        """Return the records as a batch, one row per record."""
        ...


class LabeledRows:
    """Records collated once and stored without padding; a row is one record.

    Tensors along the positions of ``mask`` (B,T), or of ``NAME/mask`` for ``NAME/...``, are cut to
    each row's real length and padded with zeros to the longest row of a batch; others are stored
    whole. Integers are stored in 32 bits and returned in 64.

    Args:
        processor: turns records into batches.
        records: N records.
        targets: (N,...), the ``labels``.
        length: most positions of a row, T.

    Attributes:
        sizes: (N,) positions of each row, without padding.
    """

    def __init__(self, processor: Collator, records: Dataset, targets: Tensor, length: int) -> None:
        self.targets = targets
        self._rows: dict[str, list[Tensor]] = {}
        self._ragged: set[str] = set()
        for start in range(0, len(records), _CHUNK):
            stop = min(start + _CHUNK, len(records))
            self._keep(processor.collate(records.select(range(start, stop)), length))
        self.sizes = np.ones(len(records), dtype=np.int64)
        for name in self._ragged:
            here = np.fromiter(map(len, self._rows[name]), np.int64, len(records))
            self.sizes = np.maximum(self.sizes, here)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def names(self) -> frozenset[str]:
        """Names of the tensors that the processor made."""
        return frozenset(self._rows)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the rows at ``indices`` (n,), padded to the longest; the same in every epoch."""
        batch: Batch = {}
        for name, rows in self._rows.items():
            chosen = [rows[index] for index in indices]
            whole = pad_sequence(chosen, True) if name in self._ragged else torch.stack(chosen)
            batch[name] = whole.long() if whole.dtype == torch.int32 else whole
        batch["labels"] = self.targets[torch.as_tensor(indices, dtype=torch.long)]
        return batch

    def _keep(self, batch: Batch) -> None:
        for name, tensor in batch.items():
            kept = self._rows.setdefault(name, [])
            small = tensor.int() if tensor.dtype == torch.int64 else tensor
            mask = batch.get(f"{name.rpartition('/')[0]}/mask".removeprefix("/"))
            if mask is None or tensor.shape[:2] != mask.shape:
                kept.extend(row.clone() for row in small)
                continue
            self._ragged.add(name)
            lengths = (mask.cumsum(1) * mask).argmax(1) + 1
            kept.extend(row[:end].clone() for row, end in zip(small, lengths, strict=True))
