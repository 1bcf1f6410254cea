"""Labels spread over the graph of all records, where neighbours share them."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.heads.propagation import (
    ALPHA,
    COVERAGE,
    FAR,
    TOLERANCE,
    Graph,
    is_few,
    neighbours,
)


def moons(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles on a sphere, which no line divides."""
    from sklearn.datasets import make_moons

    points, classes = make_moons(count, noise=0.05, random_state=0)
    return np.hstack([points, np.full((count, 1), 1.5)]).astype(np.float32), classes


@pytest.mark.parametrize("share", [ALPHA, FAR])
def test_the_spread_is_the_closed_form_of_zhou(share):
    """F = (1 - a)(I - a S)^-1 Y, to what is left after the last round."""
    features, classes = moons(80)
    graph = Graph(features)
    sources = np.array([0, 9])
    labels = np.zeros((80, 2), dtype=np.float32)
    labels[sources, classes[sources]] = 1
    matrix = graph._normalised.toarray().astype(np.float64)
    exact = (1 - share) * np.linalg.inv(np.eye(80) - share * matrix) @ labels
    left = TOLERANCE * np.linalg.norm(labels)
    found = graph.mass(sources, classes[sources], 2, share)
    np.testing.assert_allclose(found, exact, atol=left)
    parts = [graph.mass(sources[[one]], classes[sources[[one]]], 2, share) for one in (0, 1)]
    np.testing.assert_allclose(sum(parts), found, atol=1e-6)


def test_the_graph_is_symmetric_without_loops_and_normalised():
    features, _ = moons(80)
    graph = Graph(features)._normalised
    assert (abs(graph - graph.T) > 1e-6).nnz == 0
    assert graph.diagonal().max() == 0
    assert np.linalg.eigvalsh(graph.toarray())[-1] == pytest.approx(1, abs=1e-4)


def test_neighbours_are_the_nearest_by_cosine():
    generator = np.random.default_rng(3)
    pool = generator.normal(size=(50, 5))
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    found, weights = neighbours(pool[:7], pool, 3)
    for row, query in enumerate(pool[:7]):
        cosines = pool @ query
        assert set(found[row]) == set(np.argsort(-cosines)[:3])
        powers = np.maximum(cosines[found[row]], 0) ** 3
        np.testing.assert_allclose(weights[row], powers / powers.sum(), rtol=1e-5)


def test_labels_that_reach_few_records_do_not_cover_them():
    generator = np.random.default_rng(3)
    heaps = np.repeat(np.eye(40, dtype=np.float32), 20, axis=0)
    graph = Graph(heaps + 0.01 * generator.normal(size=heaps.shape).astype(np.float32))
    assert graph.coverage(np.array([0, 20])) < COVERAGE
    assert graph.coverage(np.arange(0, 800, 20)) > COVERAGE


def test_a_record_of_zeros_prefers_no_class():
    features, classes = moons(80)
    features[7] = 0
    graph = Graph(features)
    beliefs = graph.spread(np.array([0, 9]), classes[[0, 9]], 2)
    assert beliefs[7].tolist() == [0.5, 0.5]
    assert np.isfinite(graph.believed(features, beliefs)).all()


def test_it_is_for_few_of_many_records():
    assert is_few(100, 400)
    assert not is_few(101, 400)
    assert not is_few(2001, 100_000)
