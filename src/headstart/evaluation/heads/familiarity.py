"""How much a record is like the labeled ones: those that are not had better get no label.

Two things say so: how sure the head is, and how near the nearest labeled records are. Either is
turned into standard deviations of what labels had while they were held out, and both are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.calibration import at_temperature
from headstart.evaluation.heads.chosen import Chosen
from headstart.evaluation.heads.propagation import neighbours

#: Labeled records whose mean cosine counts, and maximum number of labeled records that are kept.
NEAREST, KEPT = 3, 5000


@dataclass(frozen=True)
class Familiarity:
    """What the familiarity of a record is measured by.

    Attributes:
        bank: (B,D) rows of length 1 of labeled records.
        kept: (B,) their indices among the labels.
        centre, scale: (2,) mean and standard deviation of the log-probability of the likeliest
            class, and of the mean cosine, of held-out labels.
        scores: (n,) the sums of both of held-out labels, rising.
    """

    bank: np.ndarray
    kept: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    scores: np.ndarray

    def __call__(self, logs: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return the familiarity (m,) of features (m,D) with log-probabilities (m,K)."""
        both = np.stack([logs.max(1), nearness(unit_length(features), self.bank)], axis=1)
        return np.asarray(((both - self.centre) / self.scale).sum(1))


def familiarity(chosen: Chosen, features: np.ndarray) -> Familiarity | None:
    """Return how familiarity is measured; None where no label was held out.

    Args:
        features: (n,D) of the labels that ``chosen`` was fitted to.

    Example::

        known = familiarity(chosen, train[drawn])
        score = known(chosen.log_probabilities(test), test)
        refused = score < bound(known.scores, 0.05)
    """
    held = chosen.held
    if held is None:
        return None
    rows = unit_length(features)
    own = rows[held.records]
    near = np.empty(len(own), dtype=np.float32)
    for part in np.unique(held.parts):
        out = held.parts == part
        near[out] = nearness(own[out], own[~out])
    sure = at_temperature(held.logs, chosen.calibration.temperature).max(1)
    both = np.stack([sure, near], axis=1)
    centre, scale = both.mean(0), np.maximum(both.std(0), 1e-6)
    kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), KEPT)).round().astype(np.int64))
    scores = np.sort(((both - centre) / scale).sum(1))
    return Familiarity(rows[kept], kept, centre, scale, scores)


def bound(scores: np.ndarray, share: float) -> float | None:
    """Return the score that a ``share`` of held-out labels (n,) is below; None if n is too small.

    Args:
        scores: rising.
    """
    below = round(share * len(scores))
    return float(scores[below]) if 0 < below < len(scores) else None


def nearness(rows: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return the mean cosine (m,) of rows at length 1 to the three nearest of ``bank`` (B,D)."""
    cosines = neighbours(rows, bank, NEAREST, power=1, scaled=False)[1]
    return np.asarray(cosines.mean(1))
