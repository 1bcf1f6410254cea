"""Windows of an image, described by the HOG and colours of their cells, and their overlaps."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from headstart.batch import unit_pixels
from headstart.modalities.image.hog import DIRECTIONS, directions

#: Cells per side of a window, with one more on each side around it.
CELLS = 4
#: Distance of neighbouring windows, as a share of their size.
STEP = 0.25
_UNSIGNED = DIRECTIONS // 2


def grid(height: int, width: int, sizes: np.ndarray) -> np.ndarray:
    """Return windows (n,4) of each size (k,2: width, height) all over an image, as corners."""
    every = []
    for across, down in sizes:
        left = np.arange(0, max(width - across, 0) + 1, max(2.0, STEP * across))
        top = np.arange(0, max(height - down, 0) + 1, max(2.0, STEP * down))
        corners = np.stack(np.meshgrid(left, top), -1).reshape(-1, 2)
        every.append(np.hstack([corners, corners + np.array([across, down])]))
    return np.concatenate(every)


class Described:
    """An image (3,H,W) of bytes, whose windows are described at the cost of their cells.

    Sums over rectangles come from a table of sums (integral image; Viola & Jones 2001).
    """

    def __init__(self, image: Tensor) -> None:
        pixels = unit_pixels(image[None])
        signed = directions(pixels)[0].numpy()
        maps = np.concatenate([signed[:_UNSIGNED] + signed[_UNSIGNED:], pixels[0].numpy()])
        self.height, self.width = maps.shape[1:]
        sums = maps.transpose(1, 2, 0).astype(np.float64).cumsum(0).cumsum(1)
        self._sums = np.pad(sums, ((1, 0), (1, 0), (0, 0)))

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Return features (n,434) float32 of windows (n,4)."""
        # A window of four cells a side, and one more around it: seven edges.
        steps = np.arange(-1, CELLS + 2) / CELLS
        sizes = windows[:, 2:] - windows[:, :2]
        edges = windows[:, :2, None] + sizes[:, :, None] * steps  # (n,2,7)
        columns = np.rint(edges[:, 0]).clip(0, self.width).astype(np.int64)
        rows = np.rint(edges[:, 1]).clip(0, self.height).astype(np.int64)
        corners = self._sums[rows[:, :, None], columns[:, None, :]]  # (n,7,7,C)
        areas = np.diff(rows)[:, :, None] * np.diff(columns)[:, None, :]
        means = np.diff(np.diff(corners, axis=1), axis=2) / np.maximum(areas, 1)[..., None]
        # Differences of sums may be negative by the last bit.
        shape = means[..., :_UNSIGNED].reshape(len(windows), -1).clip(min=0)
        shape = np.sqrt(shape / (shape.sum(1, keepdims=True) + 1e-3))
        colour = means[..., _UNSIGNED:].reshape(len(windows), -1)
        scale = np.log(np.maximum(sizes, 1) / (self.width, self.height))
        return np.hstack([shape, colour, scale]).astype(np.float32)


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the intersection over union (n,m) of boxes (n,4) and (m,4)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(1) for boxes in (one, other)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)


def offsets(windows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the moves (n,4) from windows to boxes, in units of the windows' size.

    The parametrisation of R-CNN (Girshick et al. 2014, appendix C).
    """
    size, wanted = windows[:, 2:] - windows[:, :2], boxes[:, 2:] - boxes[:, :2]
    shift = (boxes[:, :2] + wanted / 2 - windows[:, :2] - size / 2) / size
    return np.hstack([shift, np.log(np.maximum(wanted, 1e-3) / size)])


def moved(windows: np.ndarray, steps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the boxes (n,4) that :func:`offsets` leads to, inside the image."""
    size = windows[:, 2:] - windows[:, :2]
    centre = windows[:, :2] + size / 2 + steps[:, :2] * size
    half = size * np.exp(steps[:, 2:].clip(-1, 1)) / 2
    boxes = np.hstack([centre - half, centre + half])
    return boxes.clip(0, (width, height, width, height))
