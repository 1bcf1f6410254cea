"""Predicted masks: how right they are, as plain values in a row, and as PNG files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from torch import Tensor

from headstart.errors import HeadstartError
from headstart.files import whole_folder
from headstart.modalities.image.masks import IGNORED


def mean_overlap(pairs: Iterable[tuple[Tensor, Tensor]], classes: int) -> float:
    """Return the mean over classes of the intersection over union, by torchmetrics.

    Args:
        pairs: predicted and true classes of pixels, of one shape; :data:`IGNORED` in the truth is
            a pixel without a label.
        classes: their number.
    """
    from torchmetrics.classification import MulticlassJaccardIndex

    metric = MulticlassJaccardIndex(classes, ignore_index=IGNORED)
    for predicted, truth in pairs:
        metric.update(predicted, truth)
    return float(metric.compute())


def runs(mask: np.ndarray) -> list[int]:
    """Return the run-length encoding of a mask (H,W), row by row: id, length, id, length, ..."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    pairs = np.stack([flat[starts], np.diff(np.r_[starts, flat.size])], 1)
    return [int(value) for value in pairs.ravel()]


def mask_of(row: dict[str, Any]) -> np.ndarray:
    """Return the mask (H,W) uint8 of a row of predictions."""
    pairs = np.asarray(row["runs"]).reshape(-1, 2)
    ids = np.repeat(pairs[:, 0].astype(np.uint8), pairs[:, 1])
    return ids.reshape(row["height"], row["width"])


def write_masks(rows: Iterable[dict[str, Any]], out: Path) -> None:
    """Write a grey PNG of label ids for each row into the new folder ``out``, named by its ``id``.

    Raises:
        HeadstartError: ``out`` exists already, or the disk is full.
    """
    from PIL import Image

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise HeadstartError(f"{out} is there already; choose another --out for the masks.")
    with whole_folder(out) as partial:
        for row in rows:
            inside = [part for part in PurePath(row["id"]).parts if part not in ("/", "..")]
            file = partial.joinpath(*inside).with_suffix(".png")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask_of(row)).save(file)
