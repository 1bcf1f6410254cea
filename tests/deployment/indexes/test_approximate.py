"""An approximate index: its recall is measured, its cosines are exact, and a bad one is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.deployment.indexes import approximate
from headstart.deployment.indexes.exact import UnitVectors, to_unit

pytest.importorskip("faiss", reason="the extra `search` brings faiss")


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Return vectors around forty centres, as those of records are."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(40, 16))
    found = centres[generator.integers(0, 40, 4000)] + generator.normal(size=(4000, 16)) * 0.4
    return to_unit(found)[0]


def test_the_measured_recall_is_that_of_a_search(vectors: np.ndarray, tmp_path: Path) -> None:
    alive = np.ones(4000, dtype=bool)
    probes, recall = approximate.build(vectors, alive, tmp_path / "lists")
    assert recall >= approximate.GOOD
    index = approximate.open_lists(tmp_path / "lists")
    queries = to_unit(vectors[::40] + 0.05)[0]
    indices, cosines = approximate.nearest(index, vectors, queries, 10, probes, alive)
    wanted, scores = UnitVectors(vectors, are_units=True).nearest(queries, 10)
    shared = [len({*one} & {*other}) for one, other in zip(indices, wanted, strict=True)]
    assert np.mean(shared) >= 9.5
    same = indices == wanted
    np.testing.assert_allclose(cosines[same], scores[same], rtol=1e-5)


def test_only_allowed_rows_are_found(vectors: np.ndarray, tmp_path: Path) -> None:
    allowed = np.arange(4000) % 3 == 0
    probes, _ = approximate.build(vectors, allowed, tmp_path / "lists")
    index = approximate.open_lists(tmp_path / "lists")
    indices, _ = approximate.nearest(index, vectors, vectors[:50], 10, probes, allowed)
    assert (indices[indices >= 0] % 3 == 0).all()


def test_the_same_seed_gives_the_same_lists(vectors: np.ndarray, tmp_path: Path) -> None:
    alive = np.ones(4000, dtype=bool)
    first = approximate.build(vectors, alive, tmp_path / "a", seed=1)
    assert approximate.build(vectors, alive, tmp_path / "b", seed=1) == first
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
