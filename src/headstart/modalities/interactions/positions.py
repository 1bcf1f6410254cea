"""Positions that are counted from the latest item of a sequence.

SASRec pads at the left (Kang and McAuley 2018, section 3.1), so that the latest item always has the
same learned position, whatever the length of a history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from headstart.batch import Batch, Rows


def from_end(batch: Batch) -> Batch:
    """Return the batch with ``positions`` (B,T): how many items of its sequence follow each.

    Example::

        from_end(batch)["positions"]  # [[2, 1, 0, 1, 0]] of a row with sequences of 3 and 2 items
    """
    mask = batch["mask"]
    segments = batch.get("segments", mask.long())
    together = (segments[:, :, None] == segments[:, None, :]) & mask[:, None, :]
    later = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool).triu(1)
    return {**batch, "positions": (together & later).sum(2) * mask}


@dataclass
class FromEnd:
    """Rows of a loader with such positions."""

    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the rows at ``indices`` (n,) in ``epoch`` as one batch."""
        return from_end(self.rows.batch(indices, epoch))
