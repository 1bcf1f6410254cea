from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.outcomes import Candidate, Metric
from headstart.evaluation.protocols.resampling import RESAMPLES, resample
from headstart.evaluation.protocols.scoring import outcome_of, scored

TRUTH = np.arange(50.0)
ROWS = TRUTH - 2 + np.random.default_rng(0).standard_normal((3, 50))  # two too low


def lag(truth: np.ndarray, row: np.ndarray) -> float:
    return float((row - truth).mean())


def square(truth: np.ndarray, row: np.ndarray) -> float:
    return float(((row - truth) ** 2).mean())


def statistic(counts: np.ndarray) -> np.ndarray:
    found = ROWS - TRUTH
    return np.stack([counts @ found.T, counts @ (found**2).T], axis=2) / len(TRUTH)


def test_each_measure_has_its_draws_its_resamples_and_its_bounds() -> None:
    bounds = {"lag": (-np.inf, np.inf)}
    found = scored({"lag": lag, "square": square}, TRUTH, ROWS, statistic, 0, bounds)
    for name, function, index in (("lag", lag, 0), ("square", square, 1)):
        each = found[name]
        assert each.by_draw == pytest.approx([function(TRUTH, row) for row in ROWS])
        assert each.by_resample.shape == (3, RESAMPLES)
        np.testing.assert_allclose(each.by_resample, resample(50, 0, statistic)[:, :, index].T)
    free, share = found["lag"].estimate(), found["square"].estimate()
    assert free.low < free.mean < free.high < 0  # no share of 1, and not cut
    assert share.high == 1 < share.mean  # cut where shares end


def test_an_outcome_has_all_scores_and_one_headline() -> None:
    found = scored({"lag": lag, "square": square}, TRUTH, ROWS, statistic, 0)
    metric = Metric("square", percent=False)
    outcome = outcome_of(Candidate("ours", "pretrained"), "ruler", metric, found, labels=7)
    assert (outcome.candidate, outcome.kind, outcome.probe) == ("ours", "pretrained", "ruler")
    assert (outcome.labels, outcome.predictions, set(outcome.scores)) == (7, None, set(found))
    assert outcome.by_draw is found["square"].by_draw
    assert outcome.by_resample is found["square"].by_resample
