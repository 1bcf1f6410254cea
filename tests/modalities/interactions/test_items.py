"""The catalogue of items, its batches, and two views of a sequence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.errors import HeadstartError
from headstart.modalities.interactions.processor import MASK, PAD, UNKNOWN, ItemProcessor
from headstart.modalities.interactions.views import VIEWS, check_views

RECORDS = Dataset.from_dict({"id": ["a", "b"], "items": [["x", "y", "x", "z"], ["y", "x"]]})


def test_the_commonest_item_comes_first_and_an_unknown_one_has_its_own_id() -> None:
    processor = ItemProcessor.fitted(RECORDS)
    assert processor.names == ["x", "y", "z"]
    assert processor.encode(["x", "z", "new"]) == [3, 5, UNKNOWN]


def test_a_batch_has_the_latest_items() -> None:
    batch = ItemProcessor.fitted(RECORDS).collate(RECORDS, 3)
    assert batch["input_ids"].tolist() == [[4, 3, 5], [4, 3, PAD]]
    assert batch["mask"].tolist() == [[True] * 3, [True, True, False]]


def test_all_records_are_batched_once() -> None:
    processor = ItemProcessor.fitted(RECORDS)
    seen = np.concatenate([indices for indices, _ in processor.batches(RECORDS, 50, 1)])
    assert sorted(seen.tolist()) == [0, 1]


def test_it_is_saved_and_opened_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    processor = ItemProcessor.fitted(RECORDS)
    processor.save(tmp_path)
    again = ItemProcessor.load(tmp_path)
    assert again.names == processor.names
    assert again.agrees_with(processor)
    np.save(tmp_path / "counts.npy", np.ones(2))
    with pytest.raises(HeadstartError, match="copy the folder again"):
        ItemProcessor.load(tmp_path)


def test_stored_sequences_are_rows_and_counted(tmp_path: Path) -> None:
    processor = ItemProcessor.fitted(RECORDS)
    counts = processor.store(RECORDS, tmp_path / "train")
    assert counts.tolist() == [0, 0, 0, 3, 2, 1]
    rows = processor.rows(tmp_path / "train", layout="documents", length=8, seed=0)
    batch = rows.batch(np.array([0, 1]), 0)
    assert batch["input_ids"].tolist() == [[3, 4, 3, 5], [4, 3, PAD, PAD]]


def batch_of(lengths: list[int]) -> dict[str, torch.Tensor]:
    width = max(lengths)
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    ids = torch.arange(3, 3 + width).expand(len(lengths), -1)
    return {"input_ids": torch.where(mask, ids, PAD), "mask": mask}


def view(kind: str, lengths: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    made = VIEWS[kind](batch_of(lengths), torch.Generator().manual_seed(seed), PAD, MASK)
    return made[0]


def test_a_crop_is_a_window_of_three_fifths() -> None:
    for seed in range(5):
        found = view("crop", [10, 1, 4], seed)
        sizes = found["mask"].sum(1).tolist()
        assert sizes == [6, 1, 2]
        for ids, size in zip(found["input_ids"].tolist(), sizes, strict=True):
            kept = ids[:size]
            assert kept == list(range(kept[0], kept[0] + size))
            assert ids[size:] == [PAD] * (len(ids) - size)


def test_a_mask_hides_three_tenths_and_never_padding() -> None:
    found = view("mask", [1000, 10])
    hidden = found["input_ids"] == MASK
    assert 0.25 < hidden[0].float().mean() < 0.35
    assert not hidden[1, 10:].any()


def test_an_order_keeps_the_items_and_what_is_outside_of_the_window() -> None:
    before = batch_of([10, 5])
    found = view("reorder", [10, 5])
    for row, length in enumerate([10, 5]):
        now, old = found["input_ids"][row], before["input_ids"][row]
        assert sorted(now[:length].tolist()) == old[:length].tolist()
        assert now[length:].eq(PAD).all()
        moved = (now != old).nonzero().flatten()
        assert len(moved) == 0 or int(moved.max() - moved.min()) < max(1, int(0.6 * length))


def test_two_views_are_of_two_kinds_and_an_unknown_kind_is_refused() -> None:
    one, two = VIEWS["auto"](batch_of([20] * 40), torch.Generator().manual_seed(0), PAD, MASK)
    same = (one["input_ids"] == two["input_ids"]).all(1) & (one["mask"] == two["mask"]).all(1)
    assert not same.any()
    with pytest.raises(HeadstartError, match=r"did you mean 'crop'"):
        check_views("crops")


def test_of_a_row_with_several_sequences_the_longest_is_shown() -> None:
    processor = ItemProcessor.fitted(RECORDS)
    batch = {
        "input_ids": torch.tensor([[3, 4, 3, 5, 4, PAD, PAD, PAD, PAD]]),
        "mask": torch.tensor([[True] * 5 + [False] * 4]),
        "segments": torch.tensor([[1, 2, 2, 2, 3, 1, 1, 1, 1]]),
    }
    targets = torch.tensor([[4, 3, 5, -100, -100, -100, -100, -100, -100]])
    shown = processor.show(batch, {**batch, "targets": targets}, {}).records
    assert [piece[0] for piece in shown[0][0]["pieces"]] == ["y", "x", "z"]
    assert [piece[2] for piece in shown[0][1]["pieces"]] == ["x", "z", ""]
