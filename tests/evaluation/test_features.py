from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from headstart.errors import HeadstartError
from headstart.evaluation.features import features


class Letters:
    """A processor that gives every character its code, and remembers the widths of batches."""

    def __init__(self) -> None:
        self.widths: list[int] = []

    def collate(self, records: Dataset, length: int) -> dict[str, torch.Tensor]:
        rows = [[ord(letter) for letter in text[:length]] for text in records["text"]]
        self.widths.append(max(map(len, rows)))
        ids = torch.zeros(len(rows), self.widths[-1], dtype=torch.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
        return {"input_ids": ids, "mask": ids > 0}


class Summing(torch.nn.Module):
    """An encoder whose vectors are (sum of codes, number of codes); dropout must be off."""

    width = 2

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, batch: dict[str, torch.Tensor]) -> Any:
        assert not torch.is_grad_enabled()
        pooled = torch.stack([batch["input_ids"].sum(1), batch["mask"].sum(1)], 1).float()
        return SimpleNamespace(pooled=self.dropout(pooled) * self.factor)


TEXTS = ["ab", "a" * 50, "c", "abc", "b" * 49, "zz", "d"]


def test_rows_keep_the_order_of_the_records_whatever_shares_a_batch() -> None:
    processor = Letters()
    seen: list[tuple[int, int]] = []
    found = features(
        Summing(),
        processor,  # type: ignore[arg-type]
        Dataset.from_dict({"text": TEXTS}),
        length=40,
        batch_size=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found.dtype == np.float32
    assert found[:, 1].tolist() == [2, 40, 1, 3, 40, 2, 1]
    assert found[:, 0].tolist() == [float(sum(map(ord, text[:40]))) for text in TEXTS]
    assert processor.widths == [40, 3, 2, 1]  # like lengths share a batch
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]


def test_an_encoder_that_diverged_is_named() -> None:
    records = Dataset.from_dict({"text": TEXTS})
    with pytest.raises(HeadstartError, match="not finite"):
        features(Summing(float("nan")), Letters(), records, length=8)  # type: ignore[arg-type]
