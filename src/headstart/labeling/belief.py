"""What the labels so far say of unlabeled records: by a probe, and spread over their graph.

It is what the head that is fitted later will believe (:mod:`headstart.evaluation.heads.auto`),
without its cross-validation: a choice waits for it, and a simulation fits it again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.evaluation.heads.linear import Fitted
from headstart.evaluation.heads.logistic import LogisticRegression
from headstart.evaluation.heads.propagation import CLASSES, COVERAGE, Graph, is_few
from headstart.evaluation.heads.sides import fused


@dataclass(frozen=True)
class FittedBelief:
    """What some labels say.

    Attributes:
        regression: logistic regression on the labels.
        graph: of the unlabeled records.
        beliefs: (P,K) of its records, by what labels spread; None where they do not reach enough.
    """

    regression: Fitted
    graph: Graph
    beliefs: np.ndarray | None

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the class probabilities (m,K) of records (m,D)."""
        probe = self.regression.probabilities(features)
        if self.beliefs is None:
            return probe
        found: np.ndarray = np.exp(fused([probe, self.graph.believed(features, self.beliefs)]))
        return found


class Belief:
    """Logistic regression, averaged with what the labels spread where they reach enough records.

    Example::

        Belief(Graph(features)).fit(features[labeled], codes).probabilities(features)
    """

    def __init__(self, graph: Graph) -> None:
        # Rows of length 1 are what this scaling begins with.
        self._regression, self._graph = LogisticRegression(graph.rows, standardised=False), graph

    def fit(self, labeled: np.ndarray, codes: np.ndarray) -> FittedBelief:
        """Return what ``labeled`` (n,D) of classes ``codes`` (n,), 0..K-1, say; K is 2 or more."""
        fitted, count = self._regression.fit_plainly(labeled, codes), int(codes.max()) + 1
        sources = self._graph.sources(labeled)
        few = count <= CLASSES and is_few(len(codes), len(self._graph.rows))
        spreads = few and self._graph.coverage(sources) >= COVERAGE
        beliefs = self._graph.spread(sources, codes, count) if spreads else None
        return FittedBelief(fitted, self._graph, beliefs)


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 minus the margin (N,) between the two likeliest of K classes; 1 is a tie.

    Args:
        probabilities: (N,K).
    """
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(1 - (two[:, 1] - two[:, 0]))
