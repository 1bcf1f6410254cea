"""The simple baseline for images: their raw pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.batch import Progress
from headstart.modalities import Baseline
from headstart.modalities.image.processor import ImageProcessor
from headstart.seeding import derive

if TYPE_CHECKING:
    from datasets import Dataset

#: Pixels per side; more add little to a linear model and are slow.
SIDE = 32
#: Principal components of the pixels; about 95% of the variance of small photographs.
COMPONENTS = 256
#: Images that the components are fitted on.
FITTED = 10_000
_CHUNK = 1000


def image_baselines(
    background: Dataset | None,
    train: Dataset,
    test: Dataset | None,
    *,
    protocol: str = "classification",
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Baseline]:
    """Return raw pixels as a baseline: images of 32 x 32, in their 256 principal components.

    The components, fitted on training images without labels, only reduce the dimension:
    neighbours and regressions find nearly the same in them.

    Args:
        background: ignored: more images do not change pixels.
        train: training records, in the order of their labels.
        test: test records; None when folds are cut from the training records.
        progress: called with the number of records done and of all records.
    """
    from sklearn.decomposition import PCA

    labeled = [train] if test is None else [train, test]
    total = sum(map(len, labeled))
    flat, done = [], 0
    for records in labeled:
        rows = np.empty((len(records), 3 * SIDE * SIDE), dtype=np.float32)
        for start in range(0, len(records), _CHUNK):
            chunk = records.select(range(start, min(start + _CHUNK, len(records))))
            pixels = ImageProcessor(SIDE).collate(chunk, SIDE)["pixels"]
            rows[start : start + len(chunk)] = pixels.reshape(len(chunk), -1).numpy()
            done += len(chunk)
            if progress:
                progress(done, total)
        flat.append(rows / 255.0)
    rng = np.random.Generator(np.random.PCG64(derive(seed, "pixels")))
    fitted = flat[0][np.sort(rng.permutation(len(train))[:FITTED])]
    size = min(COMPONENTS, *fitted.shape)
    pca = PCA(size, svd_solver="randomized", random_state=derive(seed, "pca") % 2**32).fit(fitted)
    parts = [pca.transform(rows).astype(np.float32) for rows in flat]
    return [Baseline("raw pixels", parts[0], parts[1] if test is not None else None)]
