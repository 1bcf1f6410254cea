"""What guards an encoder that training goes on from: each safeguard, by hand where it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_objective import TinyObjective, run_tiny
from torch import nn

from headstart.config import OptimizerOptions, PretrainConfig
from headstart.objectives.mixture import Mixture
from headstart.training.optimizers import build, set_progress
from headstart.training.rollback import kept_file, nothing_seen, take_note, verdict
from headstart.training.safeguards import Safeguards, choose_safeguards
from headstart.training.watch import Watch


class Normed(TinyObjective):
    """Its encoder has statistics that move in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder.dense = nn.Sequential(self.encoder.dense, Rows())

    def after_step(self, progress: float) -> None: ...


class Rows(nn.BatchNorm1d):
    def __init__(self) -> None:
        super().__init__(8)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return super().forward(tokens.flatten(0, 1)).view_as(tokens)


def moved(one: nn.Module, other: nn.Module) -> list[str]:
    before, after = one.state_dict(), other.state_dict()
    return [name for name in before if not torch.equal(before[name], after[name])]


@pytest.mark.parametrize(("share", "thawed"), [(0.5, False), (0.4, True)])
def test_the_encoder_stays_to_the_bit_while_what_is_new_learns(
    share: float, thawed: bool, tmp_path: Path
) -> None:
    """The last of four steps stands at 0.875, a single one at 0.5."""
    trained = Normed()
    run_tiny(tmp_path / "all", objective=trained, guards={"warmup": 0.9}, budget="4steps")
    assert set(moved(Normed(), trained)) == {"head.weight", "head.bias", "seen"}
    trained = Normed()
    run_tiny(tmp_path / "run", objective=trained, guards={"warmup": share}, budget="1steps")
    assert ("encoder.dense.0.weight" in moved(Normed(), trained)) == thawed
    assert ("encoder.dense.1.running_mean" in moved(Normed(), trained)) == thawed
    assert all(parameter.requires_grad for parameter in trained.parameters())


def test_what_is_new_learns_faster_and_the_encoder_begins_where_it_thaws() -> None:
    objective = TinyObjective()
    options = OptimizerOptions(warmup=0.1, schedule="linear")
    guards = Safeguards(new_rate=10.0, warmup=0.2)
    optimizer = build(objective, options, 1e-3, guards)

    def rates(progress: float) -> dict[str, float]:
        set_progress(optimizer, progress, options)
        of = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
        return {name: of[id(p)] for name, p in objective.named_parameters()}

    assert rates(0.1)["head.weight"] == pytest.approx(1e-2)
    assert rates(0.1)["encoder.table.weight"] == 0
    # Half of its own warm-up: 0.05 of the 0.8 that are left.
    assert rates(0.24)["encoder.dense.weight"] == pytest.approx(0.5e-3)
    assert rates(0.6)["encoder.table.weight"] == pytest.approx(1e-3 * 0.5 / 0.9)
    assert rates(0.6)["head.bias"] == pytest.approx(1e-2 * 0.4 / 0.9)


def test_the_anchor_goes_a_share_of_the_way_back_after_the_step(tmp_path: Path) -> None:
    """One step in the middle of the schedule, where its factor is 0.5 / 0.95."""
    start, free, held = (TinyObjective() for _ in range(3))
    run_tiny(tmp_path / "free", objective=free, guards={"warmup": 0.0}, budget="1steps")
    run_tiny(tmp_path / "held", objective=held, guards={"anchor": 0.3}, budget="1steps")
    share = 0.3 * 0.5 / 0.95
    for (name, initial), (_, went), (_, back) in zip(
        *(o.named_parameters() for o in (start, free, held)), strict=True
    ):
        wanted = went + share * (initial - went) if name.startswith("encoder") else went
        torch.testing.assert_close(back, wanted)
    assert not torch.equal(free.encoder.dense.weight, held.encoder.dense.weight)


@pytest.mark.parametrize("kind", ["anchor", "measure"])
def test_the_start_is_kept_in_the_run(kind: str, tmp_path: Path) -> None:
    guards: dict[str, Any] = {"anchor": 0.3} if kind == "anchor" else {"measure": "effective_rank"}
    _, _, run = run_tiny(tmp_path / "run", guards=guards, budget="2steps")
    assert (run.checkpoints / "start.ckpt").is_file()


