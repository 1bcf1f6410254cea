"""Averages of learned vectors: a low-rank classifier of bags of words and bigrams (fastText)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix, unit_length
from headstart.evaluation.heads.folds import Division, cross_fitted, divide, threads
from headstart.evaluation.heads.rows import SPANNED, Spanned, leading, row_space

_BATCH = 64
#: Maximum number of rows seen in one training: more labels get fewer passes.
_SEEN = 150_000
_CHUNK = 4096
#: Number of directions that many rows are projected on.
_RANK = 512


class _Setting(NamedTuple):
    """How a classifier is trained.

    Attributes:
        dimension: of the vectors.
        epochs: passes over the labeled rows.
        rate: the learning rate at the beginning; it falls linearly to 0.
    """

    dimension: int
    epochs: int
    rate: float


#: The first is used where no folds are possible.
_SETTINGS = (_Setting(32, 30, 0.05), _Setting(64, 15, 0.02))


@dataclass(frozen=True)
class Fitted:
    """A trained classifier.

    Attributes:
        vectors: (D,r), a vector for each feature.
        weights: (r,K).
        bias: (K,).
        classes: (K,).
        validation: accuracy by cross-validation, else NaN.
    """

    vectors: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    validation: float

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the likeliest class (m,) of each row of ``test`` (m,D)."""
        mean = np.asarray(_averages(test) @ self.vectors)
        return self.classes[_likeliest(mean, self.weights, self.bias)]


class LowRankAverages:
    """The softmax of a low-rank map of a row's mean word vector, which is learned with it.

    The supervised model of fastText (Joulin et al. 2016, "Bag of Tricks for Efficient Text
    Classification", https://arxiv.org/abs/1607.01759), with Adam in small batches. Vectors are
    learned in the span of the rows; with more than 2,000 labels along its 512 leading directions.
    The dimension, the number of passes and the learning rate are chosen by the accuracy in
    cross-validation.

    Args:
        features: (N,D) sparse, not negative: how much of each feature is in a record.
    """

    most_classes: ClassVar[int | None] = None

    def __init__(self, features: Matrix) -> None:
        if not sparse.issparse(features):
            raise ValueError("low-rank averages need sparse counts of features")

    def fit(
        self,
        train: Matrix,
        classes: np.ndarray,
        rng: np.random.Generator,
        groups: np.ndarray | None = None,
    ) -> Fitted:
        """Train on ``train`` (n,D) of ``classes`` (n,), two different ones at least."""
        names, codes = np.unique(classes, return_inverse=True)
        division = divide(codes, rng, groups)
        rows = _averages(train)
        # Batches are too small to be divided, however many there are.
        with threads(_BATCH):
            small, back = _coordinates(rows, rng)
            setting, validation = _choose(small, codes, division, rng)
            vectors, weights, bias = _train(small, codes, len(names), setting, rng)
        return Fitted(back(vectors.T).T.astype(np.float32), weights, bias, names, validation)


def _coordinates(rows: Any, rng: np.random.Generator) -> Spanned:
    """Return coordinates (n,r) of sparse rows in their span, or in the main part of it.

    Gradients of vectors lie in the span of the rows, so that nothing else is learned.
    """
    count, width = rows.shape
    if count <= SPANNED and count < width:
        return row_space(rows)
    if width <= SPANNED:
        return rows.toarray(), lambda weights: weights
    basis = leading(rows, _RANK, rng)
    return np.asarray(rows @ basis), lambda weights: weights @ basis.T


def _averages(rows: Matrix) -> Any:
    """Return rows (n,D) as multiples of averages: at length 1, training is well scaled."""
    return sparse.csr_matrix(unit_length(rows), dtype=np.float32)


def _choose(
    rows: np.ndarray, codes: np.ndarray, division: Division, rng: np.random.Generator
) -> tuple[_Setting, float]:
    parts = division.parts
    if parts is None:
        return _SETTINGS[0], np.nan
    rows, codes = division.of(rows), np.unique(division.of(codes), return_inverse=True)[1]
    classes = int(codes.max()) + 1
    right = np.zeros((len(_SETTINGS), int(parts.max()) + 1))
    for part in range(right.shape[1]):
        held = parts == part
        for number, setting in enumerate(_SETTINGS):
            vectors, weights, bias = _train(rows[~held], codes[~held], classes, setting, rng)
            found = _likeliest(rows[held] @ vectors, weights, bias)
            right[number, part] = (found == codes[held]).sum()
    best, total = cross_fitted(right)
    return _SETTINGS[best], total / len(codes)


def _likeliest(mean: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the class (m,) of the highest score of mean vectors (m,r)."""
    starts = range(0, max(1, len(mean)), _CHUNK)
    found = [(mean[start : start + _CHUNK] @ weights + bias).argmax(1) for start in starts]
    return np.concatenate(found)


def _train(
    rows: np.ndarray, codes: np.ndarray, classes: int, setting: _Setting, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors (D,r), weights (r,K) and bias (K,) after training on rows (n,D)."""
    import torch
    from torch.nn.functional import cross_entropy

    start = rng.standard_normal((rows.shape[1], setting.dimension)) / setting.dimension
    vectors = torch.from_numpy(start.astype(np.float32)).requires_grad_()
    weights = torch.zeros(setting.dimension, classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    epochs = min(setting.epochs, max(1, _SEEN // len(codes)))
    steps = epochs * -(-len(codes) // _BATCH)
    optimizer = torch.optim.Adam([vectors, weights, bias], lr=setting.rate)
    inputs, targets = torch.from_numpy(rows), torch.from_numpy(codes)
    for step, batch in enumerate(_batches(len(codes), epochs, rng)):
        optimizer.param_groups[0]["lr"] = setting.rate * (1 - step / steps)
        chosen = torch.from_numpy(batch)
        loss = cross_entropy(inputs[chosen] @ vectors @ weights + bias, targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vectors.detach().numpy(), weights.detach().numpy(), bias.detach().numpy()


def _batches(count: int, epochs: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(epochs):
        order = rng.permutation(count)
        yield from (order[start : start + _BATCH] for start in range(0, count, _BATCH))
