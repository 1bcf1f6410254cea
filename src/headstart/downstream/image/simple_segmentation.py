"""Segmentation without a network: superpixels, and a classifier of their colours and textures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from headstart.downstream.image.masks import mean_overlap
from headstart.downstream.image.superpixels import described, superpixels
from headstart.modalities.image.masks import IGNORED
from headstart.seeding import derive, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from headstart.batch import Rows

#: Its name beside a network's scores.
NAME = "superpixels of colour and texture"
#: Most images that are learned from, and most of their pieces.
IMAGES, PIECES = 300, 40_000


def segment_simply(
    train: Rows, tested: Rows, classes: int, seed: int = 0
) -> list[tuple[Tensor, Tensor]]:
    """Return the predicted and the true classes (H,W) of the pixels of each image of ``tested``.

    The classifier, a logistic regression or gradient-boosted trees, is chosen by the mean
    intersection over union on a quarter of the training images.

    Args:
        train, tested: rows of :meth:`headstart.downstream.image.segmentation.Segmentation.rows`.
        classes: number of labels.
        seed: of the images and pieces that are drawn, and of the trees.
    """
    rng = numbers(seed, "pieces")
    chosen = rng.permutation(len(train))[:IMAGES]
    scenes = [_Scene(train.batch(np.array([index]), 0)) for index in chosen]
    held = scenes[: len(scenes) // 4]
    makers = _classifiers(derive(seed, "trees") % 2**32)
    scores = []
    for make in makers if held else []:
        rule = _fitted(make, scenes[len(held) :], classes, rng)
        scores.append(mean_overlap([scene.predicted(rule) for scene in held], classes))
    best = makers[int(np.argmax(scores)) if scores else 0]
    rule = _fitted(best, scenes, classes, rng)
    unseen = (_Scene(tested.batch(np.array([index]), 0)) for index in range(len(tested)))
    return [scene.predicted(rule) for scene in unseen]


class _Scene:
    """An image in pieces, with their features and the labels of its pixels."""

    def __init__(self, batch: dict[str, Tensor]) -> None:
        height, width = batch["window"][0].tolist()
        image = batch["pixels"][0, :, :height, :width]
        self.labels = batch["labels"][0, :height, :width].numpy()
        self.pieces = superpixels(image)
        self.features = described(image, self.pieces)

    def predicted(self, rule: Any) -> tuple[Tensor, Tensor]:
        """Return the class (H,W) of each pixel, that of its piece, and the true one."""
        predicted = rule.predict(self.features)[self.pieces]
        return torch.from_numpy(predicted), torch.from_numpy(self.labels)

    def examples(self, classes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return features (n,D) and the most frequent label (n,) of the pieces that have any."""
        judged = self.labels != IGNORED
        pairs = self.pieces[judged] * classes + self.labels[judged]
        counts = np.bincount(pairs, minlength=len(self.features) * classes)
        counts = counts.reshape(-1, classes)
        known = counts.any(1)
        return self.features[known], counts[known].argmax(1)


def _fitted(
    make: Callable[[], Any],
    scenes: list[_Scene],
    classes: int,
    rng: np.random.Generator,
) -> Any:
    from sklearn.dummy import DummyClassifier

    parts = [scene.examples(classes) for scene in scenes]
    features, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    drawn = rng.permutation(len(labels))[:PIECES]
    if len(np.unique(labels[drawn])) < 2:
        return DummyClassifier().fit(features[drawn], labels[drawn])
    return make().fit(features[drawn], labels[drawn])


def _classifiers(seed: int) -> list[Callable[[], Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def linear(weights: str | None) -> Any:
        rule = LogisticRegression(C=1.0, max_iter=200, tol=1e-3, class_weight=weights)
        return make_pipeline(StandardScaler(), rule)

    def trees(weights: str | None) -> Any:
        # No early stopping: it holds out pieces of the same images, which tell nothing.
        return HistGradientBoostingClassifier(
            max_iter=100, early_stopping=False, class_weight=weights, random_state=seed
        )

    return [
        lambda make=make, weights=weights: make(weights)  # type: ignore[misc]
        for make in (linear, trees)
        for weights in (None, "balanced")
    ]
