"""Exact duplicates are found in one pass, by hash of the normalised text."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from headstart.data.audit import Audit
from headstart.data.store import stream
from headstart.modalities.text import near
from headstart.modalities.text.content import TEXT
from headstart.modalities.text.exact import hashes


def test_case_spaces_and_composition_do_not_matter() -> None:
    assert TEXT.count_repeats(held("A  b\n", "a b", "caf\u00e9", "cafe\u0301", "ab"), Audit()) == 2
    assert TEXT.count_repeats(held("in Maßen", "in Massen"), Audit()) == 0
    assert TEXT.count_repeats(held(), Audit()) == 0


def held(*texts: str) -> Dataset:
    return Dataset.from_dict({"id": [str(n) for n in range(len(texts))], "text": list(texts)})


def test_each_text_of_a_background_is_matched_with_the_first_tested_one_alike(
    monkeypatch,
) -> None:
    monkeypatch.setattr(near, "available", lambda: False)

    def found(background: Dataset, tested: Dataset) -> list[tuple[int, int, bool]]:
        notes: list[str] = []
        matches = list(TEXT.find_matches(background, tested, notes, thorough=True))
        assert notes == [near.MISSING]
        return matches

    background = held("zero", "one", "Two ", "two")
    assert found(background, held("three", "two", "two", "ONE")) == [
        (1, 3, True),
        (2, 1, True),
        (3, 1, True),
    ]
    assert found(held("one"), held()) == found(held(), held("one")) == []


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
