"""Rows of unit length, dense and sparse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from headstart.data.vectors import unit_length


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_have_length_1_and_zeros_stay(dtype: type) -> None:
    rows = np.array([[3, 4], [0, 0], [-0.5, 0]], dtype=dtype)
    found = unit_length(rows)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [-1, 0]], atol=1e-3)
    assert rows[0, 0] == 3  # what is given stays
    same = unit_length(sparse.csr_matrix(rows.astype(np.float32))).toarray()
    np.testing.assert_allclose(same, found, atol=1e-3)
    assert unit_length(rows[:0]).shape == (0, 2)
