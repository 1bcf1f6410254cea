"""What a few labels are turned into: linear classifiers, and beliefs of the nearest records.

Each is one side of a head; the log-probabilities of several sides are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headstart.data.vectors import Matrix, unit_length
from headstart.evaluation.heads.linear import Fitted
from headstart.evaluation.heads.propagation import Graph

#: Kinds of sides.
REGRESSION, MEANS, SPREAD = "regression", "means", "spread"
#: Share of a uniform distribution that is mixed in before the logarithms of several sides.
FLOOR = 0.02
#: Inverse temperatures of the nearest class mean, by squared distances of rows of length 1.
SCALES = (2.0, 5.0, 10.0, 20.0, 40.0)


class Names(NamedTuple):
    """Class names, as further examples.

    Attributes:
        rows: (J,D) their features.
        classes: (J,) what each is the name of, in the coding of the labels.
    """

    rows: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class View:
    """Some blocks of the features side by side, each at length 1 times its weight.

    Attributes:
        parts: start, stop and weight of each; () for the features as they are.
        name: for messages.
        standardised: whether logistic regression also tries each dimension standardised. Then
            blocks are the same whatever their weights are, so that it is enough for one weight.
    """

    parts: tuple[tuple[int, int, float], ...] = ()
    name: str = ""
    standardised: bool = True

    def __call__(self, features: Matrix) -> Matrix:
        """Return rows (n,E) of features (n,D)."""
        if not self.parts:
            return features
        return np.hstack(
            [
                np.float32(weight) * unit_length(features[:, start:stop])
                for start, stop, weight in self.parts
            ]
        )


@dataclass(frozen=True)
class LinearSide:
    """A linear classifier of a view: logistic regression, or the nearest class mean."""

    view: View
    fitted: Fitted

    def probabilities(self, features: Matrix, count: int) -> np.ndarray:
        """Return the probabilities (m,K) of features (m,D); 0 for a class that has no example."""
        known = self.fitted.probabilities(self.view(features))
        if known.shape[1] == count:
            return known
        found = np.zeros((len(known), count), dtype=np.float32)
        found[:, self.fitted.classes] = known
        return found


@dataclass(frozen=True)
class SpreadSide:
    """The mean belief of the nearest records of a graph.

    Attributes:
        beliefs: (P,K) class probabilities of its records.
    """

    view: View
    graph: Graph
    beliefs: np.ndarray

    def probabilities(self, features: Matrix, count: int) -> np.ndarray:
        """Return the probabilities (m,K) of features (m,D)."""
        return self.graph.believed(self.view(features), self.beliefs)


Side = LinearSide | SpreadSide


def fused(sides: Sequence[np.ndarray]) -> np.ndarray:
    """Return log-probabilities (m,K): the normalised mean of those of the sides, each (m,K)."""
    from scipy.special import log_softmax

    if len(sides) == 1:
        return np.log(np.maximum(sides[0], np.float32(1e-12)))
    count = sides[0].shape[1]
    total = sum(np.log((1 - FLOOR) * each + FLOOR / count) for each in sides)
    found: np.ndarray = log_softmax(total / len(sides), axis=1)
    return found


def nearest_mean(rows: np.ndarray, codes: np.ndarray, scale: float) -> Fitted:
    """Return the softmax over ``-scale |u - c|^2`` of rows at length 1 and the mean c of a class.

    Prototypes of Snell et al. 2017 ("Prototypical Networks for Few-shot Learning", section 2.3),
    which are linear: ``2 scale u.c - scale |c|^2`` differs by what all classes share.

    Args:
        rows: (n,D); codes: (n,) their classes.
    """
    unit = unit_length(rows)
    known = np.unique(codes)
    means = np.stack([unit[codes == code].mean(0) for code in known])
    weights = (2 * scale * means.T).astype(np.float32)
    bias = (-scale * np.square(means).sum(1)).astype(np.float32)
    return Fitted(True, known, weights, bias, np.nan)