def test_where_nothing_was_better_the_start_is_restored_and_reported(tmp_path: Path) -> None:
    """A rate of 30 ruins the features; their rank at the start is the best there is."""
    trained = TinyObjective()
    _, outcome, run = run_tiny(
        tmp_path / "run",
        objective=trained,
        learning_rate=30.0,
        guards={"measure": "effective_rank"},
        patience=0,
    )
    assert moved(TinyObjective(), trained) == []
    assert outcome.verdict is not None
    assert outcome.verdict.startswith(
        "The start was better: its weights are kept (measured by effective_"
    )
    assert outcome.verdict in run.log_file.read_text()
    assert "the best weights by effective_rank are kept" in run.log_file.read_text()


def test_the_best_of_all_evaluations_is_kept_and_a_tie_goes_to_the_earlier(tmp_path: Path) -> None:
    def judged(values: dict[int, float]) -> dict[str, Any]:
        state = nothing_seen("view_matching")
        for step, value in values.items():
            take_note(state, value, step)
        return state

    middle = judged({0: 0.2, 4: 0.5, 8: 0.3})
    assert kept_file(middle, tmp_path, 8) == tmp_path / "best.ckpt"
    assert verdict(middle, 8) == (
        "The weights of step 4 of 8 are kept, the best of 3 evaluations by view_matching: they "
        "have 0.500, the start had 0.200, the end 0.300."
    )
    assert kept_file(judged({0: 0.2, 8: 0.3}), tmp_path, 8) is None
    assert kept_file(judged({0: 0.2, 8: 0.2}), tmp_path, 8) == tmp_path / "start.ckpt"
    assert kept_file(judged({0: 0.2, 8: float("nan")}), tmp_path, 8) == tmp_path / "start.ckpt"
    assert kept_file(nothing_seen("view_matching"), tmp_path, 8) is None


def test_the_start_gives_way_only_to_more_than_noise(tmp_path: Path) -> None:
    state = nothing_seen("view_matching", margin=0.02)
    assert [take_note(state, v, s) for s, v in {0: 0.30, 4: 0.31, 8: 0.29}.items()] == [
        True,
        False,
        False,
    ]
    assert kept_file(state, tmp_path, 8) == tmp_path / "start.ckpt"
    assert verdict(state, 8) == (
        "The start's weights are kept, since nothing was clearly better (measured by view_matching "
        "it has 0.300, what came later 0.310 at best; below 0.320 that may be chance)."
    )
    # Against one another later evaluations need no margin.
    assert take_note(state, 0.33, 12)
    assert take_note(state, 0.335, 16)
    assert kept_file(state, tmp_path, 16) is None


def test_noise_of_view_matching_falls_with_the_number_of_records() -> None:
    half = {"x": torch.zeros(64, 2)}
    watch = Watch(half, view_matching=[half, half])
    assert watch.margin("view_matching") == pytest.approx(2 * 0.15 / 8)
    assert watch.margin("probe") == watch.margin("effective_rank") == 0.0
    assert Watch(half).margin("view_matching") == 0.0


def test_a_run_that_stops_early_is_measured_when_it_stops(tmp_path: Path) -> None:
    """Patience goes by the loss and the weights by a measure that is computed seldom."""
    labels = torch.arange(16).remainder(2)[:, None].float()
    _, outcome, _ = run_tiny(
        tmp_path / "run",
        guards={"measure": "probe"},
        probe=labels,
        patience=1,
        validate_steps=1,
        learning_rate=30.0,
    )
    assert outcome.stopped_early
    assert outcome.verdict is not None


def test_where_nothing_is_new_nothing_learns_alone() -> None:
    guards = Safeguards(new_rate=10.0, warmup=0.1, anchor=0.1)
    bare = TinyObjective()
    bare.head = nn.LayerNorm(8)  # type: ignore[assignment]
    assert guards.for_objective(TinyObjective()) == guards
    assert guards.for_objective(bare) == Safeguards(new_rate=1.0, warmup=0.0, anchor=0.1)
    # In a mixture by turns it may be the turn of the one that has nothing to learn with.
    full = TinyObjective()
    bare.layout = full.layout = "packed"
    both = Mixture({"mlm": full, "bare": bare}, {"mlm": 1.0, "bare": 1.0})
    assert guards.for_objective(both).warmup == 0


@pytest.mark.parametrize(
    ("options", "measure"),
    [
        ({}, "view_matching"),
        ({"probe": "labeled.csv"}, "probe"),
        ({"watch": "effective_rank", "probe": "labeled.csv"}, "effective_rank"),
        ({"keep": "best"}, None),
        ({"keep": "best", "watch": "probe", "probe": "labeled.csv"}, "probe"),
        ({"safeguard_options": {"rollback": False}}, None),
    ],
)
def test_labels_choose_the_weights_where_there_are_some(
    options: dict[str, Any], measure: str | None
) -> None:
    config = PretrainConfig(sources=["a"], out="b", **options)
    assert choose_safeguards(config, 1e-4).measure == measure
