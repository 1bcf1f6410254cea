from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import Tensor

from headstart.encoders.features import features
from headstart.errors import HeadstartError
from headstart.modalities.tokens.batching import by_length

Batch = dict[str, Tensor]


class Letters:
    """A processor that gives every character its code, and remembers the shapes of batches."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def batches(
        self, records: Dataset, length: int, size: int
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        def read(texts: list[str]) -> list[list[int]]:
            return [[ord(letter) for letter in text[:length]] for text in texts]

        for indices, rows in by_length(records["text"], read, length * size):
            yield indices, self.pad(rows)

    def pad(self, rows: list[list[int]]) -> Batch:
        self.shapes.append((len(rows), max(map(len, rows))))
        ids = torch.zeros(self.shapes[-1], dtype=torch.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
        return {"input_ids": ids, "mask": ids > 0}


class Summing(torch.nn.Module):
    """An encoder whose vectors are (sum of codes, number of codes); dropout must be off."""

    width = 2

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))
        self.dropout = torch.nn.Dropout(0.5)
        self.autocast: set[bool] = set()

    def pool(self, batch: Batch) -> Tensor:
        assert not torch.is_grad_enabled()
        self.autocast.add(torch.is_autocast_enabled("cpu"))
        pooled = torch.stack([batch["input_ids"].sum(1), batch["mask"].sum(1)], 1).float()
        return self.dropout(pooled) * self.factor


TEXTS = ["ab", "a" * 50, "c", "abc", "b" * 49, "zz", "d"]


def of(encoder: Summing, processor: Letters, **options: object) -> np.ndarray:
    records = Dataset.from_dict({"text": TEXTS})
    return features(encoder, processor, records, **options)  # type: ignore[arg-type]


def test_rows_keep_the_order_of_the_records_whatever_shares_a_batch() -> None:
    processor = Letters()
    seen: list[tuple[int, int]] = []
    found = of(
        Summing(),
        processor,
        length=40,
        batch_size=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert found.dtype == np.float32
    assert found[:, 1].tolist() == [2, 40, 1, 3, 40, 2, 1]
    assert found[:, 0].tolist() == [float(sum(map(ord, text[:40]))) for text in TEXTS]
    # Like lengths share a batch, the longest first, and no batch has more than 40 tokens.
    assert processor.shapes == [(1, 40), (1, 40), (5, 3)]
    assert seen == [(1, 7), (2, 7), (7, 7)]


def test_bf16_is_used_where_it_is_fast_and_can_be_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for fast, forced, used in (
        ("bf16", None, True),
        ("fp32", None, False),
        ("bf16", False, False),
    ):
        monkeypatch.setattr("headstart.precision.precision", lambda _, fast=fast: fast)
        encoder = Summing()
        of(encoder, Letters(), length=8, bf16=forced)
        assert encoder.autocast == {used}


def test_an_encoder_that_diverged_is_named() -> None:
    with pytest.raises(HeadstartError, match="not finite"):
        of(Summing(float("nan")), Letters(), length=8)
