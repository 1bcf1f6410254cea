"""Sentence similarity: does the cosine of two records rank pairs as people do?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse, stats

from headstart.batch import Progress
from headstart.config import EvaluateConfig
from headstart.data.pairs import scores_of
from headstart.data.vectors import Matrix, unit_length
from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate, Metric, Outcome, Results
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.reading import read
from headstart.evaluation.protocols.resampling import correlation, ranks
from headstart.evaluation.protocols.scoring import outcome_of, scored

if TYPE_CHECKING:
    from datasets import Dataset

METRIC = Metric("Spearman", percent=False)


def measure(
    candidates: list[Candidate],
    train: Dataset,
    test: Dataset | None,
    config: EvaluateConfig,
    progress: Progress | None = None,
) -> Results:
    """Correlate the cosine of each pair with its score, by rank and linearly.

    This is the protocol of the STS tasks (Agirre et al. 2012; Cer et al. 2017). Nothing is
    fitted, so no label is used: the scores are only compared with. Intervals come from
    resampling the pairs.

    Args:
        candidates: with features (2M,D): all firsts, then all seconds.
        train: pairs that stand in for ``test`` where there is none.
        test: pairs as :func:`headstart.data.pairs.read_pairs` returns them.

    Raises:
        HeadstartError: fewer than three pairs, or one score only.
    """
    tested = train if test is None else test
    truth = scores_of(tested)
    if len(truth) < 3 or len(np.unique(truth)) < 2:
        raise HeadstartError(
            f"{config.test or config.train}: {len(truth)} pair(s) with {len(np.unique(truth))} "
            "different score(s) cannot be ranked; name a file with more."
        )
    outcomes = []
    for number, candidate in enumerate(candidates, 1):
        features = candidate.train if test is None else candidate.test
        if features is not None:
            outcomes.append(_outcome(candidate, cosines(features), truth, config.seed))
        if progress:
            progress(number, len(candidates))
    return Results(
        task="similarity",
        metric=METRIC,
        truth=truth,
        training=len(train) // 2,
        outcomes=outcomes,
        unit="pairs",
    )


PROTOCOL = Protocol(
    "Does the cosine of two records agree with people's scores?",
    measure,
    read=partial(read, task="similarity"),
    split=False,
)


def cosines(features: Matrix) -> np.ndarray:
    """Return the cosine (M,) of each pair of ``features`` (2M,D); with a zero vector it is 0."""
    rows = unit_length(features)
    half = rows.shape[0] // 2
    if sparse.issparse(rows):
        return np.asarray(rows[:half].multiply(rows[half:]).sum(1)).ravel()
    return np.einsum("nd,nd->n", rows[:half], rows[half:], dtype=np.float64)


def _outcome(candidate: Candidate, cosine: np.ndarray, truth: np.ndarray, seed: int) -> Outcome:
    # Cosines of equal pairs differ in the last bits, which must not make ranks of them.
    cosine = cosine.round(6)

    def statistic(counts: np.ndarray) -> np.ndarray:
        ranked = correlation(ranks(cosine, counts), ranks(truth, counts), counts)
        return np.stack([ranked, correlation(cosine, truth, counts)], axis=1)[:, None]

    def told(test: Callable[..., Any], truth: np.ndarray, row: np.ndarray) -> float:
        return float(test(row, truth).statistic) if len(np.unique(row)) > 1 else 0.0

    functions = {
        "Spearman": partial(told, stats.spearmanr),
        "Pearson": partial(told, stats.pearsonr),
    }
    bounds = dict.fromkeys(functions, (-1.0, 1.0))
    sampled = scored(functions, truth, cosine[None], statistic, seed, bounds)
    return outcome_of(candidate, "cosine", METRIC, sampled, predictions=cosine[None])
