"""Which unlabeled records are used, and how they stand beside labeled ones in a batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.downstream.rows import LabeledRows
from headstart.downstream.semi_supervised.unlabeled import (
    CollatedRows,
    MixedRows,
    joined,
    unlabeled_rows,
    without_known,
)
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT


class Numbers:
    """Rows that are their own numbers."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, torch.Tensor]:
        return {"number": torch.as_tensor(indices), "labels": torch.as_tensor(indices) % 2}


def texts(*some: str, label: str | None = None) -> Dataset:
    rows = [{"id": f"{label}:{n}", "text": text} for n, text in enumerate(some)]
    return Dataset.from_list([{**row, "label": label} for row in rows] if label else rows)


def test_every_unlabeled_row_is_drawn_once_before_any_comes_again() -> None:
    rows = MixedRows(Numbers(6), Numbers(20), 7, seed=0)
    drawn = []
    for epoch in range(10):
        for indices in (np.array([4, 0, 2]), np.array([1, 5, 3])):
            batch = rows.batch(indices, epoch)
            assert batch["number"].tolist() == indices.tolist()
            assert "unlabeled/labels" not in batch
            assert len(batch["unlabeled/number"]) == 21
            drawn += batch["unlabeled/number"].tolist()
    assert len(drawn) == 420
    assert set(Counter(drawn).values()) == {21}


def test_what_is_drawn_depends_on_seed_epoch_and_place_alone() -> None:
    rows, again = (MixedRows(Numbers(6), Numbers(50), 2, seed=3) for _ in range(2))
    rows.batch(np.array([0, 1]), 0)
    late = rows.batch(np.array([5, 2]), 40)["unlabeled/number"]
    assert torch.equal(late, again.batch(np.array([5, 2]), 40)["unlabeled/number"])
    assert torch.equal(late[2:], again.batch(np.array([2]), 40)["unlabeled/number"])
    other = MixedRows(Numbers(6), Numbers(50), 2, seed=4)
    assert not torch.equal(late, other.batch(np.array([5, 2]), 40)["unlabeled/number"])


def test_records_of_labeled_validation_and_test_data_get_no_label() -> None:
    pool = texts("one of the many", "Held  OUT", "tested", "known", "free", label="secret")
    remaining, messages = without_known(
        pool,
        {
            "the labeled data": texts("known", label="a"),
            "the validation data": texts("held out", label="b"),
            "the test data": texts("tested", "unseen"),
        },
        TEXT,
    )
    assert remaining["text"] == ["one of the many", "free"]
    assert "label" not in remaining.column_names
    assert messages == [
        f"1 unlabeled records are left out: the {name} data has them, too."
        for name in ("labeled", "validation", "test")
    ]


def test_nothing_left_is_said() -> None:
    with pytest.raises(HeadstartError, match="all of the 1 unlabeled records occur"):
        without_known(texts("same"), {"the labeled data": texts("same", label="a")}, TEXT)


def test_batches_are_joined_row_under_row_and_padded() -> None:
    short = {"input_ids": torch.tensor([[1, 2]]), "mask": torch.ones(1, 2, dtype=torch.bool)}
    long = {"input_ids": torch.tensor([[3, 4, 5]]), "mask": torch.ones(1, 3, dtype=torch.bool)}
    both = joined([{**short, "labels": torch.tensor([0])}, long])
    assert both.keys() == {"input_ids", "mask"}
    assert both["input_ids"].tolist() == [[1, 2, 0], [3, 4, 5]]
    assert both["mask"].tolist() == [[True, True, False], [True, True, True]]
    pixels = joined([{"pixels": torch.zeros(2, 3, 4, 4)}, {"pixels": torch.ones(1, 3, 4, 4)}])
    assert pixels["pixels"].shape == (3, 3, 4, 4)


def test_records_too_many_for_memory_are_collated_when_asked_for(
    processor, records, monkeypatch
) -> None:
    some = records({"fruit": 5, "tool": 5})
    remaining = unlabeled_rows(processor, some, 16)
    assert isinstance(remaining, LabeledRows)
    monkeypatch.setattr("headstart.downstream.semi_supervised.unlabeled.MOST_BYTES", 100)
    lazy = unlabeled_rows(processor, some, 16)
    assert isinstance(lazy, CollatedRows)
    one, other = (rows.batch(np.array([7, 2]), 0) for rows in (remaining, lazy))
    assert torch.equal(one["input_ids"], other["input_ids"])
    assert torch.equal(one["mask"], other["mask"])
