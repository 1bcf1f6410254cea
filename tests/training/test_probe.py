"""The probe on labeled records, and how well two views find each other, by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from torch.nn import functional as F

from headstart.errors import HeadstartError
from headstart.training.health import view_matching
from headstart.training.probe import explained, open_probe, store_probe


class Words:
    """A processor of texts that are numbers."""

    def collate(self, records: Dataset, length: int) -> dict[str, Tensor]:
        return {"input_ids": torch.tensor([[int(text)] for text in records["text"]])}


def left_out(rows: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """Return the squared errors of a ridge regression with a free mean, fitted n times."""
    errors = []
    for index in range(len(rows)):
        others = torch.arange(len(rows)) != index
        x, y = rows[others], targets[others]
        centred = x - x.mean(0)
        gram = centred.T @ centred + ridge * torch.eye(x.shape[1], dtype=x.dtype)
        weights = torch.linalg.solve(gram, centred.T @ (y - y.mean(0)))
        errors.append(((rows[index] - x.mean(0)) @ weights + y.mean(0) - targets[index]) ** 2)
    return torch.stack(errors).sum()


def test_each_record_is_predicted_from_all_others() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(20, 4, generator=random, dtype=torch.float64)
    labels = F.one_hot((features[:, 0] + 0.5 * features[:, 1] > 0).long(), 2).double()
    rows = F.normalize(features, dim=1)
    scale = torch.linalg.svdvals(rows - rows.mean(0)).square().mean()
    best = min(float(left_out(rows, labels, 10.0**p * float(scale))) for p in range(-4, 4))
    whole = sum(
        float((labels[torch.arange(20) != n].mean(0) - labels[n]).square().sum()) for n in range(20)
    )
    assert explained(features.float(), labels) == pytest.approx(1 - best / whole, abs=1e-5)
    assert explained(torch.ones(20, 4), labels) == pytest.approx(0, abs=1e-6)
    noise = torch.randn(20, 4, generator=random)
    assert explained(noise, labels) < 0.3 < explained(features.float(), labels)


def test_labels_of_any_kind_are_stored_with_the_records(tmp_path: Path) -> None:
    def stored(labels: list[object]) -> Tensor:
        records = Dataset.from_dict({"text": list(map(str, range(len(labels)))), "label": labels})
        store_probe(records, Words(), 8, 0, "some.csv", tmp_path / "probe")  # type: ignore[arg-type]
        probe = open_probe(tmp_path / "probe")
        assert probe is not None
        # Whatever was drawn, records and labels belong together.
        assert len(probe.batch["input_ids"]) == len(probe.labels)
        return probe.labels

    assert stored(["a", "b", None, ""] * 10).sum(0).tolist() == [10, 10]
    assert stored(list(range(600))).shape == (500, 1)
    assert stored([n % 3 for n in range(30)]).shape == (30, 3)
    with pytest.raises(HeadstartError, match=r"12 labeled record.s. of 1 label"):
        stored(["a"] * 12)
    with pytest.raises(HeadstartError, match="--column label=COLUMN"):
        store_probe(
            Dataset.from_dict({"text": ["1"]}),
            Words(),  # type: ignore[arg-type]
            8,
            0,
            "x.csv",
            tmp_path / "probe",
        )
    assert open_probe(tmp_path / "nothing") is None


def test_counterparts_are_ranked() -> None:
    first = torch.eye(3)
    second = torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0.1]])
    # The first ranks its counterpart first; for the others one or two rank before it.
    assert view_matching(first, first) == 1
    forth, back = (1 + 1 / 3 + 1 / 2) / 3, (1 + 1 / 3 + 1 / 2) / 3
    assert view_matching(first, second) == pytest.approx((forth + back) / 2)
    assert view_matching(torch.ones(4, 2), torch.ones(4, 2)) == 1 / 4
    assert math.isnan(view_matching(first * math.nan, second))
