"""Labeled rows must be what the processor makes of the records, batch by batch."""

from __future__ import annotations

import numpy as np
import torch

from headstart.downstream.rows import LabeledRows


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
