"""Resampled scores are those that the libraries give for the resampled records themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    adjusted_rand_score,
    average_precision_score,
    f1_score,
    mean_absolute_error,
    normalized_mutual_info_score,
    r2_score,
)

from headstart.evaluation.protocols import clustering, multilabel, regression, similarity
from headstart.evaluation.protocols.resampling import (
    RESAMPLES,
    Sampled,
    averaged,
    correlation,
    over_units,
    ranks,
    resample,
)

N = 60


@pytest.fixture
def counts() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([np.bincount(rng.integers(0, N, N), minlength=N) for _ in range(5)]).astype(
        np.float32
    )


def repeated(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.repeat(values, counts.astype(int), axis=0)


def test_resamples_are_of_full_size_and_the_same_each_time() -> None:
    seen = resample(30, 1, lambda counts: counts)
    assert seen.shape == (RESAMPLES, 30)
    assert (seen.sum(1) == 30).all()
    np.testing.assert_array_equal(seen, resample(30, 1, lambda counts: counts))
    assert (seen != resample(30, 2, lambda counts: counts)).any()


def test_a_mean_over_units_has_the_interval_of_its_standard_error() -> None:
    values = np.random.default_rng(0).random((1, 400))
    found = averaged(values, 0).estimate()
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(half, rel=0.15)


def test_copies_in_groups_have_the_interval_of_the_records_alone() -> None:
    values = np.random.default_rng(0).random((1, 100))
    groups = np.repeat(np.arange(100), 4)
    alone, copied = averaged(values, 0), averaged(np.repeat(values, 4, axis=1), 0, groups)
    assert copied.by_resample.std() == pytest.approx(alone.by_resample.std(), rel=1e-4)


def test_the_spread_over_draws_widens_the_interval() -> None:
    by_draw = np.array([0.4, 0.5, 0.6])
    found = Sampled(by_draw, np.repeat(by_draw[:, None], RESAMPLES, 1)).estimate()
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert found.high == pytest.approx(0.5 + half)


def test_what_is_of_a_draw_and_a_unit_together_counts_once() -> None:
    """Of a table in which every cell has chance of its own, all is in the variance of the draws."""
    rng = np.random.default_rng(0)
    draws, units = 5, 400
    cells = rng.standard_normal((200, draws, units))
    of_units = rng.standard_normal((200, 1, units))
    for table, left in ((cells, 0.0), (0 * cells + of_units, 1 / units)):
        found = [over_units(averaged(one, 0).by_resample) for one in table]
        assert np.mean(found) == pytest.approx(left, abs=0.1 / units / draws + 0.03 * left)
    both = cells + of_units
    found = [
        one.mean(1).var(ddof=1) / draws + over_units(averaged(one, 0).by_resample) for one in both
    ]
    assert np.mean(found) == pytest.approx(1 / units + 1 / units / draws, rel=0.1)
    assert np.var([one.mean() for one in both]) == pytest.approx(np.mean(found), rel=0.2)


def test_ranks_and_correlations_are_those_of_the_repeated_records(counts: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 6, N).astype(float), rng.normal(size=N)
    spearman = correlation(ranks(left, counts), ranks(right, counts), counts)
    pearson = correlation(left, right, counts)
    for row, weights in enumerate(counts):
        pair = repeated(left, weights), repeated(right, weights)
        assert spearman[row] == pytest.approx(stats.spearmanr(*pair).statistic)
        assert pearson[row] == pytest.approx(stats.pearsonr(*pair).statistic)
    assert correlation(np.ones(N), right, counts).tolist() == [0.0] * 5


def test_cluster_agreement_is_that_of_the_repeated_records(counts: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 4, N)
    found = np.where(rng.random(N) < 0.6, truth, rng.integers(0, 5, N))
    joint = truth * 5 + found
    members = [np.eye(size)[codes] for codes, size in ((truth, 4), (found, 5), (joint, 20))]
    scores = clustering.agreement(*(counts @ part for part in members))
    for row, weights in enumerate(counts):
        pair = repeated(truth, weights), repeated(found, weights)
        assert scores[row, 0] == pytest.approx(normalized_mutual_info_score(*pair))
        assert scores[row, 1] == pytest.approx(adjusted_rand_score(*pair))


def test_average_precision_is_that_of_the_repeated_records_ties_included(
    counts: np.ndarray,
) -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(N) < 0.3
    predicted = rng.integers(0, 10, N) / 10
    found = multilabel.average_precision(predicted, truth, counts)
    for row, weights in enumerate(counts):
        expected = average_precision_score(repeated(truth, weights), repeated(predicted, weights))
        assert found[row] == pytest.approx(expected, rel=1e-5)


def test_scores_of_protocols_have_resamples_that_scatter_about_them() -> None:
    """A slip in a vectorised score would move its resamples away from the library's score."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=300)
    guesses = np.stack([truth + rng.normal(size=300) for _ in range(2)])
    for name, sampled in regression.score(guesses, truth, 0).items():
        assert sampled.by_resample.mean() == pytest.approx(sampled.by_draw.mean(), abs=0.02), name
    found = regression.score(guesses, truth, 0)
    assert found["R2"].by_draw[0] == pytest.approx(r2_score(truth, guesses[0]))
    assert found["MAE"].by_draw[1] == pytest.approx(mean_absolute_error(truth, guesses[1]))
    labels = rng.random((300, 3)) < 0.4
    predicted = np.clip(labels * 0.4 + rng.random((2, 300, 3)) * 0.6, 0, 1)
    several = multilabel.score(predicted, labels, 0)
    for name, sampled in several.items():
        assert sampled.by_resample.mean() == pytest.approx(sampled.by_draw.mean(), abs=0.02), name
    assert several["micro F1"].by_draw[0] == f1_score(labels, predicted[0] > 0.5, average="micro")


def test_scores_without_labels_have_resamples_that_scatter_about_them() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 300)
    guesses = np.where(rng.random((2, 300)) < 0.8, truth, rng.integers(0, 3, (2, 300)))
    found = clustering.score(guesses, truth, 0)["NMI"]
    assert found.by_resample.shape == (2, RESAMPLES)
    assert found.by_resample.mean(1) == pytest.approx(found.by_draw, abs=0.03)
    people = rng.random(300)
    cosines = people[None] + 0.3 * rng.random((1, 300))
    found = similarity.score(cosines, people, 0)["Spearman"]
    assert found.by_resample.shape == (1, RESAMPLES)
    assert found.by_resample.mean() == pytest.approx(found.by_draw[0], abs=0.02)


def test_groups_are_resampled_as_wholes() -> None:
    groups = np.repeat(np.arange(40), 25)
    right = (groups % 2).astype(np.float32)

    def share(counts: np.ndarray) -> np.ndarray:
        return np.asarray(counts @ right / counts.sum(1))

    whole, alone = resample(1000, 0, share, groups), resample(1000, 0, share)
    assert whole.std() == pytest.approx(0.5 / 40**0.5, rel=0.15)  # of 40 coins, not of 1,000
    assert alone.std() == pytest.approx(0.5 / 1000**0.5, rel=0.15)
    unequal = np.repeat([0, 1], [990, 10])
    assert set(resample(1000, 0, lambda counts: counts.sum(1), unequal)) == {20, 1000, 1980}
