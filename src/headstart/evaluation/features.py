"""Frozen features: one vector a record, from an encoder that is only read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.batch import Batch, Progress, to_device
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Processor


#: Texts that are tokenised together, and sorted by their number of tokens.
WINDOW = 8192


def features(
    encoder: Any,
    processor: Processor,
    records: Dataset,
    *,
    length: int,
    batch_size: int = 32,
    bf16: bool | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the pooled vectors (N,D) float32 of ``records``, in their order.

    Texts of like length share a batch, so that hardly any of it is padding; the longest come
    first, so that what does not fit in memory fails at once.

    Args:
        encoder: an ``Encoder`` module; it is left in evaluation mode.
        length: tokens a record is cut at.
        batch_size: records a batch; of texts shorter than ``length`` as many more as have the
            same number of tokens.
        bf16: compute in bfloat16 autocast. By default where the processor is fast at it; the
            cosine with the vector in float32 is then above 0.999.

    Raises:
        HeadstartError: the encoder returns values that are not finite.
    """
    import torch

    from headstart.training.precision import precision

    encoder.eval()
    parameter = next(encoder.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    bf16 = precision("auto") == "bf16" if bf16 is None else bf16
    vectors = np.zeros((len(records), encoder.width), dtype=np.float32)
    done = 0
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for indices, batch in _batches(processor, records, length, batch_size):
            pooled = encoder.pool(to_device(batch, device))
            vectors[indices] = pooled.float().cpu().numpy()
            done += len(indices)
            if progress:
                progress(done, len(records))
    if not np.isfinite(vectors).all():
        raise HeadstartError(
            "the encoder returns values that are not finite: its training diverged; train it "
            "again with a lower learning rate."
        )
    return vectors


def _batches(
    processor: Any, records: Dataset, length: int, batch_size: int
) -> Iterator[tuple[np.ndarray, Batch]]:
    """Yield places (n,) in the records and the batch of the records there."""
    if "text" not in records.column_names:
        for start in range(0, len(records), batch_size):
            indices = np.arange(start, min(start + batch_size, len(records)))
            yield indices, processor.collate(records.select(indices), length)
        return
    for first in range(0, len(records), WINDOW):
        rows = processor.cut(list(records[first : first + WINDOW]["text"]), length)
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        order = np.argsort(-sizes, kind="stable")
        start = 0
        while start < len(order):
            longest = max(1, int(sizes[order[start]]))
            indices = order[start : start + max(1, batch_size * length // longest)]
            yield first + indices, processor.pad([rows[index] for index in indices])
            start += len(indices)
