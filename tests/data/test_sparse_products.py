"""Products of sparse rows are the same in two threads as in one."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from headstart.data import sparse_products
from headstart.data.sparse_products import SparseRows


def test_products_are_the_same_bit_by_bit(monkeypatch):
    rows = sparse.random(101, 70, density=0.1, format="csr", dtype=np.float32, random_state=0)
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(70, 5)).astype(np.float32)
    scores = generator.normal(size=(101, 5)).astype(np.float32)
    found = []
    for least in (0, 2**40):
        monkeypatch.setattr(sparse_products, "_LEAST", least)
        total = np.ones((70, 5), dtype=np.float32)
        known = SparseRows(rows)
        known.add_transposed(scores, total)
        found.append((known.times(weights), total, known.transposed_times(scores)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    np.testing.assert_allclose(found[0][0], rows.toarray() @ weights, atol=1e-5)
    np.testing.assert_allclose(found[0][1], rows.toarray().T @ scores + 1, atol=1e-5)
    np.testing.assert_allclose(found[0][2], rows.toarray().T @ scores, atol=1e-5)


def test_one_class_and_one_row_are_no_special_case(monkeypatch):
    monkeypatch.setattr(sparse_products, "_LEAST", 0)
    rows = sparse.csr_matrix(np.array([[0.0, 2.0]], dtype=np.float32))
    total = np.zeros((2, 3), dtype=np.float32)
    known = SparseRows(rows)
    assert known.times(np.ones((2, 1), dtype=np.float32)).tolist() == [[2.0]]
    known.add_transposed(np.ones((1, 3), dtype=np.float32), total)
    assert total.tolist() == [[0.0] * 3, [2.0] * 3]
