"""What holds for every head."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from headstart.errors import HeadstartError
from headstart.evaluation.heads import HEADS, folds, foreseen, linear, low_rank, rbf_svm, solver
from headstart.evaluation.heads.folds import cross_fitted, deciding
from headstart.evaluation.heads.rows import check_finite

SPARSE = {"naive Bayes SVM", "low-rank averages"}
#: "nearest template" reads distances to the training records, and has tests of its own.
NAMES = sorted(set(HEADS) - {"nearest template"})


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
def test_labels_that_are_noise_are_validated_close_to_chance(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = tuple(low_rank._Setting(8, epochs, 0.1) for epochs in (2, 6))
    monkeypatch.setattr(low_rank, "_SETTINGS", quick)
    found = []
    for seed in range(24):
        random = np.random.default_rng(seed)
        train = given(name, random.poisson(0.5, (100, 30)).astype(np.float32))
        labels = random.permutation(np.arange(100) % 2)
        found.append(HEADS[name](train).fit(train, labels, random).validation)
    assert abs(np.mean(found) - 0.5) < 0.025  # the standard error is 0.01


def test_a_choice_is_validated_without_the_luck_of_the_best_setting() -> None:
    """Twelve settings that guess: the best one seems to know something, and the choice does not."""
    random = np.random.default_rng(0)
    lucky, honest = [], []
    for _ in range(500):
        right = random.binomial(20, 0.5, (12, 5)).astype(float)
        best, total = cross_fitted(right)
        assert best == right.sum(1).argmax()
        lucky.append(right[best].sum() / 100)
        honest.append(total / 100)
    assert np.mean(lucky) > 0.57
    assert abs(np.mean(honest) - 0.5) < 0.007


def test_a_setting_that_is_better_everywhere_is_chosen_with_its_own_score() -> None:
    right, losses = np.array([[3.0, 4], [5, 5], [5, 5]]), np.array([[1.0, 1], [2, 2], [1, 2]])
    assert cross_fitted(right) == (1, 10)
    assert cross_fitted(right, -right, losses) == (2, 10)
    assert cross_fitted(right, losses) == (0, 7)


def test_all_heads_decide_on_the_same_folds_of_the_same_records(monkeypatch) -> None:
    seen: list[list[list[int]]] = []
    monkeypatch.setattr(folds, "DECIDING", 80)
    monkeypatch.setattr(low_rank, "SPANNED", 10)  # a sample of rows gives its directions
    for function in ("deciding", "deal"):
        original = getattr(folds, function)

        def kept(*arguments, original=original):
            result = original(*arguments)
            seen[-1].append(result.tolist())
            return result

        monkeypatch.setattr(folds, function, kept)
    features, labels = bags(120, 3)
    for name in NAMES:
        seen.append([])
        train = given(name, features)
        HEADS[name](train).fit(train, labels, np.random.default_rng(4))
    assert [len(part) for part in seen[0]] == [80, 80]
    # Label propagation divides twice: its logistic regression does, too.
    assert all(each == seen[0] * (len(each) // 2) for each in seen)


def test_the_kernel_is_exact_for_few_labels_and_a_change_of_landmarks_is_no_jump(
    monkeypatch,
) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((420, 6)).astype(np.float32)
    labels = (np.linalg.norm(rows, axis=1) > 2.3).astype(int)  # no line separates them
    scaling = rbf_svm.scalings(rows)[0]
    features = rbf_svm._Map.of(rows[:50], scaling, 0.1)
    scaled = scaling(rows[:50]).astype(float)
    distances = np.square(scaled[:, None] - scaled[None]).sum(2)
    mapped = features(rows[:50])
    np.testing.assert_allclose(mapped @ mapped.T, np.exp(-0.1 * distances), atol=1e-3)
    head = rbf_svm.RBFSVM(rows[:200])
    found = []
    for landmarks in (200, 199, 60):
        monkeypatch.setattr(rbf_svm, "LANDMARKS", landmarks)
        fitted = head.fit(rows[:200], labels[:200], np.random.default_rng(0))
        found.append((fitted.validation, (fitted.predict(rows[200:]) == labels[200:]).mean()))
    assert np.ptp(found, axis=0).max() < 0.06
    assert np.abs(np.diff(found, axis=1)).max() < 0.07
    assert found[0][1] > 0.8


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
        first = foreseen.foreseen({100: 5}, 3, small, [name])
        second = foreseen.foreseen({1000: 5, 50_000: 1}, 60, large, [name])
        assert first.seconds < second.seconds
        assert first.bytes < second.bytes
    values = np.ones(300_000, dtype=np.float32)
    cells = np.arange(300_000) // 20, np.arange(300_000) % 200_000
    wide = sparse.csr_matrix((values, cells), shape=(15_000, 200_000))
    for name in SPARSE:
        assert foreseen.foreseen({100: 5}, 2, wide, [name]).seconds > 0
    for classes in (150, 1500):
        assert (
            foreseen.foreseen({15_000: 1}, classes, wide, ["logistic regression"]).bytes < 4 * 2**30
        )


def test_the_speed_of_the_machine_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.ones((500, 8), dtype=np.float32)
    foreseen.foreseen({100: 1}, 2, rows, ["kNN"])
    monkeypatch.setattr(foreseen.time, "perf_counter", None)
    assert foreseen.foreseen({100: 1}, 2, rows, NAMES).seconds > 0
