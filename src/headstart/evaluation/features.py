"""Frozen features: one vector a record, from an encoder that is only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import to_device
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Processor

#: Called with the number of records done and the number of all records.
Progress = Callable[[int, int], None]


def features(
    encoder: Any,
    processor: Processor,
    records: Dataset,
    *,
    length: int,
    batch_size: int = 64,
    bf16: bool = False,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the pooled vectors (N,D) float32 of ``records``, in their order.

    Records of like length share a batch, so that little of it is padding; the longest come
    first, so that what does not fit in memory fails at once.

    Args:
        encoder: an ``Encoder`` module; it is left in evaluation mode.
        length: tokens a record is cut at.
        bf16: compute in bfloat16 autocast.

    Raises:
        HeadstartError: the encoder returns values that are not finite.
    """
    import torch

    encoder.eval()
    parameter = next(encoder.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    order = _longest_first(records)
    vectors = np.zeros((len(order), encoder.width), dtype=np.float32)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = to_device(processor.collate(records.select(places), length), device)
            vectors[places] = encoder(batch).pooled.float().cpu().numpy()
            if progress:
                progress(start + len(places), len(order))
    if not np.isfinite(vectors).all():
        raise HeadstartError(
            "the encoder returns values that are not finite: its training diverged; train it "
            "again with a lower learning rate."
        )
    return vectors


def _longest_first(records: Dataset) -> np.ndarray:
    if "text" not in records.column_names:
        return np.arange(len(records))
    lengths = np.fromiter((len(text) for text in records["text"]), np.int64, len(records))
    return np.argsort(-lengths, kind="stable")
