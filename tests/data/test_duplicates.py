"""Exact duplicates are found in one pass, by hash of the normalised text."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from headstart.data.duplicates import exact, hashes, overlap, stream


def test_case_spaces_and_composition_do_not_matter() -> None:
    assert exact(["A  b\n", "a b", "caf\u00e9", "cafe\u0301", "ab"]) == 2
    assert exact([]) == 0


def test_overlap_counts_test_texts_that_occur_in_train() -> None:
    assert overlap(["one", "two", "two"], ["Two", "three", "two", "four"]) == 2
    assert overlap([], ["one"]) == 0
    assert overlap(["one"], []) == 0


def test_many_texts_give_as_many_distinct_hashes_in_order() -> None:
    texts = [f"text {n}" for n in range(20_000)]
    found = hashes(iter(texts))
    assert found.dtype == np.uint64
    assert len(np.unique(found)) == 20_000
    assert np.array_equal(found[8190:8200], hashes(texts[8190:8200]))


def test_a_column_is_streamed_in_order() -> None:
    texts = [str(n) for n in range(2500)]
    records = Dataset.from_dict({"text": texts}).select(range(2499, -1, -1))
    assert list(stream(records, "text")) == texts[::-1]
