"""What an encoder says of rows before anything is trained: the start of every head."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_MOST, _BATCH = 20_000, 64


def pooled_features(encoder: Any, rows: Any, most: int = _MOST) -> tuple[Tensor, Tensor]:
    """Return pooled features (n,D) float32 and targets (n,...) of all rows, or of many even ones.

    Args:
        encoder: anything with ``pool``; it is set to evaluation mode.
        rows: with ``targets`` (N,...) and ``batch``.
        most: n, at most.
    """
    places = np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(np.int64)
    encoder.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(places), _BATCH):
            found.append(encoder.pool(rows.batch(places[start : start + _BATCH], 0)).float())
    return torch.cat(found), rows.targets[places]
