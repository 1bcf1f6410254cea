"""Simple baselines for images, which need no network and a minute or two.

HOG with the mean colours of cells; the same joined with patches that k-means found; raw pixels.
All are fitted on images without labels, never on test images. A pre-trained encoder must beat the
best of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.batch import Progress, unit_pixels
from headstart.modalities import Baseline
from headstart.modalities.image.hog import hog_and_colour
from headstart.modalities.image.patches import Patches
from headstart.modalities.image.pixel_file import decode_square, sample_sides
from headstart.modalities.image.processor import ImageProcessor
from headstart.seeding import derive, numbers

if TYPE_CHECKING:
    from datasets import Dataset

#: Limits of the side at which images are read, in pixels; within them it is their own.
SMALLEST, LARGEST = 16, 64
#: Largest side of the images from which patches and raw pixels are taken.
SIDE = 32
#: Principal components of raw pixels (about 95% of the variance of small photographs), and of HOG
#: with patches.
COMPONENTS, JOINED = 256, 400
#: Images that components are fitted on, and images from which patches are cut.
FITTED, CUT = 5000, 2000
HOG = "HOG and colour"
HEADS = ("logistic regression", "RBF SVM", "auto")
_CHUNK = 500

#: From images (n,3,S,S) of bytes to features (n,D) float32.
Describe = Callable[[Tensor], np.ndarray]


def image_baselines(
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Baseline]:
    """Return HOG and colour, the same with k-means patches, and raw pixels as baselines.

    HOG with patches and raw pixels are reduced to principal components, in which neighbours and
    regressions find nearly the same. The features of 60,000 images take 300 MB.

    Args:
        background: records of the pre-training; patches are cut from them and from ``train``.
        train: training records, in the order of their labels.
        test: test records; None when folds are cut from the training records.
        progress: called with the number of records done and of all records.

    Raises:
        HeadstartError: a labeled image cannot be decoded.
    """
    side = _side(train)
    drawn = _drawn(train, FITTED, seed)
    fitted = torch.cat([pixels for _, pixels in _chunks(drawn, side)])
    seen = [fitted[:CUT]]
    if background is not None:
        seen.append(_undamaged(_drawn(background, CUT, seed), side))
    patches = Patches(_reduced(torch.cat(seen)), derive(seed, "patches"))
    kinds: dict[str, Describe] = {
        HOG: lambda pixels: hog_and_colour(pixels).numpy(),
        "HOG, colour and patches": Components(
            Joined(patches, fitted), fitted, JOINED, derive(seed, "joined")
        ),
        "raw pixels": Components(_raw, fitted, COMPONENTS, derive(seed, "pca")),
    }
    labeled = [train] if test is None else [train, test]
    total, done = sum(map(len, labeled)), 0
    tables: list[dict[str, np.ndarray]] = []
    seconds = dict.fromkeys(kinds, 0.0)
    started = time.perf_counter()
    for records in labeled:
        table: dict[str, np.ndarray] = {}
        for start, pixels in _chunks(records, side):
            for name, describe in kinds.items():
                begun = time.perf_counter()
                part = describe(pixels)
                seconds[name] += time.perf_counter() - begun
                if name not in table:
                    table[name] = np.empty((len(records), part.shape[1]), dtype=np.float32)
                table[name][start : start + len(part)] = part
            done += len(pixels)
            if progress:
                progress(done, total)
        tables.append(table)
    reading = time.perf_counter() - started - sum(seconds.values())
    return [
        Baseline(
            name,
            tables[0][name],
            tables[1][name] if test is not None else None,
            HEADS,
            joinable=name == HOG,
            seconds=reading + seconds[name],
        )
        for name in kinds
    ]


class Joined:
    """HOG and colour beside k-means patches, each with the same total variance.

    Args:
        patches: the centroids.
        fitted: (n,3,S,S) bytes, which give the variances.
    """

    def __init__(self, patches: Patches, fitted: Tensor) -> None:
        self._parts: list[Callable[[Tensor], Tensor]] = [
            hog_and_colour,
            lambda pixels: patches(_reduced(pixels)),
        ]
        spreads = [float(part(fitted[:CUT]).var(0, correction=0).sum()) for part in self._parts]
        self._scales = [spread**-0.5 if spread > 0 else 1.0 for spread in spreads]

    def __call__(self, pixels: Tensor) -> np.ndarray:
        """Return features (n,D) of images (n,3,S,S)."""
        every = zip(self._parts, self._scales, strict=True)
        return np.hstack([part(pixels).numpy() * scale for part, scale in every])


class Components:
    """The principal components of features.

    Args:
        describe: from images to the features.
        fitted: (n,3,S,S) bytes, whose components are taken.
        size: their most number.
        seed: of the randomised decomposition.
    """

    def __init__(self, describe: Describe, fitted: Tensor, size: int, seed: int) -> None:
        from sklearn.decomposition import PCA

        self._describe = describe
        rows = np.concatenate([describe(chunk) for chunk in fitted.split(_CHUNK)])
        pca = PCA(min(size, *rows.shape), svd_solver="randomized", random_state=seed % 2**32)
        with np.errstate(invalid="ignore"):  # equal rows have no variance to take shares of
            self._pca = pca.fit(rows)

    def __call__(self, pixels: Tensor) -> np.ndarray:
        """Return the components (n,size) of images (n,3,S,S)."""
        return self._pca.transform(self._describe(pixels)).astype(np.float32)


def _side(records: Dataset) -> int:
    """Return the side at which images are read: the median of their shorter sides, in limits."""
    sides = sample_sides(records)
    return int(np.clip(np.median(sides), SMALLEST, LARGEST)) if len(sides) else SIDE


def _chunks(records: Dataset, side: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the index of the first image of each chunk, and its images (n,3,S,S) of bytes."""
    processor = ImageProcessor(side)
    for start in range(0, len(records), _CHUNK):
        chunk = records.select(range(start, min(start + _CHUNK, len(records))))
        yield start, processor.collate(chunk, side)["pixels"]


def _drawn(records: Dataset, count: int, seed: int) -> Dataset:
    """Return random records, at most ``count``."""
    return records.select(numbers(seed, "images").permutation(len(records))[:count])


def _undamaged(records: Dataset, side: int) -> Tensor:
    """Return the images (n,3,S,S) of bytes that can be decoded."""
    squares = [decode_square(value, side) for value in records["image"]]
    good = [square for square in squares if not isinstance(square, str)]
    return torch.from_numpy(np.array(good, dtype=np.uint8).reshape(-1, 3, side, side))


def _raw(pixels: Tensor) -> np.ndarray:
    return unit_pixels(_reduced(pixels)).flatten(1).numpy()


def _reduced(pixels: Tensor) -> Tensor:
    """Return images of bytes with a side of at most :data:`SIDE`."""
    if pixels.shape[-1] <= SIDE:
        return pixels
    return F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)
