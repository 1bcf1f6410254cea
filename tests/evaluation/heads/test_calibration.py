"""Probabilities that can be taken at their word, and records unlike the labeled ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from headstart.data.vectors import unit_length
from headstart.evaluation.heads.auto import Auto
from headstart.evaluation.heads.calibration import (
    at_temperature,
    calibrated,
    calibration_error,
)
from headstart.evaluation.heads.familiarity import bound, familiarity, measures, nearest


def drawn(count: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities that are too sharp by a factor, and classes drawn from the true ones."""
    generator = np.random.default_rng(0)
    logs = log_softmax(2 * generator.normal(size=(count, 4)), axis=1)
    codes = np.array([generator.choice(4, p=np.exp(row)) for row in logs])
    return log_softmax(sharpness * logs, axis=1), codes


@pytest.mark.parametrize("sharpness", [0.5, 3.0])
def test_the_temperature_undoes_what_is_too_sharp_or_too_blunt(sharpness: float) -> None:
    logs, codes = drawn(4000, sharpness)
    found = calibrated(logs, codes)
    assert found.temperature == pytest.approx(sharpness, rel=0.1)
    assert found.after < 0.03 < found.before


def test_no_label_sets_the_temperature_that_it_is_scored_by() -> None:
    logs, codes = drawn(40, 3.0)
    found = calibrated(logs, codes)
    first, second = (calibrated(logs[half::2], codes[half::2]).temperature for half in (0, 1))
    cooled = logs.copy()
    cooled[0::2], cooled[1::2] = (
        at_temperature(logs[0::2], second),
        at_temperature(logs[1::2], first),
    )
    assert found.after == calibration_error(cooled, codes)
    assert found.after != calibration_error(at_temperature(logs, found.temperature), codes)


def test_the_error_is_that_of_its_definition() -> None:
    logs = np.log([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    # Two of 0.9, of which one is right; one of 0.6, which is right.
    assert calibration_error(logs, np.array([0, 1, 0])) == pytest.approx(2 / 3 * 0.4 + 1 / 3 * 0.4)


def test_few_labels_and_single_ones_set_no_temperature() -> None:
    logs, codes = drawn(19, 3.0)
    assert calibrated(logs, codes).temperature == 1
    logs, codes = drawn(200, 3.0)
    codes[7] = -1
    assert calibrated(logs, codes).temperature == 1


def test_records_of_other_classes_are_less_familiar() -> None:
    from sklearn.datasets import load_digits

    features, classes = load_digits(return_X_y=True)
    features = features.astype(np.float32)
    # Those of one writer stand together.
    order = np.random.default_rng(0).permutation(len(classes))
    features, classes = features[order], classes[order]
    known = np.flatnonzero(classes < 7)
    rows, others = features[known], features[classes >= 7]
    labels = np.concatenate([np.flatnonzero(classes[known] == each)[:20] for each in range(7)])
    chosen = Auto(rows).fit(rows[labels], classes[known][labels], np.random.default_rng(0))
    measured = familiarity(chosen, rows[labels])
    least = bound(measured.scores, 0.05)
    new = np.setdiff1d(np.arange(len(rows)), labels)
    refused = [
        (measured(chosen.log_probabilities(each), each) < least).mean()
        for each in (rows[new], others)
    ]
    assert refused[0] < 0.12
    assert refused[1] > 0.6


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Features of one kind, and two classes."""
    generator = np.random.default_rng(1)
    classes = np.arange(200) % 2
    features = generator.normal(size=(200, 8)) + 2 * np.eye(8)[classes]
    return features.astype(np.float32), classes


def test_records_are_not_compared_with_themselves_among_the_unlabeled(
    blobs: tuple[np.ndarray, np.ndarray],
) -> None:
    features, classes = blobs
    rows, unlabeled = features[:60], features[60:]
    chosen = Auto(rows).fit(rows, classes[:60], np.random.default_rng(0))
    measured = familiarity(chosen, rows, unlabeled)
    without = familiarity(chosen, rows, np.delete(unlabeled, 7, axis=0))
    one = unlabeled[7:8]
    logs = chosen.log_probabilities(one)
    with_it, without_it = (
        measures(logs.max(1), np.zeros(1), unit_length(one), each.background)
        for each in (measured, without)
    )
    np.testing.assert_allclose(with_it, without_it, rtol=1e-5)


def test_held_out_labels_are_measured_by_those_that_are_kept(
    blobs: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, classes = blobs
    monkeypatch.setattr("headstart.evaluation.heads.familiarity.KEPT", 20)
    rows, new = features[:120], features[120:]
    chosen = Auto(rows).fit(rows, classes[:120], np.random.default_rng(0))
    measured = familiarity(chosen, rows)
    assert len(measured.bank) == 20
    # Both are of one kind, so that they are as near to what is kept.
    near = nearest(unit_length(new), measured.bank)[:, :3].mean(1)
    assert near.mean() == pytest.approx(measured.centre[1], abs=0.03)


def test_a_share_below_one_label_has_no_bound() -> None:
    scores = np.arange(20.0)
    assert bound(scores, 0.05) == 1
    assert bound(scores, 0.02) is None
    assert bound(scores, 0.99) is None
