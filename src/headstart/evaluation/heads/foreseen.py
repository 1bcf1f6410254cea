"""How long fitting heads will take and how much memory it needs, from the sizes alone.

The numbers of operations follow from how heads choose their settings; how fast this machine is now
is measured by a matrix product. Estimates are within a factor of about three.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from scipy import sparse

from headstart.data.vectors import Matrix
from headstart.evaluation.heads import folds, linear, propagation, rbf_svm, solver
from headstart.evaluation.heads.rows import SPANNED

#: How many products of a dense matrix one of a sparse matrix is worth: it waits for the memory.
_SPARSE = 8
#: Operations per score beside products: exponentials, comparisons, copies.
_SCORE = 40
#: Seconds for which the speed of this machine is measured.
_MEASURED = 0.1
#: Seconds of one fit beside its operations: folds, calls, small arrays.
_OVERHEAD = {
    "logistic regression": 0.03,
    "linear SVM": 0.04,
    "naive Bayes SVM": 0.2,
    "RBF SVM": 0.2,
    "low-rank averages": 0.4,
    "kNN": 0.01,
    "nearest template": 0.01,
    "auto": 1.0,
}


class Foreseen(NamedTuple):
    """Estimated seconds, and bytes of memory beside the features."""

    seconds: float
    bytes: int


class _Sizes(NamedTuple):
    """What time depends on.

    Attributes:
        labels: number n of drawn labels.
        classes: number K of classes.
        width: number D of features.
        values: features per row that are not 0.
        sparse: whether features are sparse.
    """

    labels: int
    classes: int
    width: int
    values: float
    sparse: bool

    @property
    def deciding(self) -> _Sizes:
        """The sizes of the labels that choose a setting."""
        few = self.classes <= folds.MANY
        most = folds.DECIDING if few else folds.DECIDING_MANY
        classes = min(self.classes, folds.DECIDING_CLASSES)
        labels = min(most, self.labels * classes // self.classes)
        return self._replace(labels=labels, classes=classes)

    @property
    def passes(self) -> int:
        """Times that the deciding labels are fitted in cross-validation, in all folds together."""
        return 2 if self.deciding.labels > folds.THREE_FOLDS else 4

    @property
    def row(self) -> float:
        """Operations for a score of one row and its gradient, in the coordinates of a solver."""
        if self.labels <= SPANNED:
            return 4 * min(self.labels, self.width) + _SCORE
        return 4 * (_SPARSE * self.values if self.sparse else self.width) + _SCORE

    @property
    def axes(self) -> float:
        """Operations to find principal axes."""
        return 10.0 * min(self.labels, self.width, SPANNED) ** 3


def _linear(sizes: _Sizes, steps: int) -> float:
    few = sizes.deciding
    settings = 4 if sizes.sparse else 8
    chosen = settings * steps * sizes.passes * few.labels * few.classes * few.row
    axes = few.axes * (1 if sizes.sparse else 2) + sizes.axes
    return chosen + axes + 2 * steps * sizes.labels * sizes.classes * sizes.row


def _naive_bayes(sizes: _Sizes) -> float:
    few, row = sizes.deciding, 4 * _SPARSE * sizes.values + _SCORE
    rows = 3 * sizes.passes * few.labels + sizes.labels
    return 50 * row * rows * sizes.classes + 200.0 * sizes.width * sizes.classes


def _kernel(sizes: _Sizes) -> float:
    few, marks = sizes.deciding, min(sizes.labels, rbf_svm.LANDMARKS)
    maps, settings = 2 * len(rbf_svm.GAMMAS), 2 * len(rbf_svm.GAMMAS) * len(rbf_svm.FAMILY.dense)

    def mapped(labels: int) -> float:
        return marks * labels * (2.0 * sizes.width + 2 * marks + _SCORE)

    row = 4 * marks + _SCORE
    chosen = settings * 6 * few.passes * few.labels * few.classes * row
    final = mapped(sizes.labels) + 20 * sizes.labels * sizes.classes * row
    return maps * (mapped(marks + few.labels) + 5.0 * marks**3) + chosen + final


def _low_rank(sizes: _Sizes) -> float:
    few = sizes.deciding
    seen = 70 * sizes.passes * few.labels + min(45 * sizes.labels, 225_000)
    return seen * (50.0 * min(sizes.labels, SPANNED) + 20 * sizes.classes + 100_000) + sizes.axes


def _auto(sizes: _Sizes, blocks: int, records: int, tested: int, draws: int) -> float:
    # Each block is tried, and all side by side.
    return (blocks + (blocks > 1)) * _tried(sizes, records, tested, draws)


def _tried(sizes: _Sizes, records: int, tested: int, draws: int) -> float:
    # Penalties are chosen once, and it is fitted to each fold again with the names.
    regressions = 1.5 * _linear(sizes, 10)
    if not propagation.is_few(sizes.labels, records) or sizes.classes > propagation.CLASSES:
        return regressions
    pool = min(records, propagation.POOL)
    near = pool * (2.0 * sizes.width + _SCORE)
    # The graph, and the neighbours of the tested, are found once for all draws.
    once = (pool + tested) * near / draws
    # Spreading over some 15 edges a record: the labels of each fold, and the names.
    rounds = (sizes.passes + 2) * propagation.rounds_of(propagation.ALPHA)
    spread = rounds * 15 * 3 * pool * sizes.classes
    return regressions + once + spread + 3 * sizes.labels * near


def _neighbours(sizes: _Sizes, tested: int) -> float:
    product = _SPARSE * sizes.values if sizes.sparse else sizes.width
    return (tested + sizes.deciding.labels) * sizes.labels * (2.0 * product + 2 * _SCORE)


def foreseen(
    counts: Mapping[int, int],
    classes: int,
    features: Matrix,
    heads: Sequence[str],
    *,
    tested: int | None = None,
    blocks: int = 1,
) -> Foreseen:
    """Estimate how long it takes to fit ``heads`` and to predict with them, and the memory.

    Args:
        counts: numbers of labels, and how many draws there are of each.
        classes: K.
        features: (N,D) of all training records.
        heads: names in :data:`headstart.evaluation.heads.HEADS`.
        tested: number of tested records; N by default.
        blocks: of the features; ``auto`` tries each, and all side by side.

    Example::

        seconds, size = foreseen({1000: 5, 15_000: 1}, 150, tfidf, ["logistic regression"])
    """
    rows, width = features.shape
    thin = sparse.issparse(features)
    values = features.nnz / max(1, rows) if thin else width
    tested = rows if tested is None else tested
    operations = seconds = 0.0
    for labels, draws in counts.items():
        sizes = _Sizes(labels, classes, width, values, thin)
        costs: dict[str, Callable[[_Sizes], float]] = {
            "logistic regression": lambda s: _linear(s, 10),
            "linear SVM": lambda s: _linear(s, 15),
            "naive Bayes SVM": _naive_bayes,
            "RBF SVM": _kernel,
            "low-rank averages": _low_rank,
            "kNN": lambda s: _neighbours(s, tested),
            "nearest template": lambda s: _SCORE * s.labels * (s.labels + tested),
            "auto": partial(_auto, blocks=blocks, records=rows, tested=tested, draws=draws),
        }
        product = 2 * (_SPARSE if thin else 1) * values * classes
        operations += draws * sum(costs[name](sizes) + tested * product for name in heads)
        seconds += draws * sum(_OVERHEAD[name] for name in heads)
    wide = max(width, rbf_svm.LANDMARKS) if "RBF SVM" in heads else width
    return Foreseen(seconds + operations / _speed(), _bytes(max(counts), classes, wide, thin))


def _bytes(labels: int, classes: int, width: int, thin: bool) -> int:
    weights = classes * width
    # A solver keeps copies of the weights; above the limit it solves some classes at a time.
    blocks = thin and weights > linear.WEIGHTS
    copies = 14 * solver.BLOCK if blocks else 18 * weights
    if thin and not blocks and labels < width:  # solved for the multiples of the rows
        copies = 2 * weights + 56 * labels * classes
    gram = 8 * min(labels, SPANNED) ** 2
    return 4 * (weights + copies + gram + (0 if thin else 2 * labels * width) + 2**24)


@cache
def _speed() -> float:
    """Return the operations per second of narrow products: a third of those of (256,256).

    It is measured once, for as long as shows what other processes leave of the machine. Threads
    that wait for each other there would make it a hundred times too slow.
    """
    matrix = np.ones((256, 256), dtype=np.float32)
    with folds.threads(len(matrix)):
        _ = matrix @ matrix
        start, count = time.perf_counter(), 0
        while time.perf_counter() < start + _MEASURED:
            _ = matrix @ matrix
            count += 1
        taken = time.perf_counter() - start
    return count * 2 * 256**3 / taken / 3
