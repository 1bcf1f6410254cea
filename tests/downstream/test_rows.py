"""Labeled rows must be what the processor makes of the records, batch by batch."""

from __future__ import annotations

import numpy as np
import torch

from headstart.downstream.frozen import vectors_of
from headstart.downstream.rows import LabeledRows, by_size


def test_a_batch_equals_collating_its_records(records, processor):
    some = records({"fruit": 200, "tool": 100})
    targets = torch.arange(300)
    rows = LabeledRows(processor, some, targets, length=8)
    indices = np.array([299, 3, 77])
    batch = rows.batch(indices, epoch=0)
    wanted = processor.collate(some.select(indices), 8)
    assert processor.vocabulary.pad_id == 0
    assert set(batch) == {"input_ids", "mask", "labels"}
    assert torch.equal(batch["input_ids"], wanted["input_ids"])
    assert torch.equal(batch["mask"], wanted["mask"])
    assert batch["mask"].dtype == torch.bool
    assert batch["labels"].tolist() == [299, 3, 77]


def test_a_batch_is_padded_to_its_own_longest_row(processor):
    from datasets import Dataset

    some = Dataset.from_dict({"id": ["a", "b"], "text": ["apple", "apple pear plum cherry"]})
    rows = LabeledRows(processor, some, torch.tensor([0, 1]), length=32)
    assert rows.batch(np.array([0]), 0)["input_ids"].shape == (1, 3)  # [CLS] apple [SEP]
    assert rows.batch(np.array([0, 1]), 5)["input_ids"].shape == (2, 6)


def test_tensors_without_positions_are_kept_whole(records):
    class Pixels:
        def collate(self, chosen, length):
            return {"pixels": torch.rand(len(chosen), 3, 4, 4)}

    rows = LabeledRows(Pixels(), records({"fruit": 3}), torch.zeros(3).long(), length=8)
    assert rows.batch(np.array([2, 0]), 0)["pixels"].shape == (2, 3, 4, 4)


def test_rows_of_like_size_share_a_batch_and_none_is_lost(processor):
    from datasets import Dataset

    texts = ["apple", "apple pear plum cherry", "pear", "plum pear apple"]
    some = Dataset.from_dict({"id": list("abcd"), "text": texts})
    rows = LabeledRows(processor, some, torch.arange(4), length=32)
    found = list(by_size(rows, np.array([3, 2, 1, 0]), 2))
    assert [positions.tolist() for positions, _ in found] == [[2, 0], [1, 3]]
    assert [batch["labels"].tolist() for _, batch in found] == [[1, 3], [2, 0]]
    assert [batch["input_ids"].shape[1] for _, batch in found] == [6, 3]


def test_vectors_stand_in_the_order_that_was_asked_for(processor):
    from datasets import Dataset

    class Counting(torch.nn.Module):
        """The vector of a record is the number of its tokens."""

        width = 1
        provides: frozenset[str] = frozenset()

        def pool(self, batch):
            return batch["mask"].sum(1, keepdim=True)

    texts = ["apple", "apple pear plum cherry", "pear", "plum pear apple"]
    some = Dataset.from_dict({"id": list("abcd"), "text": texts})
    rows = LabeledRows(processor, some, torch.arange(4), length=32)
    done = []
    vectors = vectors_of(Counting(), rows, np.array([3, 0, 1]), lambda *now: done.append(now))
    assert vectors.flatten().tolist() == [5, 3, 6]
    assert done == [(3, 3)]
