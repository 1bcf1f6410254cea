"""Results with scores that are made up, for tests of what is said about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import ACCURACY, Kind, Metric, Outcome, Results

RESAMPLES = 400


def outcome(
    name: str,
    kind: Kind,
    labels: int,
    by_draw: list[float],
    noise: float = 0.0,
    seed: int = 0,
    probe: str = "logistic regression",
) -> Outcome:
    """Return an outcome whose resampled scores vary by ``noise`` (equally for equal seeds)."""
    mean = float(np.mean(by_draw))
    shared = noise * np.random.default_rng(seed).standard_normal(RESAMPLES)
    by_resample = np.array(by_draw)[:, None] + shared
    scores = {"accuracy": Estimate(mean, mean, mean)}
    return Outcome(name, kind, probe, labels, None, scores, np.array(by_draw), by_resample)


def results(
    outcomes: list[Outcome],
    counts: dict[int, str],
    *,
    training: int = 10**9,
    metric: Metric = ACCURACY,
    units: int = 1000,
    **options: Any,
) -> Results:
    """Return results of these outcomes."""
    return Results(
        task="classification",
        metric=metric,
        classes=["no", "yes"],
        truth=np.zeros(units, dtype=np.int64),
        counts=counts,
        training=training,
        seeds=5,
        outcomes=outcomes,
        **options,
    )
