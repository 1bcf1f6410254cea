"""From predictions to an outcome: the scoring that protocols share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from headstart.evaluation.outcomes import Candidate, Metric, Outcome
from headstart.evaluation.protocols.resampling import Sampled, resample


def scored(
    functions: Mapping[str, Callable[[np.ndarray, np.ndarray], float]],
    truth: np.ndarray,
    rows: Sequence[np.ndarray] | np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    seed: int,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, Sampled]:
    """Return each metric of S predictions, on all tested units and on their resamples.

    Args:
        functions: K metrics, from ``truth`` and one prediction to a number.
        truth: (N,...).
        rows: (S,N,...) predictions, one per draw of labels.
        statistic: the same metrics on resamples: from counts (r,N), how often each unit is in each
            of them, to (r,S,K).
        seed: of the resamples.
        bounds: of the metrics that are not within 0..1.
        groups: (N,) of the tested units, which are resampled as wholes; None where each is alone.
    """
    resampled = resample(len(truth), seed, statistic, groups).T
    return {
        name: Sampled(
            np.array([function(truth, row) for row in rows]),
            resampled[index],
            *(bounds or {}).get(name, (0.0, 1.0)),
        )
        for index, (name, function) in enumerate(functions.items())
    }


def outcome_of(
    candidate: Candidate,
    probe: str,
    metric: Metric,
    sampled: Mapping[str, Sampled],
    *,
    labels: int = 0,
    predictions: np.ndarray | None = None,
    validation: float = math.nan,
) -> Outcome:
    """Return a candidate's outcome, of which ``metric`` is the headline."""
    headline = sampled[metric.name]
    return Outcome(
        candidate=candidate.name,
        kind=candidate.kind,
        repeats=candidate.repeats,
        joined_with=candidate.joined_with,
        parts=candidate.parts,
        probe=probe,
        labels=labels,
        predictions=predictions,
        scores={name: each.estimate() for name, each in sampled.items()},
        by_draw=headline.by_draw,
        by_resample=headline.by_resample,
        validation=validation,
    )
