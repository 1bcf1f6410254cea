"""How much a record is like the labeled ones: those that are not had better get no label.

How sure the head is says so, and how near the nearest labeled records are; where there are
unlabeled records, also whether labeled ones are as near as those. Each is turned into standard
deviations of what labels had while they were held out, and all are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.calibration import at_temperature
from headstart.evaluation.heads.chosen import Chosen
from headstart.evaluation.heads.propagation import neighbours

#: Records whose mean cosine counts, and maximum number that are kept of labeled and of unlabeled.
NEAREST, KEPT = 3, 5000
#: Cosine above which a record and an unlabeled one are the same: they are kept in 16 bits.
SAME = 0.999


@dataclass(frozen=True)
class Familiarity:
    """What the familiarity of a record is measured by.

    Attributes:
        bank: (B,D) rows of length 1 of labeled records.
        kept: (B,) their indices among the labels.
        background: (U,D) rows of length 1 of unlabeled records; none where there are none.
        centre, scale: (2 or 3,) mean and standard deviation of the measures of held-out labels.
        scores: (n,) the sums of the measures of held-out labels, rising.
    """

    bank: np.ndarray
    kept: np.ndarray
    background: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    scores: np.ndarray

    def __call__(self, logs: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return the familiarity (m,) of features (m,D) with log-probabilities (m,K)."""
        rows = unit_length(features)
        near = nearest(rows, self.bank)[:, :NEAREST].mean(1)
        found = measures(logs.max(1), near, rows, self.background)
        return np.asarray(((found - self.centre) / self.scale).sum(1))


def familiarity(
    chosen: Chosen, features: np.ndarray, others: np.ndarray | None = None
) -> Familiarity | None:
    """Return how familiarity is measured; None where no label was held out.

    Args:
        features: (n,D) of the labels that ``chosen`` was fitted to.
        others: (U,D) of unlabeled records.

    Example::

        known = familiarity(chosen, train[drawn])
        score = known(chosen.log_probabilities(test), test)
        refused = score < bound(known.scores, 0.05)
    """
    held = chosen.held
    if held is None:
        return None
    rows = unit_length(features)
    background = unit_length(features[:0] if others is None else sample(others))
    own, kept = rows[held.records], sample(np.arange(len(rows)))
    near = mean_without(nearest(own, rows[kept]), np.isin(held.records, kept))
    sure = at_temperature(held.logs, chosen.calibration.temperature).max(1)
    found = measures(sure, near, own, background)
    centre, scale = found.mean(0), np.maximum(found.std(0), 1e-6)
    scores = np.sort(((found - centre) / scale).sum(1))
    return Familiarity(rows[kept], kept, background, centre, scale, scores)


def measures(
    sure: np.ndarray, near: np.ndarray, rows: np.ndarray, background: np.ndarray
) -> np.ndarray:
    """Return what familiarity is measured by (m,2), or (m,3) with a background (U,D).

    A record that is one of the background is not compared with itself.

    Args:
        sure: (m,) log-probability of the likeliest class; near: (m,) nearness to labeled records.
        rows: (m,D) of length 1.
    """
    if not len(background):
        return np.stack([sure, near], axis=1)
    cosines = nearest(rows, background)
    return np.stack([sure, near, near - mean_without(cosines, cosines[:, 0] > SAME)], axis=1)


def bound(scores: np.ndarray, share: float) -> float | None:
    """Return the score that a ``share`` of held-out labels (n,) is below; None if n is too small.

    Args:
        scores: rising.
    """
    below = round(share * len(scores))
    return float(scores[below]) if 0 < below < len(scores) else None


def nearest(rows: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Return the cosines (m,4), falling, of rows at length 1 to the nearest of ``bank`` (B,D)."""
    return -np.sort(-neighbours(rows, bank, NEAREST + 1, power=1, scaled=False)[1], axis=1)


def mean_without(cosines: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """Return the mean (m,) of three falling cosines (m,4): not of the first where it is itself.

    Args:
        is_first: (m,) whether the nearest is the record itself.
    """
    if cosines.shape[1] == 1:  # there is no other
        return cosines[:, 0]
    return np.where(is_first, cosines[:, 1:].mean(1), cosines[:, :NEAREST].mean(1))


def sample(rows: np.ndarray) -> np.ndarray:
    """Return an even sample of rows (n,...), at most 5,000."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), KEPT)).round().astype(np.int64)]
