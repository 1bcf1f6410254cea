"""What holds for every head."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from headstart.errors import HeadstartError
from headstart.evaluation.heads import HEADS, linear, solver
from headstart.evaluation.heads.folds import deciding
from headstart.evaluation.heads.foreseen import foreseen
from headstart.evaluation.heads.rows import check_finite

SPARSE = {"naive Bayes SVM", "low-rank averages"}
NAMES = sorted(HEADS)


def bags(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts of words, of which each class prefers three."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = np.full((classes, 4 * classes), 0.2)
    for label in range(classes):
        means[label, 3 * label : 3 * label + 3] = 1.5
    return rng.poisson(means[labels]).astype(np.float32), labels


def given(name: str, features: np.ndarray) -> np.ndarray:
    return sparse.csr_matrix(features) if name in SPARSE else features


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 5])
def test_a_head_learns_and_says_how_well_without_the_test(name: str, classes: int) -> None:
    features, labels = bags(700, classes)
    labels = 10 * labels + 3  # codes need not be 0..K-1
    train, test = given(name, features[:200]), given(name, features[200:])
    head = HEADS[name](train)
    fitted = head.fit(train, labels[:200], np.random.default_rng(0))
    accuracy = (fitted.predict(test) == labels[200:]).mean()
    assert accuracy > 0.8
    assert abs(fitted.validation - accuracy) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_head_depends_on_nothing_but_its_arguments(name: str) -> None:
    features, labels = bags(90, 3)
    train, test = given(name, features[:60]), given(name, features[60:])
    first, second = (
        HEADS[name](train).fit(train, labels[:60], np.random.default_rng(5)) for _ in range(2)
    )
    assert first.validation == second.validation
    assert first.predict(test).tolist() == second.predict(test).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_are_noise_are_validated_as_such(name: str) -> None:
    features, labels = bags(240, 2)
    labels = np.random.default_rng(1).permutation(labels)
    train = given(name, features)
    fitted = HEADS[name](train).fit(train, labels, np.random.default_rng(0))
    assert fitted.validation < 0.65


@pytest.mark.parametrize("name", NAMES)
def test_one_record_a_class_is_fitted_and_not_validated(name: str) -> None:
    features, labels = bags(400, 10)
    train, test = given(name, features[:10]), given(name, features[10:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = HEADS[name](train).fit(train, labels[:10], np.random.default_rng(0))
        found = fitted.predict(test)
    assert np.isnan(fitted.validation)
    assert (found == labels[10:]).mean() > 0.2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_features_that_are_all_the_same_predict_the_majority(name: str, value: float) -> None:
    features = np.full((45, 6), value, dtype=np.float32)
    labels = np.array([1] * 30 + [0] * 10 + [2] * 5)
    train = given(name, features)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = HEADS[name](train).fit(train, labels, np.random.default_rng(0))
        found = fitted.predict(train)
    assert fitted.validation == pytest.approx(30 / 45, abs=0.01)
    assert set(found.tolist()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_a_class_with_a_single_record_is_learned_beside_others(name: str) -> None:
    features, labels = bags(80, 2)
    labels[0] = 2
    train = given(name, features)
    fitted = HEADS[name](train).fit(train, labels, np.random.default_rng(0))
    assert fitted.validation > 0.7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_features_that_are_no_numbers_are_refused_by_name(value: float, kind: str) -> None:
    features = np.ones((4, 3), dtype=np.float32)
    features[2, 1] = value
    broken = sparse.csr_matrix(features) if kind == "sparse" else features
    with pytest.raises(HeadstartError, match=r"^SimCLR: features contain NaN"):
        check_finite("SimCLR", np.ones((2, 3)), broken)


def test_with_many_labels_and_classes_a_few_decide_and_all_heads_get_the_same() -> None:
    classes = np.arange(30_000) % 1500
    first, second = (deciding(classes, np.random.default_rng(2)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.tolist() == second.tolist()
    assert len(np.unique(classes[first])) == 200
    assert len(first) == len(np.unique(first)) == 2000
    assert deciding(np.arange(3000) % 3, np.random.default_rng(2)) is None


def test_too_many_weights_of_sparse_features_are_fitted_some_classes_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, labels = bags(900, 4)
    rows = sparse.csr_matrix(features)
    head = HEADS["logistic regression"](rows)
    exact = head.fit(rows[:300], labels[:300], np.random.default_rng(0))
    monkeypatch.setattr(linear, "WEIGHTS", 1)
    monkeypatch.setattr(solver, "BLOCK", 3 * 16)  # three of four classes
    fitted = head.fit(rows[:300], labels[:300], np.random.default_rng(0))
    assert not np.allclose(fitted.weights, exact.weights)
    assert (fitted.predict(rows[300:]) == exact.predict(rows[300:])).mean() > 0.9


def test_one_against_the_rest_agrees_with_scikit_learn() -> None:
    features, labels = bags(200, 4)
    rows = sparse.csr_matrix(features)
    found = solver.one_against_rest(rows, labels, 4, 0.3, 1e-9)
    for label in range(4):
        expected = LogisticRegression(C=0.3, tol=1e-8).fit(features, labels == label)
        np.testing.assert_allclose(found[:-1, label], expected.coef_[0], atol=2e-3)
        np.testing.assert_allclose(found[-1, label], expected.intercept_[0], atol=5e-3)


def test_a_larger_problem_is_foreseen_to_take_longer_and_many_classes_fit_in_memory() -> None:
    small, large = (np.ones((rows, 256), dtype=np.float32) for rows in (500, 50_000))
    for name in set(NAMES) - SPARSE:
        first = foreseen({100: 5}, 3, small, [name])
        second = foreseen({1000: 5, 50_000: 1}, 60, large, [name])
        assert first.seconds < second.seconds
        assert first.bytes < second.bytes
    values = np.ones(300_000, dtype=np.float32)
    cells = np.arange(300_000) // 20, np.arange(300_000) % 200_000
    wide = sparse.csr_matrix((values, cells), shape=(15_000, 200_000))
    for name in SPARSE:
        assert foreseen({100: 5}, 2, wide, [name]).seconds > 0
    for classes in (150, 1500):
        assert foreseen({15_000: 1}, classes, wide, ["logistic regression"]).bytes < 4 * 2**30
