"""What all stages exchange: a batch of tensors, batch first, with fixed names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

#: Called with the number of records done and the number of all records.
Progress = Callable[[int, int], None]

IGNORE = -100
#: Classes of ``gaps``.
GAPS = 32

#: ``input_ids`` (B,T) int64, ``mask`` (B,T) bool (True = real), ``segments`` (B,T) int64 (which
#: document a packed position belongs to, 0 = padding), ``positions`` (B,T) int64, ``word_starts``
#: (B,T) bool (True = first token of a word), ``sentence_starts`` (B,T) bool, ``token_types`` (B,T)
#: int64 (0 and 1: first and second part of a pair), ``gaps`` (B,T) int64 (class of the time since
#: the position before, 0 = not known), ``pair/...`` and ``negative/...`` (the tensors
#: of a similar and of a dissimilar text), ``pixels`` (B,3,H,W) uint8 0..255 as stored, or float32
#: 0..1 in a view, ``waveform`` (B,1,S) float32 -1..1 and ``lengths`` (B,) int64 (real samples of
#: each row), ``vectors`` (B,K) float32 (simple features), ``labels`` (B,) int64,
#: ``keys`` (B,) int64 (equal where rows of two towers have equal captions), and ``NAME/...`` (the
#: tensors of a further encoder that stands beside the first, or of a tower). An objective may
#: add its own.
Batch = dict[str, "Tensor"]


class Rows(Protocol):
    """A fixed number of rows that a loader reads by index."""

    def __len__(self) -> int:
        """Rows in an epoch; the same in every epoch."""
        ...

    def batch(self, indices: np.ndarray, epoch: int) -> Batch:
        """Return the rows at ``indices`` (n,) in ``epoch`` as one batch; a pure function."""
        ...


def part(batch: Batch, name: str) -> Batch:
    """Return the tensors whose names start with ``name/``, without that prefix."""
    return {
        key.removeprefix(f"{name}/"): tensor
        for key, tensor in batch.items()
        if key.startswith(f"{name}/")
    }


def unit_pixels(pixels: Tensor) -> Tensor:
    """Return pixels (B,3,H,W), bytes or floats, as floats in 0..1."""
    return pixels if pixels.is_floating_point() else pixels.float() / 255.0


def byte_pixels(batch: Batch) -> Batch:
    """Return the batch with its pixels, if it has any, as bytes: a quarter of the memory."""
    pixels = batch.get("pixels")
    if pixels is None or not pixels.is_floating_point():
        return batch
    return {**batch, "pixels": (pixels * 255).round().byte()}


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch with every tensor on ``device``."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
