"""A linear probe on labeled records during training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Batch
from headstart.errors import HeadstartError
from headstart.files import whole_file
from headstart.seeding import generator
from headstart.stored import read_tensors

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities import Processor

#: Maximum and minimum number of records.
_MOST, _FEWEST = 500, 10
#: Numeric labels are regression targets if they have more distinct values than this.
_KINDS = 20
#: Ridge strengths, relative to the mean variance of the features.
_GRID = tuple(10.0**power for power in range(-4, 4))
_LABELS = "probe labels"


@dataclass(frozen=True)
class Probe:
    """Labeled records, fixed for the whole run.

    Attributes:
        batch: the records (N rows).
        labels: (N,K) one-hot for K classes, or (N,1) numbers.
    """

    batch: Batch
    labels: Tensor


def explained(features: Tensor, labels: Tensor) -> float:
    """Return the R^2 of predicting ``labels`` (N,K) linearly from ``features`` (N,D).

    Each record is predicted by a ridge regression on all others (leave-one-out in closed form:
    Hastie et al. 2009, "The elements of statistical learning", equation 7.64), on L2-normalised
    features, with the best strength. 1 is perfect; 0 is predicting the mean of the others.
    """
    count = len(features)
    rows = F.normalize(features.double().cpu(), dim=1)
    rows = rows - rows.mean(0)
    targets = labels.double() - labels.double().mean(0)
    # The error of the mean of the others is that of the mean of all, times n / (n - 1).
    whole = (targets * (count / (count - 1))).square().sum()
    left, values, _ = torch.linalg.svd(rows, full_matrices=False)
    variances = values.square()
    projected, leverage = left.T @ targets, left.square()
    least = whole
    for strength in _GRID:
        shrink = variances / (variances + strength * variances.mean() + 1e-300)
        residual = targets - left @ (shrink[:, None] * projected)
        own = leverage @ shrink + 1 / count
        error = (residual / (1 - own).clamp_min(1e-9)[:, None]).square().sum()
        least = torch.minimum(least, error) if bool(error.isfinite()) else least
    return 1 - (least / whole).item()


def store_probe(
    records: Dataset, processor: Processor, length: int, seed: int, source: str, file: Path
) -> None:
    """Write a probe of labeled records, 500 of them at most, to ``file``.

    Raises:
        HeadstartError: no labels, one label only, or fewer than ten records.
    """
    if "label" not in records.column_names:
        raise HeadstartError(
            f"--probe {source} holds no labels that were found; name their column with "
            "--column label=COLUMN."
        )
    known = [index for index, label in enumerate(records["label"]) if label not in (None, "")]
    chosen = torch.randperm(len(known), generator=generator(seed, "probe"))[:_MOST].tolist()
    records = records.select(sorted(known[index] for index in chosen))
    labels = _numbers([str(label) for label in records["label"]])
    if len(records) < _FEWEST or bool((labels == labels[0]).all()):
        raise HeadstartError(
            f"--probe {source} holds {len(records)} labeled record(s) of "
            f"{len(set(map(str, records['label'])))} label(s); a probe needs {_FEWEST} of two."
        )
    batch = processor.collate(records, length)
    with whole_file(file) as partial:
        save_file({**{k: v.contiguous() for k, v in batch.items()}, _LABELS: labels}, partial)


def open_probe(file: Path) -> Probe | None:
    """Read what :func:`store_probe` wrote; None without a file."""
    if not file.is_file():
        return None
    batch: dict[str, Any] = read_tensors(file)
    return Probe(batch, batch.pop(_LABELS))


def _numbers(labels: list[str]) -> Tensor:
    kinds, indices = np.unique(labels, return_inverse=True)
    if len(kinds) > _KINDS:
        try:
            return torch.tensor([[float(label)] for label in labels])
        except ValueError:
            pass
    return F.one_hot(torch.from_numpy(indices), max(2, len(kinds))).float()
