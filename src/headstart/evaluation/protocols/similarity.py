"""Sentence similarity: does the cosine of two records rank pairs as people do?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse, stats

from headstart.config import EvaluateConfig
from headstart.errors import HeadstartError
from headstart.evaluation.features import Progress
from headstart.evaluation.outcomes import Contender, Metric, Outcome, Results
from headstart.evaluation.probes import Matrix, unit_length
from headstart.evaluation.protocols import Protocol
from headstart.evaluation.protocols.pairs import scores_of
from headstart.evaluation.protocols.reading import read
from headstart.evaluation.protocols.resampling import Sampled, correlation, ranks, resample

if TYPE_CHECKING:
    from datasets import Dataset

METRIC = Metric("Spearman", percent=False)


def measure(
    contenders: list[Contender],
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
        contenders: with features (2M,D): all firsts, then all seconds.
        train: pairs that stand in for ``test`` where there is none.
        test: pairs as :func:`headstart.evaluation.protocols.pairs.read_pairs` returns them.

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
    for number, contender in enumerate(contenders, 1):
        features = contender.train if test is None else contender.test
        if features is not None:
            outcomes.append(_outcome(contender, cosines(features), truth, config.seed))
        if progress:
            progress(number, len(contenders))
    return Results(
        task="similarity",
        metric=METRIC,
        classes=[],
        truth=truth,
        counts={0: "no labels"},
        notes=[],
        training=len(train) // 2,
        seeds=1,
        folds=0,
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


def _outcome(contender: Contender, cosine: np.ndarray, truth: np.ndarray, seed: int) -> Outcome:
    # Cosines of equal pairs differ in the last bits, which must not make ranks of them.
    cosine = cosine.round(6)

    def statistic(counts: np.ndarray) -> np.ndarray:
        ranked = correlation(ranks(cosine, counts), ranks(truth, counts), counts)
        return np.stack([ranked, correlation(cosine, truth, counts)], axis=1)

    resampled = resample(len(truth), seed, statistic)
    constant = len(np.unique(cosine)) < 2
    values = {
        "Spearman": 0.0 if constant else float(stats.spearmanr(cosine, truth).statistic),
        "Pearson": 0.0 if constant else float(stats.pearsonr(cosine, truth).statistic),
    }
    sampled = {
        name: Sampled(np.array([value]), resampled[None, :, place])
        for place, (name, value) in enumerate(values.items())
    }
    return Outcome(
        contender=contender.name,
        kind=contender.kind,
        probe="cosine",
        labels=0,
        predictions=cosine[None],
        scores={name: metric.estimate(low=-1.0) for name, metric in sampled.items()},
        by_draw=sampled["Spearman"].by_draw,
        by_resample=sampled["Spearman"].by_resample,
    )
