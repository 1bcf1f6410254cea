"""Exact search gives what sorting all cosines gives, ties in the order of the vectors."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.deployment.indexes import exact
from headstart.deployment.indexes.exact import UnitVectors, to_unit


def by_hand(vectors: np.ndarray, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    scores = to_unit(queries)[0] @ to_unit(vectors)[0].T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return best, np.take_along_axis(scores, best, 1)


@pytest.mark.parametrize("block", [1, 3, 7, 64])
@pytest.mark.parametrize("kept", [0, 2 * 10**9])
def test_blocks_of_any_size_find_the_same(
    block: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "CHUNK", block)
    monkeypatch.setattr(exact, "QUERIES", 2)
    monkeypatch.setattr(exact, "KEPT", kept)
    generator = np.random.default_rng(0)
    # Of whole numbers many have the same direction, so that most cosines are ties.
    vectors = generator.integers(0, 3, (60, 3)).astype(np.float32)
    queries = generator.integers(0, 3, (5, 3)).astype(np.float32)
    made = UnitVectors(vectors)
    for count in (1, 4, 60, 99):
        for _ in range(2):  # the second time of kept blocks
            indices, cosines = made.nearest(queries, count)
            wanted, scores = by_hand(vectors, queries, count)
            np.testing.assert_allclose(cosines, scores, atol=1e-6)
            same = np.isclose(scores[:, :-1], scores[:, 1:], atol=1e-6)
            if not same.any():
                assert (indices == wanted).all()
    copies = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    indices, _ = UnitVectors(copies).nearest(np.eye(3)[1:2], 6)
    assert indices.tolist() == [[20, 21, 22, 23, 24, 25]]


def test_only_allowed_rows_are_found_whether_they_are_few_or_many() -> None:
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(200, 8)).astype(np.float32)
    queries = generator.normal(size=(3, 8))
    for share in (0.02, 0.9):
        allowed = generator.random(200) < share
        indices, cosines = UnitVectors(vectors).nearest(queries, 5, allowed)
        rows = np.flatnonzero(allowed)
        best, scores = by_hand(vectors[rows], queries, 5)
        assert (indices[np.isfinite(cosines)] == rows[best].ravel()).all()
        np.testing.assert_allclose(cosines[np.isfinite(cosines)], scores.ravel(), rtol=1e-5)


def test_none_is_found_where_none_is_allowed() -> None:
    indices, cosines = UnitVectors(np.eye(4)).nearest(np.eye(4), 2, np.zeros(4, dtype=bool))
    assert indices.size == cosines.size == 0


def test_a_query_that_is_no_vector_is_near_nothing() -> None:
    _, cosines = UnitVectors(np.eye(3)).nearest(np.array([[np.nan, 0, 0], [1, 0, 0]]), 2)
    assert np.isneginf(cosines[0]).all()
    assert cosines[1].tolist() == [1, 0]
