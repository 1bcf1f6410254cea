"""The measure of a run without a head: does one half of a record find its other half?

Two views of each held-out record, such as the halves of a text, are fixed; a record counts as right
where of all second views its own is nearest to its first. No label is needed, and both versions of
a run are asked about the same views, so that their difference is paired by record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.batch import byte_pixels, to_device
from headstart.data.vectors import unit_length
from headstart.encoders.opening import OpenedEncoder
from headstart.errors import HeadstartError
from headstart.seeding import generator

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.run import RunFolder

#: Records whose views are drawn at once, and rows that are compared at once.
_BATCH, _ROWS = 64, 1024


def check_views(opened: OpenedEncoder, run: str) -> None:
    """Refuse a run whose records have no two views.

    Raises:
        HeadstartError: it names the kind of data.
    """
    if "two_views" not in opened.processor.provides:
        raise HeadstartError(
            f"{run} reads {opened.modality.content.noun}, of which no two views can be made to "
            "judge an update by; go on with `headstart pretrain NEW --encoder RUN`."
        )


def matched(run: RunFolder, records: Dataset, seed: int) -> np.ndarray:
    """Return which of N records are found by one view from the other (N,), as 0 and 1."""
    opened = OpenedEncoder(run.require_encoder())
    processor, encoder = opened.processor, opened.encoder.eval()
    kind = "halves" if "halves" in processor.provides else "auto"
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for start in range(0, len(records), _BATCH):
        some = records.select(range(start, min(start + _BATCH, len(records))))
        batch = processor.collate(some, opened.length)
        views = processor.views(batch, generator(seed, "update", start), kind)
        for part, view in zip(parts, views, strict=True):
            with torch.inference_mode():
                found = encoder.pool(to_device(byte_pixels(view), torch.device("cpu")))
            part.append(found.float().numpy())
    first, second = (unit_length(np.concatenate(part)) for part in parts)
    nearest = [
        (first[start : start + _ROWS] @ second.T).argmax(1) for start in range(0, len(first), _ROWS)
    ]
    return (np.concatenate(nearest) == np.arange(len(first))).astype(np.float64)
