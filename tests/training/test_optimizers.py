"""Schedules by hand, and which parameter goes to which optimizer."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_objective import TinyObjective
from torch import nn

from headstart.config import OptimizerOptions
from headstart.training import muon
from headstart.training.muon import Muon, orthogonal
from headstart.training.optimizers import Together, build, schedule, set_progress


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ("linear", {0.0: 0.0, 0.1: 0.5, 0.2: 1.0, 0.6: 0.5, 1.0: 0.0}),
        ("cosine", {0.1: 0.5, 0.2: 1.0, 0.4: 0.8535533905932737, 0.6: 0.5, 1.0: 0.0}),
        ("constant", {0.1: 0.5, 0.2: 1.0, 0.6: 1.0, 1.0: 1.0}),
    ],
)
def test_schedule_by_hand(shape: str, values: dict[float, float]) -> None:
    options = OptimizerOptions(warmup=0.2, schedule=shape)
    for progress, factor in values.items():
        assert schedule(progress, options) == pytest.approx(factor, abs=1e-12)


def test_without_warmup_it_starts_at_the_peak() -> None:
    assert schedule(0.0, OptimizerOptions(warmup=0.0)) == 1.0


def names(objective: nn.Module, group: dict) -> set[str]:
    wanted = {id(parameter) for parameter in group["params"]}
    return {name for name, p in objective.named_parameters() if id(p) in wanted}


def test_adamw_decays_matrices_alone() -> None:
    objective = TinyObjective()
    objective.head.bias.requires_grad_(False)
    optimizer = build(objective, OptimizerOptions(weight_decay=0.3), 0.01)
    assert [(names(objective, g), g["weight_decay"]) for g in optimizer.param_groups] == [
        ({"encoder.dense.weight", "head.weight"}, 0.3),
        ({"encoder.table.weight", "encoder.dense.bias"}, 0.0),
    ]
    set_progress(optimizer, 0.525, OptimizerOptions())
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.005, 0.005])


def test_an_objective_may_set_the_rate_of_its_groups() -> None:
    class Layered(TinyObjective):
        def parameter_groups(self, learning_rate: float) -> list[dict]:
            return [
                {"params": self.encoder.parameters(), "lr": learning_rate / 2},
                {"params": self.head.parameters(), "lr": learning_rate},
            ]

    objective = Layered()
    optimizer = build(objective, OptimizerOptions(name="muon", muon_learning_rate=0.04), 0.01)
    rates = {
        name: group["peak"] for group in optimizer.param_groups for name in names(objective, group)
    }
    assert rates == {
        "encoder.dense.weight": 0.02,
        "encoder.dense.bias": 0.005,
        "encoder.table.weight": 0.005,
        "head.weight": 0.01,
        "head.bias": 0.01,
    }


def step(objective: nn.Module, optimizers: list[torch.optim.Optimizer], seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    for parameter in objective.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)
    for optimizer in optimizers:
        optimizer.step()


def test_muon_with_adamw_equals_the_two_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix inside the encoder under torch's Muon, all else under torch's AdamW."""
    monkeypatch.setattr(muon, "precision", lambda wanted: "bf16")  # torch's takes nothing else
    one, two = TinyObjective(), TinyObjective()
    options = OptimizerOptions(name="muon", weight_decay=0.1)
    together = build(one, options, 0.01)
    assert isinstance(together, Together)
    adamw = {"lr": 0.01, "betas": options.betas, "fused": True}
    apart: list[torch.optim.Optimizer] = [
        torch.optim.Muon(
            [two.encoder.dense.weight],
            lr=0.008,
            weight_decay=0.1,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW([two.head.weight], weight_decay=0.1, **adamw),
        torch.optim.AdamW(
            [two.encoder.table.weight, two.encoder.dense.bias, two.head.bias],
            weight_decay=0.0,
            **adamw,
        ),
    ]
    for seed in range(3):
        step(one, [together], seed)
        step(two, apart, seed)
    for first, second in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(first, second)


def test_muon_with_adamw_goes_on_from_its_state() -> None:
    one = TinyObjective()
    options = OptimizerOptions(name="muon")
    optimizer = build(one, options, 0.01)
    step(one, [optimizer], 0)
    two = TinyObjective()
    two.load_state_dict(one.state_dict())
    resumed = build(two, options, 0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(one, [optimizer], 1)
    step(two, [resumed], 1)
    for first, second in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(first, second)


def test_without_hidden_matrices_muon_is_adamw() -> None:
    objective = TinyObjective()
    objective.encoder.dense = nn.Identity()
    optimizer = build(objective, OptimizerOptions(name="muon"), 0.01)
    assert isinstance(optimizer, torch.optim.AdamW)


def test_muon_moves_a_convolution_as_the_matrix_of_its_outputs() -> None:
    torch.manual_seed(0)
    convolution = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    matrix = torch.nn.Parameter(convolution.detach().flatten(1).clone())
    gradient = torch.randn(8, 4, 3, 3)
    convolution.grad, matrix.grad = gradient.clone(), gradient.flatten(1)
    for parameter in (convolution, matrix):
        Muon([{"params": [parameter], "lr": 0.1, "weight_decay": 0.01}]).step()
    assert torch.equal(convolution.flatten(1), matrix)


def test_the_convolution_that_reads_pixels_stays_with_adamw() -> None:
    objective = TinyObjective()
    objective.encoder = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3))
    optimizer = build(objective, OptimizerOptions(name="muon"), 0.01)
    moved = [p for g in optimizer.param_groups if "nesterov" in g for p in g["params"]]
    assert [p.shape for p in moved] == [objective.encoder[1].weight.shape]


def test_muon_moves_what_multiplies_and_no_bias_or_position() -> None:
    class Odd(nn.Module):
        """As XLNet has queries and biases of heads, and timm's ViT has positions."""

        def __init__(self) -> None:
            super().__init__()
            self.q = nn.Parameter(torch.randn(8, 2, 4))
            self.r_w_bias = nn.Parameter(torch.randn(2, 4))
            self.pos_embed = nn.Parameter(torch.randn(1, 5, 8))
            self.table = nn.Embedding(5, 8)
            self.dense = nn.Linear(8, 8)

    objective = TinyObjective()
    objective.encoder = Odd()
    optimizer = build(objective, OptimizerOptions(name="muon"), 0.01)
    moved = [p for g in optimizer.param_groups if "nesterov" in g for p in g["params"]]
    assert [id(p) for p in moved] == [id(objective.encoder.q), id(objective.encoder.dense.weight)]


@pytest.mark.parametrize("is_fast", [True, False])
def test_muon_multiplies_in_bfloat16_only_where_the_hardware_does(
    monkeypatch: pytest.MonkeyPatch, is_fast: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: is_fast)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    found = orthogonal(torch.randn(6, 9, generator=torch.Generator().manual_seed(0)))
    assert found.dtype == torch.float32
    assert torch.equal(found, found.bfloat16().float()) == is_fast
    assert torch.linalg.svdvals(found).min() > 0.6
    assert torch.linalg.svdvals(found).max() < 1.3
