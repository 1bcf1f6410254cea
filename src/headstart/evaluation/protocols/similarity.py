"""Sentence similarity: does the cosine of two records rank pairs as people do?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse, stats

from headstart.config import EvaluateConfig
from headstart.data.pairs import ALIKE, scores_of
from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate, Metric, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.measuring import (
    LabeledData,
    Measurement,
    Predict,
    Prediction,
    one_by_one,
)
from headstart.evaluation.protocols.reading import read_pairs
from headstart.evaluation.protocols.resampling import Sampled, correlation, ranks
from headstart.evaluation.protocols.scoring import scored

METRIC = Metric("Spearman", percent=False)


def measure(data: LabeledData, config: EvaluateConfig) -> Measurement:
    """Correlate the cosine of each pair with its score, by rank and linearly.

    This is the protocol of the STS tasks (Agirre et al. 2012; Cer et al. 2017,
    https://arxiv.org/abs/1708.00055). Nothing is fitted. Intervals come from resampling the pairs.

    Args:
        data: flattened pairs, see :mod:`headstart.data.pairs`; features are (2M,D), all first
            records, then all second ones.

    Raises:
        HeadstartError: fewer than three pairs, or one score only.
    """
    truth = scores_of(data.tested)
    if len(truth) < 3 or len(np.unique(truth)) < 2:
        raise HeadstartError(
            f"{config.test or config.train}: {len(truth)} pair(s) with {len(np.unique(truth))} "
            "different score(s) cannot be ranked; name a file with more."
        )

    def probes(candidate: Candidate) -> dict[str, Predict]:
        features = data.features(candidate)
        if features is None:
            return {}
        # Cosines of equal pairs differ in the last bits, which must not break ties.
        return {"cosine": lambda drawn, seed: Prediction(cosines(features).round(6))}

    return Measurement(
        results=Results(
            task="similarity",
            metric=METRIC,
            truth=truth,
            training=len(data.train) // 2,
            unit="pairs",
        ),
        probes=probes,
        score=one_by_one(METRIC, lambda rows: score(rows, truth, config.seed)),
        seeds={0: [config.seed]},
    )


PROTOCOL = Protocol(
    "Does the cosine of two records agree with people's scores?",
    measure,
    read=partial(read_pairs, names=ALIKE, scored=True),
    split=None,
    alone=True,
    how="Nothing is fitted: the cosine of two vectors is compared with people's score.",
)


def cosines(features: Matrix) -> np.ndarray:
    """Return the cosine (M,) of each pair of ``features`` (2M,D); 0 for a zero vector."""
    rows = unit_length(features)
    half = rows.shape[0] // 2
    if sparse.issparse(rows):
        return np.asarray(rows[:half].multiply(rows[half:]).sum(1)).ravel()
    return np.einsum("nd,nd->n", rows[:half], rows[half:], dtype=np.float64)


def score(rows: np.ndarray, truth: np.ndarray, seed: int) -> dict[str, Sampled]:
    """Return both correlations of the cosines (1,M) with the scores (M,)."""
    cosine = rows[0]

    def statistic(counts: np.ndarray) -> np.ndarray:
        ranked = correlation(ranks(cosine, counts), ranks(truth, counts), counts)
        return np.stack([ranked, correlation(cosine, truth, counts)], axis=1)[:, None]

    def correlated(test: Callable[..., Any], truth: np.ndarray, row: np.ndarray) -> float:
        return float(test(row, truth).statistic) if len(np.unique(row)) > 1 else 0.0

    functions = {
        "Spearman": partial(correlated, stats.spearmanr),
        "Pearson": partial(correlated, stats.pearsonr),
    }
    return scored(functions, truth, rows, statistic, seed, dict.fromkeys(functions, (-1.0, 1.0)))
