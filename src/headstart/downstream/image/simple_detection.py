"""Object detection without a network: windows of HOG and colour, classified and then corrected.

The detector of Dalal & Triggs 2005 (windows at every position and size, a linear classifier, and a
second round on the windows that it takes for objects) with the box regression of R-CNN (Girshick et
al. 2014). It learns in a minute or two what colour and outline tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from headstart.downstream.image.windows import Described, grid, moved, offsets, overlaps
from headstart.seeding import derive, numbers

if TYPE_CHECKING:
    from headstart.batch import Rows

#: Its name beside a network's scores.
NAME = "windows of HOG and colour"
#: Most sizes of windows, and most images that are learned from.
SIZES, IMAGES = 8, 300
#: Overlap from which a window shows an object, and up to which it does not.
OBJECT, GROUND = 0.6, 0.4
#: Windows of ground per image in each of the two rounds, and of objects per object.
GROUND_WINDOWS, OBJECT_WINDOWS = 40, 5
#: Windows per image that are corrected and classified again, and boxes that are returned.
PROPOSED, FOUND = 300, 100
#: Overlap of boxes of one class of which the less likely is dropped.
SAME = 0.5
PENALTIES = (1e-3, 1e-2, 1e-1)
LOWEST = 0.02


def detect_simply(
    train: Rows, tested: Rows, classes: int, seed: int = 0
) -> list[dict[str, Tensor]]:
    """Return what a detector that is fitted to ``train`` finds in the images of ``tested``.

    Args:
        train, tested: rows of :meth:`headstart.downstream.image.detection.Detection.rows`.
        classes: number of labels.
        seed: of the windows that are drawn.

    Returns:
        ``boxes`` (n,4) in pixels of the rows, ``scores`` (n,) and ``labels`` (n,) of each image.
    """
    detector = SimpleDetector(train, classes, seed)
    return [detector(_image(tested.batch(np.array([i]), 0))) for i in range(len(tested))]


class SimpleDetector:
    """A classifier of windows and a ridge regression of their corrections."""

    def __init__(self, train: Rows, classes: int, seed: int) -> None:
        from sklearn.linear_model import Ridge

        self._rng = numbers(seed, "windows")
        self._classes = classes
        chosen = self._rng.permutation(len(train))[:IMAGES]
        batches = [train.batch(np.array([index]), 0) for index in chosen]
        scenes = [(Described(_image(batch)), *_objects(batch)) for batch in batches]
        self._sizes = _sizes(np.concatenate([boxes for _, boxes, _ in scenes]), seed)
        self._rule: Any = None
        rows, labels, images, moves = [], [], [], []
        for hard in (False, True):
            for number, (image, boxes, named) in enumerate(scenes):
                windows, label, goal = self._examples(image, boxes, named, hard)
                rows.append(image(windows))
                labels.append(label)
                images.append(np.full(len(label), number))
                moves.append(goal)
            features, truth = np.concatenate(rows), np.concatenate(labels)
            self._rule = _classifier(features, truth, np.concatenate(images))
        real = truth < classes
        self._correct = Ridge(100.0).fit(features[real], np.concatenate(moves)[real])

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """Return the boxes in an image (3,H,W) of bytes, the likeliest first."""
        from torchvision.ops import batched_nms, nms

        described = Described(image)
        size = described.height, described.width
        windows = grid(*size, self._sizes)
        features = described(windows)
        objects = torch.from_numpy(1 - self._chances(features)[:, -1])
        kept = nms(torch.from_numpy(windows), objects, 0.8)[:PROPOSED].numpy()
        boxes = moved(windows[kept], self._correct.predict(features[kept]), *size)
        boxes = moved(boxes, 0.5 * self._correct.predict(described(boxes)), *size)
        chances = self._chances(described(boxes))[:, : self._classes]
        which, label = np.nonzero(chances > LOWEST)
        found = torch.from_numpy(boxes[which]).float()
        scores, labels = torch.from_numpy(chances[which, label]).float(), torch.from_numpy(label)
        kept = batched_nms(found, scores, labels, SAME)[:FOUND]
        return {"boxes": found[kept], "scores": scores[kept], "labels": labels[kept]}

    def _chances(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities (n,classes+1) of each class and, last, of ground."""
        chances = np.zeros((len(features), self._classes + 1))
        chances[:, self._rule[-1].classes_] = self._rule.predict_proba(features)
        return chances

    def _examples(
        self, image: Described, boxes: np.ndarray, named: np.ndarray, hard: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return windows (n,4) to learn from, their classes (n,), and the moves to their boxes.

        In the second round, ``hard``, they are the ground that looks most like objects.
        """
        windows = grid(image.height, image.width, self._sizes)
        nearest = np.zeros(len(windows), dtype=np.int64)
        overlap = np.zeros(len(windows))
        if len(boxes):
            shared = overlaps(windows, boxes)
            nearest, overlap = shared.argmax(1), shared.max(1)
        ground = self._rng.permutation(np.flatnonzero(overlap < GROUND))
        if hard:
            ground = ground[:2000]
            likely = self._chances(image(windows[ground]))[:, -1].argsort()
            drawn = windows[ground[likely[:GROUND_WINDOWS]]]
            return drawn, np.full(len(drawn), self._classes), np.zeros((len(drawn), 4))
        shown = self._rng.permutation(np.flatnonzero(overlap >= OBJECT))
        rank = np.argsort(nearest[shown], kind="stable")
        order = nearest[shown][rank]
        place = np.arange(len(order)) - np.searchsorted(order, order)
        shown = shown[rank[place < OBJECT_WINDOWS]]
        drawn = windows[ground[:GROUND_WINDOWS]]
        every = np.concatenate([boxes, windows[shown], drawn])
        goal = np.concatenate([boxes, boxes[nearest[shown]], drawn])
        label = [named, named[nearest[shown]], np.full(len(drawn), self._classes)]
        return every, np.concatenate(label), offsets(every, goal)


def _classifier(features: np.ndarray, labels: np.ndarray, images: np.ndarray) -> Any:
    """Return a logistic regression, its penalty chosen on a quarter of the images."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fitted(penalty: float, rows: np.ndarray | slice) -> Any:
        rule = LogisticRegression(C=penalty, max_iter=100, tol=1e-3)
        return make_pipeline(StandardScaler(), rule).fit(features[rows], labels[rows])

    held = images % 4 == 0
    best = PENALTIES[1]
    if set(labels[held]) <= set(labels[~held]) and held.any():
        losses = []
        for penalty in PENALTIES:
            rule = fitted(penalty, ~held)
            chances = rule.predict_proba(features[held])
            losses.append(log_loss(labels[held], chances, labels=rule[-1].classes_))
        best = PENALTIES[int(np.argmin(losses))]
    return fitted(best, slice(None))


def _sizes(boxes: np.ndarray, seed: int) -> np.ndarray:
    """Return sizes (k,2) of windows, width and height: the clusters of those of boxes (n,4)."""
    from sklearn.cluster import KMeans

    logs = np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 4))
    count = min(SIZES, len(np.unique(logs, axis=0)))
    means = KMeans(count, n_init=1, random_state=derive(seed, "sizes") % 2**32).fit(logs)
    return np.exp(means.cluster_centers_)


def _image(batch: dict[str, Tensor]) -> Tensor:
    """Return the single image (3,H,W) of a batch without its padding."""
    height, width = batch["window"][0].tolist()
    return batch["pixels"][0, :, :height, :width]


def _objects(batch: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    real = batch["box_mask"][0]
    return batch["boxes"][0][real].double().numpy(), batch["labels"][0][real].numpy()
