"""Bags of items: what a classifier of users would take without any network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from headstart.data.store import stream
from headstart.data.vectors import unit_length
from headstart.modalities import Baseline

if TYPE_CHECKING:
    from datasets import Dataset

#: Dimensions of the reduced bags.
TOPICS = 128


def bags(
    background: Dataset | None, train: Dataset, test: Dataset | None, *, seed: int
) -> list[Baseline]:
    """Return TF-IDF of items, and its leading directions, of training and test sequences."""
    from sklearn.decomposition import TruncatedSVD

    fitted = [train] if background is None else [background, train]
    ids: dict[str, int] = {}
    for records in fitted:
        for items in stream(records, "items"):
            for item in items:
                ids.setdefault(item, len(ids))
    known = sparse.vstack([_counts(records, ids) for records in fitted])
    idf = np.log((1 + known.shape[0]) / (1 + np.bincount(known.indices, minlength=len(ids)))) + 1

    def weighed(records: Dataset) -> sparse.csr_matrix:
        counts = _counts(records, ids)
        counts.data = (1 + np.log(counts.data)) * idf[counts.indices]
        return unit_length(counts.astype(np.float32))

    own, others = weighed(train), None if test is None else weighed(test)
    found = [Baseline("bag of items", own, others, heads=("logistic regression", "linear SVM"))]
    size = min(TOPICS, *(edge - 1 for edge in known.shape))
    if size >= 2:
        reduced = TruncatedSVD(size, random_state=seed).fit(weighed(fitted[0]))
        dense = [
            None if part is None else np.asarray(reduced.transform(part), dtype=np.float32)
            for part in (own, others)
        ]
        heads = ("logistic regression", "auto")
        name = "reduced bag of items"
        found.append(Baseline(name, dense[0], dense[1], heads=heads, joinable=True))
    return found


def _counts(records: Dataset, ids: dict[str, int]) -> sparse.csr_matrix:
    """Return how often each known item is in each record, CSR (N,I)."""
    rows, columns = [], []
    for row, items in enumerate(stream(records, "items")):
        known = [ids[item] for item in items if item in ids]
        rows += [row] * len(known)
        columns += known
    cells = (np.ones(len(rows), np.float32), (rows, columns))
    return sparse.csr_matrix(cells, shape=(len(records), len(ids)))
