"""What an encoder says of rows before anything is trained: the start of every head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from headstart.batch import Batch

_MOST, _BATCH = 20_000, 64


def pooled(self: Any, encoder: Any, batch: Batch) -> Tensor:
    """Return ``pooled`` (B,D) alone: a light encoder is spared the vectors of all tokens."""
    found: Tensor = encoder.pool(batch)
    return found


def even_indices(count: int) -> np.ndarray:
    """Return the places of all rows, or of many that lie evenly."""
    return np.linspace(0, count - 1, min(count, _MOST)).round().astype(np.int64)


def pooled_features(
    encoder: Any, rows: Any, indices: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """Return pooled features (n,D) float32 and targets (n,...) of rows.

    Args:
        encoder: anything with ``pool``; it is set to evaluation mode.
        rows: with ``targets`` (N,...) and ``batch``.
        places: (n,) which rows; :func:`even_places` by default.
    """
    indices = even_indices(len(rows)) if indices is None else indices
    encoder.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(indices), _BATCH):
            found.append(encoder.pool(rows.batch(indices[start : start + _BATCH], 0)).float())
    return torch.cat(found), rows.targets[indices]
