"""The support vector machine with a Gaussian kernel, exact for few labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.folds import THREE_FOLDS, deal, deciding, threads
from headstart.evaluation.heads.linear_svm import LinearSVM
from headstart.evaluation.heads.rows import Scaling, scalings

#: Multiples of one over the median squared distance, and penalties.
_GAMMAS = (0.25, 1.0, 4.0)
_GRID = (1.0, 10.0)
#: Maximum number of labels of an exact kernel, and of landmarks of an approximate one.
_EXACT, _LANDMARKS = 2000, 1000
#: Number of rows whose distances give the median, and of tested rows at once.
_MEDIAN, _CHUNK = 500, 1024


@dataclass(frozen=True)
class Fitted:
    """A fitted SVM: ``decide`` maps scaled rows (m,D) to their classes (m,)."""

    scaling: Scaling
    decide: Callable[[np.ndarray], np.ndarray]
    validation: float

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the classes (m,) of ``test`` (m,D)."""
        starts = range(0, max(1, test.shape[0]), _CHUNK)
        parts = [self.decide(self.scaling(test[start : start + _CHUNK])) for start in starts]
        return np.concatenate(parts)


class RBFSVM:
    """An SVM with the kernel ``exp(-gamma |x - y|^2)``, one class against another.

    The scaling, gamma (around one over the median squared distance of two records) and C are chosen
    by the accuracy in cross-validation. With more than 2,000 labels the kernel is approximated by
    1,000 landmarks (Nystroem; Williams and Seeger 2001, "Using the Nystroem Method to Speed Up
    Kernel Machines"), and a linear SVM is fitted on their features.

    Args:
        features: (N,D) dense, of all training records.
    """

    #: There is a machine for every pair of classes.
    most_classes: ClassVar[int | None] = 100

    def __init__(self, features: Matrix) -> None:
        self._scalings = scalings(features)
        sample = np.linspace(0, len(features) - 1, min(len(features), _MEDIAN)).astype(np.int64)
        self._spreads = [_median(scaling(features[sample])) for scaling in self._scalings]

    def fit(self, train: Matrix, classes: np.ndarray, rng: np.random.Generator) -> Fitted:
        """Fit on ``train`` (n,D) of ``classes`` (n,), two different ones at least."""
        with threads(len(classes)):
            scaling, gamma, penalty, validation = self._choose(train, classes, rng)
            rows = scaling(train)
            if len(rows) > _EXACT:
                return Fitted(scaling, _approximate(rows, classes, gamma, rng), validation)
            machine = _machine(_kernel(rows, rows, gamma), classes, penalty)
        return Fitted(scaling, lambda test: machine.predict(_kernel(test, rows, gamma)), validation)

    def _choose(
        self, train: np.ndarray, classes: np.ndarray, rng: np.random.Generator
    ) -> tuple[Scaling, float, float, float]:
        """Return the scaling, gamma, C and their accuracy in cross-validation."""
        drawn = deciding(classes, rng)
        if drawn is not None:
            train, classes = train[drawn], classes[drawn]
        codes = np.unique(classes, return_inverse=True)[1]
        parts = deal(codes, 3 if len(codes) > THREE_FOLDS else 5, rng)
        choice = (self._scalings[0], 1 / self._spreads[0], _GRID[1], np.nan)
        if parts is None:
            return choice
        best = -1.0
        for scaling, spread in zip(self._scalings, self._spreads, strict=True):
            rows = scaling(train)
            for multiple in _GAMMAS:
                kernel = _kernel(rows, rows, multiple / spread)
                for penalty in _GRID:
                    accuracy = _validated(kernel, codes, parts, penalty)
                    if accuracy > best:
                        best = accuracy
                        choice = (scaling, multiple / spread, penalty, accuracy)
        return choice


def _validated(kernel: np.ndarray, codes: np.ndarray, parts: np.ndarray, penalty: float) -> float:
    """Return the accuracy in cross-validation of one kernel (n,n) and one C."""
    right = 0
    for part in np.unique(parts):
        held = parts == part
        machine = _machine(kernel[~held][:, ~held], codes[~held], penalty)
        right += int((machine.predict(kernel[held][:, ~held]) == codes[held]).sum())
    return right / len(codes)


def _machine(kernel: np.ndarray, classes: np.ndarray, penalty: float) -> Any:
    from sklearn.svm import SVC

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")  # few labels are usual
        return SVC(C=penalty, kernel="precomputed").fit(kernel, classes)


def _approximate(
    rows: np.ndarray, classes: np.ndarray, gamma: float, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.kernel_approximation import Nystroem

    count = min(_LANDMARKS, len(rows))
    seed = int(rng.integers(2**31))
    features = Nystroem(gamma=gamma, n_components=count, random_state=seed).fit(rows)
    mapped = features.transform(rows).astype(np.float32)
    machine = LinearSVM(mapped).fit(mapped, classes, rng)
    return lambda test: machine.predict(features.transform(test).astype(np.float32))


def _kernel(left: np.ndarray, right: np.ndarray, gamma: float) -> np.ndarray:
    from sklearn.metrics.pairwise import rbf_kernel

    return np.asarray(rbf_kernel(left, right, gamma))


def _median(rows: np.ndarray) -> float:
    """Return the median squared distance of two different rows; 1 if all are equal."""
    from scipy.spatial.distance import pdist

    distances = pdist(rows, "sqeuclidean")
    return float(np.median(distances[distances > 0])) if distances.any() else 1.0
