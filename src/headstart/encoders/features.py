"""Frozen features: one vector per record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.batch import Progress, to_device
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.encoders import Encoder
    from headstart.modalities import Processor


def features(
    encoder: Encoder,
    processor: Processor,
    records: Dataset,
    *,
    length: int,
    batch_size: int = 32,
    bf16: bool | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return the pooled vectors (N,D) float32 of ``records``, in order.

    Args:
        encoder: left in evaluation mode.
        processor: the encoder's.
        length: positions after which a record is truncated, or pixels a side.
        batch_size: records of full ``length`` per batch.
        bf16: compute in bfloat16 autocast; by default where the CPU or GPU is fast at it. The
            cosine with the vector in float32 is then above 0.999.
        progress: called with the number of records done and the total.

    Raises:
        HeadstartError: the encoder returns values that are not finite.

    Example::

        vectors = features(open_encoder(folder), open_processor(folder), records, length=128)
    """
    import torch

    from headstart.precision import precision

    encoder.eval()
    parameter = next(encoder.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    bf16 = precision("auto") == "bf16" if bf16 is None else bf16
    vectors = np.zeros((len(records), encoder.width), dtype=np.float32)
    done = 0
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for indices, batch in processor.batches(records, length, batch_size):
            pooled = encoder.pool(to_device(batch, device))  # (B,D)
            vectors[indices] = pooled.float().cpu().numpy()
            done += len(indices)
            if progress:
                progress(done, len(records))
    if not np.isfinite(vectors).all():
        raise HeadstartError(
            "the encoder returns values that are not finite: its training diverged, or its file "
            "is damaged; train it again with a lower learning rate, or copy its folder again."
        )
    return vectors
