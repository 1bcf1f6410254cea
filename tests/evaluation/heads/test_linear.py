from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler, normalize

from headstart.evaluation.heads import logistic, solver
from headstart.evaluation.heads.folds import deal
from headstart.evaluation.heads.neighbours import NearestNeighbours
from headstart.evaluation.heads.row_combinations import is_wide, solve_by_rows
from headstart.evaluation.heads.rows import row_space

RNG = np.random.default_rng(3)


def blobs(count: int, classes: int, size: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((classes, size))
    labels = np.arange(count) % classes
    rows = centres[labels] + noise * generator.standard_normal((count, size))
    return rows.astype("float32"), labels


def test_without_examples_to_cross_validate_the_probe_is_plain_logistic_regression() -> None:
    features, labels = blobs(203, 3, 8, 1.0)
    train, test = np.arange(3), np.arange(3, 203)
    unit = normalize(features)
    unit = (unit - unit.mean(0)) / (unit - unit.mean(0)).std()
    expected = LogisticRegression(C=1).fit(unit[train], labels[train]).predict(unit[test])
    fitted = logistic.LogisticRegression(features).fit(features[train], labels[train], RNG)
    assert fitted.predict(features[test]).tolist() == expected.tolist()
    assert np.isnan(fitted.validation)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_probe_equals_a_grid_search_by_scikit_learn(classes: int) -> None:
    features, labels = blobs(400, classes, 6, 2.0)
    features[:, 0] *= 1000  # drowns the rest unless every dimension is standardised
    train, test = np.arange(120), np.arange(120, 400)
    unit = normalize(features)
    unit = (unit - unit.mean(0)) / (unit - unit.mean(0)).std()
    parts = deal(labels[train], 5, np.random.default_rng(1))
    best = (np.inf, None)
    for rows in (unit, StandardScaler().fit_transform(features)):
        for penalty in (1e-4, 1e-3, 1e-2, 1e-1, 1, 10):
            losses = []
            for part in range(5):
                model = LogisticRegression(C=penalty, max_iter=500)
                model.fit(rows[train][parts != part], labels[train][parts != part])
                p = model.predict_proba(rows[train][parts == part])
                losses.extend(-np.log(p[np.arange(len(p)), labels[train][parts == part]]))
            model = LogisticRegression(C=penalty, max_iter=500).fit(rows[train], labels[train])
            best = min(best, (np.mean(losses), model.predict(rows[test])), key=lambda x: x[0])
    head = logistic.LogisticRegression(features)
    fitted = head.fit(features[train], labels[train], np.random.default_rng(1))
    assert (fitted.predict(features[test]) == best[1]).mean() > 0.98


def test_sparse_and_dense_rows_of_length_one_agree() -> None:
    features, labels = blobs(300, 3, 10, 0.8)
    features = normalize(np.maximum(features, 0))
    train, test = np.arange(100), np.arange(100, 300)
    rows = sparse.csr_matrix(features)
    fitted = logistic.LogisticRegression(rows).fit(rows[train], labels[train], RNG)
    found = fitted.predict(rows[test])
    expected = LogisticRegression(C=100).fit(features[train], labels[train]).predict(features[test])
    assert (found == expected).mean() > 0.95


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("penalty", [1.0, 100.0])
def test_wide_sparse_rows_are_solved_alike_by_their_combinations(
    classes: int, penalty: float
) -> None:
    rng = np.random.default_rng(1)
    rows = sparse.random(120, 900, 0.05, "csr", np.float32, rng)
    rows = sparse.csr_matrix(normalize(rows), dtype=np.float32)
    codes = np.arange(120) % classes
    problem = solver.Problem(rows, codes, classes, solver.SOFTMAX)
    assert is_wide(problem)
    found = solve_by_rows(problem, penalty, 1e-7)
    ridge = 1 / (penalty * 120)
    reached, slope = problem.gradient(found, ridge)
    best, _ = problem.gradient(problem.solve(penalty, None, 1e-8), ridge)
    assert reached == pytest.approx(best, rel=1e-4)
    model = LogisticRegression(C=penalty, tol=1e-8, max_iter=2000).fit(rows, codes)
    expected = model.predict_proba(rows)
    scores = rows @ found[:-1] + found[-1]
    # With two classes, two opposite vectors have half the penalty of scikit-learn's one.
    if classes > 2:
        assert softmax(scores, axis=1) == pytest.approx(expected, abs=5e-3)
    assert np.abs(slope).max() < 1e-3


def test_wide_rows_that_are_all_zero_have_a_bias_alone() -> None:
    rows = sparse.csr_matrix((6, 40), dtype=np.float32)
    problem = solver.Problem(rows, np.array([0, 0, 0, 0, 1, 2]), 3, solver.SOFTMAX)
    found = solve_by_rows(problem, 1.0, 1e-6)
    assert not found[:-1].any()
    assert softmax(found[-1]) == pytest.approx([4 / 6, 1 / 6, 1 / 6], abs=0.01)


def test_folds_are_balanced_and_two_classes_remain_without_any_fold() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2])
    parts = deal(labels, 5, RNG)
    assert parts is not None
    assert parts.max() == 2  # the second largest class has three examples
    assert np.ptp(np.bincount(parts)) <= 1
    for part in range(3):
        assert len(set(labels[parts != part].tolist())) >= 2
    assert deal(np.array([0, 0, 0, 1]), 5, RNG) is None


