"""Gradients of a few rows: the steps of Adam on these rows, clipping, and going on exactly."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from headstart.config import OptimizerOptions, TrainingOptions
from headstart.encoders.opening import create_encoder
from headstart.modalities.interactions.processor import ItemProcessor, ItemRow
from headstart.objectives import vocabulary
from headstart.objectives.building import build_objective
from headstart.run import RunFolder
from headstart.training import checkpoint
from headstart.training.clipping import clip
from headstart.training.optimizers import build
from headstart.training.plan import TrainingPlan
from headstart.training.row_adam import RowAdam
from headstart.training.train import train

IDS = torch.tensor([[1, 3, 3], [5, 1, 0]])


def grouped(parameter: nn.Parameter) -> RowAdam:
    return RowAdam([{"params": [parameter], "lr": 0.1, "betas": (0.9, 0.99)}])


def loss(table: Tensor, *, sparse: bool, step: int) -> Tensor:
    return (F.embedding((IDS + step) % 7, table, sparse=sparse) ** 3).sum()


@pytest.mark.parametrize("sparse", [False, True])
def test_steps_are_those_of_the_library(sparse: bool) -> None:
    torch.manual_seed(0)
    ours = nn.Parameter(torch.randn(7, 4))
    theirs = nn.Parameter(ours.detach().clone())
    kind: Any = torch.optim.SparseAdam if sparse else torch.optim.Adam
    optimizers = [grouped(ours), kind([theirs], lr=0.1, betas=(0.9, 0.99))]
    for step in range(4):
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            loss(parameter, sparse=sparse, step=step).backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_rows_that_no_step_reads_stay_as_they_are_to_the_last_bit() -> None:
    parameter = nn.Parameter(torch.randn(7, 4))
    before = parameter.detach().clone()
    optimizer = grouped(parameter)
    loss(parameter, sparse=True, step=0).backward()
    optimizer.step()
    assert (parameter != before).any(1).nonzero().squeeze(1).tolist() == [0, 1, 3, 5]


def test_it_goes_on_from_its_state_to_the_same_bits() -> None:
    torch.manual_seed(0)
    whole = nn.Parameter(torch.randn(7, 4))
    optimizer = grouped(whole)
    for step in range(4):
        if step == 2:
            again = nn.Parameter(whole.detach().clone())
            second = grouped(again)
            second.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for parameter, each in [(whole, optimizer), *([(again, second)] if step >= 2 else [])]:
            each.zero_grad()
            loss(parameter, sparse=True, step=step).backward()
            each.step()
    assert torch.equal(whole, again)


@pytest.mark.parametrize("most", [0.5, 1e6, float("inf")])
def test_clipping_is_that_of_whole_gradients(most: float) -> None:
    torch.manual_seed(0)
    start, other = torch.randn(7, 4), torch.randn(5)
    found = []
    for sparse in (False, True):
        table, vector = nn.Parameter(start.clone()), nn.Parameter(other.clone())
        (loss(table, sparse=sparse, step=0) + (vector**2).sum()).backward()
        frozen = nn.Parameter(torch.ones(2))
        clipped: Any = clip if sparse else nn.utils.clip_grad_norm_
        norm = clipped([table, vector, frozen], most)
        assert table.grad is not None
        found.append((norm, table.grad.to_dense() if sparse else table.grad, vector.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


class Items:
    """A few sequences as rows."""

    def __len__(self) -> int:
        return 24

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        rows = [ItemRow([3 + (int(i) * 7 + n * n) % 50 for n in range(9)]) for i in indices]
        return ItemProcessor([str(number) for number in range(50)]).batch_of(rows)


def objective(**options: Any) -> Any:
    processor = ItemProcessor([f"i{n}" for n in range(50)])
    encoder = create_encoder(
        "gpt", {"layers": 1, "width": 16, "heads": 2}, processor, length=12, seed=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_objective({"clm": 1.0}, {"clm": options}, encoder, processor)


class Crash(Exception):
    """What the process would have died of."""


def trained(folder: Path, *, crash: bool = False, **options: Any) -> dict[str, Any]:
    """Train, or go on training; return the last checkpoint."""
    config = TrainingOptions(
        budget="6steps", tracker="none", precision="fp32", checkpoint_steps=1, accumulate=2
    )
    there = (folder / "config.yaml").exists()
    run = RunFolder.open(folder) if there else RunFolder.create(folder, "pretrain", config)
    made = objective(**options)
    if crash:
        forward, seen = made.forward, []

        def struck(batch: Any) -> Any:
            seen.append(batch)
            if len(seen) == 8:
                raise Crash
            return forward(batch)

        made.forward = struck
    train(TrainingPlan(made, Items(), run, config, batch_size=4, learning_rate=1e-2))
    path = checkpoint.newest(run.checkpoints)
    assert path is not None
    return checkpoint.read(path)


@pytest.mark.parametrize("large", [100_000, 3])
@pytest.mark.parametrize("kind", ["sampled", "gbce"])
def test_a_sampled_training_goes_on_to_the_same_bits(
    kind: str, large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabulary, "LARGE", large)
    options: dict[str, Any] = {"loss": kind, "negatives": 10}
    whole = trained(tmp_path / "whole", **options)["state_dict"]
    with pytest.raises(Crash):
        trained(tmp_path / "crashed", crash=True, **options)
    gone_on = trained(tmp_path / "crashed", **options)["state_dict"]
    assert [key for key in whole if not torch.equal(whole[key], gone_on[key])] == []
    full = trained(tmp_path / "full")["state_dict"]
    assert any(not torch.equal(whole[key], full[key]) for key in whole)


def test_only_a_sampled_loss_has_a_large_table_updated_by_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert objective(loss="sampled", negatives=10).keep_rows() == []
    monkeypatch.setattr(vocabulary, "LARGE", 3)
    made = objective(loss="sampled", negatives=10)
    table = made.encoder.token_embedding.weight
    optimizer = build(made, OptimizerOptions(), 1e-3, keep_rows=True)
    (group,) = [each for each in optimizer.param_groups if "rows" in each]
    assert [id(each) for each in group["params"]] == [id(table)]
    assert group["weight_decay"] == 0
    every = [id(p) for each in optimizer.param_groups for p in each["params"]]
    assert len(every) == len(set(every)) == len(list(made.parameters()))
    full = objective(loss="full")
    for other, keep_rows in ((full, True), (objective(loss="gbce", negatives=10), False)):
        assert isinstance(
            build(other, OptimizerOptions(), 1e-3, keep_rows=keep_rows), torch.optim.AdamW
        )
    with_muon = build(made, OptimizerOptions(name="muon"), 1e-3, keep_rows=True)
    assert {len({"rows", "nesterov"} & each.keys()) for each in with_muon.param_groups} == {0, 1}
