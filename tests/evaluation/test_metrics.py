from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.metrics import (
    SCORES,
    confusion,
    difference,
    estimates,
    scores,
    t_half_width,
)


def test_scores_by_hand() -> None:
    # truth 0 0 0 1 1 2, predicted 0 0 1 1 1 1: class 2 is never predicted
    counts = confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 1]), 3)
    assert counts.toarray().tolist() == [[2, 1, 0], [0, 2, 0], [0, 1, 0]]
    accuracy, precision, recall, f1 = scores(counts)
    assert accuracy == pytest.approx(4 / 6)
    assert precision == pytest.approx((1 + 2 / 4 + 0) / 3)
    assert recall == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert f1 == pytest.approx((4 / 5 + 4 / 6 + 0) / 3)


def test_scores_agree_with_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 5, 60), rng.integers(0, 4, 60)
    macro = precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)
    found = scores(confusion(truth, predicted, 7))  # two classes occur nowhere
    assert found == pytest.approx([accuracy_score(truth, predicted), *macro[:3]])


def test_the_t_interval_by_hand() -> None:
    # mean 3, standard deviation sqrt(2.5), t(0.975, 4) = 2.7764
    half = t_half_width(np.array([1.0, 2, 3, 4, 5]))
    assert float(half) == pytest.approx(2.7764 * np.sqrt(2.5 / 5), rel=1e-4)
    assert float(t_half_width(np.array([4.0]))) == 0


def test_one_draw_has_the_interval_of_the_tested_records() -> None:
    truth = np.zeros(400, dtype=int)
    predictions = (np.arange(400) < 100).astype(int)[None]  # 75% right
    found = estimates(truth, predictions, 2, np.random.default_rng(0))["accuracy"]
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.mean == pytest.approx(0.75)
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)


def test_a_paired_difference_by_hand() -> None:
    one = np.array([[True] * 8 + [False] * 2])
    other = np.array([[True] * 6 + [False] * 4])
    found = difference(one, other)
    assert found.mean == pytest.approx(0.2)
    assert found.high - found.mean == pytest.approx(1.96 * np.sqrt(0.2 * 0.8 / 10), rel=1e-4)


def test_draws_that_differ_widen_a_difference() -> None:
    rng = np.random.default_rng(0)
    other = np.zeros((4, 1000), dtype=bool)
    steady = np.stack([rng.random(1000) < 0.5 for _ in range(4)])
    shaky = np.stack([rng.random(1000) < share for share in (0.1, 0.9, 0.2, 0.8)])
    narrow, wide = difference(steady, other), difference(shaky, other)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_equal_predictions_differ_by_nothing() -> None:
    same = np.array([[True, False, True], [False, True, True]])
    found = difference(same, same)
    assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_resamples_of_a_confusion_matrix_agree_with_those_of_its_records() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 40, 300)
    predicted = np.where(rng.random(300) < 0.6, truth, rng.integers(0, 40, 300))
    found = estimates(truth, predicted[None], 40, np.random.default_rng(0))
    drawn = rng.integers(0, 300, (1000, 300))
    every = np.stack([scores(confusion(truth[at], predicted[at], 40)) for at in drawn])
    for name, spread in zip(SCORES, every.std(0), strict=True):
        half = (found[name].high - found[name].low) / 2
        assert half == pytest.approx(1.96 * spread, rel=0.15)


def test_memory_does_not_grow_with_the_square_of_the_classes() -> None:
    classes = 200_000  # whose square would take 300 GiB
    truth = np.arange(0, classes, 100)
    found = estimates(truth, np.stack([truth, truth * 0]), classes, np.random.default_rng(0))
    assert found["accuracy"].mean == pytest.approx((1 + 1 / len(truth)) / 2)


def test_an_interval_of_groups_is_that_of_so_many_records() -> None:
    truth = np.repeat(np.arange(50) % 2, 20)
    predicted = np.where(np.arange(50) % 5, np.arange(50) % 2, 1 - np.arange(50) % 2)
    groups = np.repeat(np.arange(50), 20)
    rows = np.repeat(predicted, 20)[None]
    whole = estimates(truth, rows, 2, np.random.default_rng(0), groups)["accuracy"]
    few = estimates(truth[::20], predicted[None], 2, np.random.default_rng(0))["accuracy"]
    assert whole.mean == few.mean == pytest.approx(0.8)
    assert whole.high - whole.low == pytest.approx(few.high - few.low, rel=0.1)
