"""Features of the frozen encoder, to which heads are fitted before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from headstart.downstream.rows import by_size
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from headstart.batch import Batch, Progress, Rows
    from headstart.downstream.rows import TargetRows

_MOST, _BATCH = 20_000, 64


class Pooler(Protocol):
    """Gives one vector per row: an encoder, or an encoder of pairs.

    Attributes:
        width: D, the size of its vectors.
    """

    width: int

    @property
    def provides(self) -> frozenset[str]:
        """Capabilities, as of an encoder."""
        ...

    def eval(self) -> Any:
        """Set evaluation mode."""
        ...

    def pool(self, batch: Batch) -> Tensor:
        """Return the vectors (B,D) of a batch."""
        ...


def even_indices(count: int, most: int | None = None) -> np.ndarray:
    """Return the indices of all rows, or of an even sample of ``most`` (20,000)."""
    return np.linspace(0, count - 1, min(count, most or _MOST)).round().astype(np.int64)


def pooled_features(
    encoder: Pooler, rows: TargetRows, indices: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """Return pooled features (n,D) float32 and targets (n,...) of rows.

    Args:
        encoder: set to evaluation mode.
        indices: (n,) of rows; :func:`even_indices` by default.

    Raises:
        HeadstartError: the encoder returns values that are not finite.
    """
    indices = even_indices(len(rows)) if indices is None else indices
    return vectors_of(encoder, rows, indices), rows.targets[indices]


def vectors_of(
    encoder: Pooler, rows: Rows, indices: np.ndarray, progress: Progress | None = None
) -> Tensor:
    """Return pooled features (n,D) float32 of the rows at ``indices`` (n,).

    Args:
        encoder: set to evaluation mode.
        progress: called with the number of rows done and that of all.

    Raises:
        HeadstartError: the encoder returns values that are not finite.
    """
    encoder.eval()
    vectors, done = torch.zeros(len(indices), encoder.width), 0
    with torch.no_grad():
        for positions, batch in by_size(rows, indices, _BATCH):
            vectors[torch.from_numpy(positions)] = encoder.pool(batch).float()
            done += len(positions)
            if progress is not None:
                progress(done, len(indices))
    if not vectors.isfinite().all():
        raise HeadstartError(
            "the encoder returns values that are not finite: its training diverged; train it "
            "again with a lower learning rate."
        )
    return vectors


def frozen_features(encoder: Pooler, rows: TargetRows) -> tuple[Tensor, Tensor]:
    """Return pooled features (n,D) and classes (n,) of all rows, or of an even sample.

    Every class is in the sample.
    """
    first = np.unique(rows.targets.numpy(), return_index=True)[1]
    indices = np.union1d(even_indices(len(rows)), first)
    return pooled_features(encoder, rows, indices)


@dataclass(frozen=True)
class Standardisation:
    """Standardisation of features (n,D) to mean 0 and standard deviation 1.

    Attributes:
        centre, scale: (D,) mean and standard deviation.
    """

    centre: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Standardisation:
        """Return the one that standardises ``features`` (n,D).

        A dimension that varies less than a millionth of the widest one is as good as constant: its
        weight would be beyond all bounds.
        """
        scale = features.std(0, correction=0)
        return cls(features.mean(0), scale.clamp(min=max(1e-6 * float(scale.max()), 1e-30)))

    def __call__(self, features: Tensor) -> Tensor:
        return (features - self.centre) / self.scale

    def folded(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight (...,D) and bias (...) for raw features, of a model of standardised ones.

        Args:
            weight: (...,D) of a linear model of standardised features; bias: (...).
        """
        weight = weight / self.scale
        return weight, bias - weight @ self.centre