def naive_neighbours(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, classes: int, count: int
) -> list[int]:
    lengths = np.linalg.norm(train, axis=1)
    predicted = []
    for query in test:
        cosines = train @ query / lengths / np.linalg.norm(query)
        votes = [0.0] * classes
        for i in sorted(range(len(train)), key=lambda i: -cosines[i])[:count]:
            votes[labels[i]] += float(np.exp(cosines[i] / 0.1))
        predicted.append(int(np.argmax(votes)))
    return predicted


@pytest.mark.parametrize(("bank", "voters"), [(30, 10), (900, 200)])
def test_neighbours_agree_with_a_naive_count(bank: int, voters: int) -> None:
    features, labels = blobs(bank + 520, 3, 5, 1.5)
    train, test = features[:bank], features[bank:]
    expected = naive_neighbours(train, labels[:bank], test, 3, voters)
    fitted = NearestNeighbours(train).fit(train, labels[:bank], RNG)
    assert fitted.predict(test).tolist() == expected


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_fewer_rows_than_columns_are_fitted_in_their_span_with_the_same_outcome(kind) -> None:
    """The representer theorem: weights and scores equal those of the whole problem."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(30, 200)).astype(np.float32)
    classes = rows[:, :3].argmax(1)
    tested = random.normal(size=(50, 200)).astype(np.float32)
    given = sparse.csr_matrix(rows) if kind == "sparse" else rows
    small, back = row_space(given)
    assert small.shape == (30, 30)
    options = {"C": 0.5, "tol": 1e-8, "max_iter": 5000}
    whole = LogisticRegression(**options).fit(rows, classes)
    part = LogisticRegression(**options).fit(small, classes)
    np.testing.assert_allclose(back(part.coef_), whole.coef_, atol=1e-4)
    np.testing.assert_allclose(
        tested @ back(part.coef_).T + part.intercept_, whole.decision_function(tested), atol=1e-3
    )


def test_rows_of_zeros_span_one_coordinate_without_weight() -> None:
    small, back = row_space(np.zeros((4, 10), np.float32))
    assert small.shape == (4, 1)
    assert not back(np.ones((2, 1))).any()
    assert back(np.ones((2, 1))).shape == (2, 10)


@pytest.mark.parametrize("loss", ["_softmax", "_logistic"])
def test_no_gradient_is_a_subnormal_number(loss) -> None:
    """They take processors five times as long, and a class that is out of the question has them."""
    scores = np.array([[0.0, -95.0, -3.0]], dtype=np.float32)
    losses = getattr(solver, loss)(scores, np.array([0]))
    assert np.isfinite(losses).all()
    smallest = np.abs(scores[scores != 0]).min()
    assert smallest > np.finfo(np.float32).tiny * 1e6
