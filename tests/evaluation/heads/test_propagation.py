"""Labels spread over the graph of all records, where neighbours share them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from headstart.evaluation.heads import HEADS
from headstart.evaluation.heads.propagation import (
    ALPHA,
    ROUNDS,
    LabelPropagation,
    is_few,
    neighbours,
)


def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(3))


def moons(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles on a sphere, which no line divides."""
    from sklearn.datasets import make_moons

    points, classes = make_moons(count, noise=0.05, random_state=0)
    return np.hstack([points, np.full((count, 1), 1.5)]).astype(np.float32), classes


def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return loaded.data.astype(np.float32), loaded.target


def test_the_spread_is_the_closed_form_of_zhou():
    """F = (1 - a)(I - a S)^-1 Y, to what is left after the last round."""
    features, classes = moons(80)
    head = LabelPropagation(features)
    labels = np.zeros((80, 2), dtype=np.float32)
    labels[[0, 9], classes[[0, 9]]] = 1
    graph = head._graph.toarray().astype(np.float64)
    exact = (1 - ALPHA) * np.linalg.inv(np.eye(80) - ALPHA * graph) @ labels
    left = ALPHA**ROUNDS * np.linalg.norm(labels)
    np.testing.assert_allclose(head._passed_on(labels, ALPHA, ROUNDS), exact, atol=left)


def test_the_graph_is_symmetric_without_loops_and_normalised():
    features, _ = moons(80)
    graph = LabelPropagation(features)._graph
    assert (abs(graph - graph.T) > 1e-6).nnz == 0
    assert graph.diagonal().max() == 0
    assert np.linalg.eigvalsh(graph.toarray())[-1] == pytest.approx(1, abs=1e-4)


def test_neighbours_are_the_nearest_by_cosine():
    generator = rng()
    pool = generator.normal(size=(50, 5))
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    found, weights = neighbours(pool[:7], pool, 3)
    for row, query in enumerate(pool[:7]):
        cosines = pool @ query
        assert set(found[row]) == set(np.argsort(-cosines)[:3])
        powers = np.maximum(cosines[found[row]], 0) ** 3
        np.testing.assert_allclose(weights[row], powers / powers.sum(), rtol=1e-5)


def test_it_follows_a_shape_that_no_line_divides():
    features, classes = moons()
    drawn = np.concatenate([np.flatnonzero(classes == c)[:4] for c in (0, 1)])
    right = {}
    for name in ("logistic regression", "label propagation"):
        fitted = HEADS[name](features).fit(features[drawn], classes[drawn], rng())
        right[name] = (fitted.predict(features) == classes).mean()
    assert right["label propagation"] > right["logistic regression"] + 0.05


def test_few_labels_of_digits_are_worth_more():
    features, classes = digits()
    drawn = np.concatenate([np.flatnonzero(classes == c)[:3] for c in range(10)])
    linear, spread = (
        HEADS[name](features[:1200]).fit(features[drawn], classes[drawn], rng())
        for name in ("logistic regression", "label propagation")
    )
    tested = slice(1200, None)
    gain = (spread.predict(features[tested]) == classes[tested]).mean() - (
        linear.predict(features[tested]) == classes[tested]
    ).mean()
    assert gain > 0.03
    assert spread.validation > linear.validation


def test_where_neighbours_do_not_share_labels_cross_validation_says_so():
    generator = rng()
    groups = generator.normal(size=(60, 20)).astype(np.float32)
    features = np.repeat(10 * groups, 10, axis=0)
    classes = generator.integers(2, size=600)
    # The class is a small shift along one axis, in heaps that both classes share.
    features = np.hstack([features, (6 * classes[:, None] - 3).astype(np.float32)])
    features += 0.3 * generator.normal(size=features.shape).astype(np.float32)
    drawn = generator.permutation(600)[:120]
    linear, spread = (
        HEADS[name](features).fit(features[drawn], classes[drawn], rng())
        for name in ("logistic regression", "label propagation")
    )
    assert linear.validation >= spread.validation


def test_labels_that_reach_few_records_are_not_spread():
    generator = rng()
    heaps = np.repeat(np.eye(40, dtype=np.float32), 20, axis=0)
    features = heaps + 0.01 * generator.normal(size=heaps.shape).astype(np.float32)
    classes = np.repeat(np.arange(40) % 2, 20)
    drawn = np.array([0, 20])
    fitted = LabelPropagation(features).fit(features[drawn], classes[drawn], rng())
    assert fitted.beliefs is None
    linear = HEADS["logistic regression"](features).fit(features[drawn], classes[drawn], rng())
    assert (fitted.predict(features) == linear.predict(features)).all()


def test_records_beyond_the_graph_and_rows_of_zeros_are_predicted(monkeypatch):
    from headstart.evaluation.heads import propagation

    monkeypatch.setattr(propagation, "POOL", 300)
    features, classes = digits()
    features[5] = 0
    drawn = np.concatenate([np.flatnonzero(classes == c)[:5] for c in range(10)])
    fitted = LabelPropagation(features).fit(features[drawn], classes[drawn], rng())
    assert len(fitted.pool) == 300
    assert (fitted.predict(features) == classes).mean() > 0.8
    assert np.isfinite(fitted.log_probabilities(features)).all()


def test_one_label_a_class_and_a_class_that_only_one_fold_has():
    features, classes = digits()
    one = np.array([np.flatnonzero(classes == c)[0] for c in range(10)])
    assert np.isnan(LabelPropagation(features).fit(features[one], classes[one], rng()).validation)
    uneven = np.concatenate([one, np.flatnonzero(classes == 3)[1:8], np.flatnonzero(classes == 4)])
    fitted = LabelPropagation(features).fit(features[uneven], classes[uneven], rng())
    assert 0 < fitted.validation <= 1


def test_the_same_state_gives_the_same_head():
    features, classes = digits()
    first, second = (
        LabelPropagation(features).fit(features[:90], classes[:90], rng()) for _ in range(2)
    )
    assert first.validation == second.validation
    np.testing.assert_array_equal(first.beliefs, second.beliefs)


def test_it_is_for_few_of_many_records():
    assert is_few(100, 400)
    assert not is_few(101, 400)
    assert not is_few(2001, 100_000)


def test_sparse_features_have_other_heads():
    with pytest.raises((TypeError, ValueError)):
        LabelPropagation(sparse.eye(5, format="csr"))
