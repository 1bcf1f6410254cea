"""Every head keeps the copies of a record in one of the folds that choose its setting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from headstart.evaluation.heads import HEADS

SPARSE = ("naive Bayes SVM", "low-rank averages")


@pytest.mark.parametrize("name", list(HEADS))
def test_copies_do_not_vouch_for_each_other(name: str) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 3)
    rows = rng.standard_normal((40, 60)).astype(np.float32)
    rows = np.where(rows > 1, rows, 0) if name in SPARSE else rows
    classes = rng.permutation(np.arange(40) % 2)[groups]  # nothing to learn
    train = sparse.csr_matrix(rows[groups]) if name in SPARSE else rows[groups]
    head = HEADS[name](train)
    fitted = head.fit(train, classes, np.random.default_rng(1), groups)
    plain = head.fit(train, classes, np.random.default_rng(1))
    assert fitted.validation < 0.75
    assert plain.validation > fitted.validation
