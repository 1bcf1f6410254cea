"""What `train` promises beyond exact resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_objective import TinyObjective, TinyRows, run_tiny
from torch import Tensor

from headstart.errors import HeadstartError
from headstart.run import RunFolder
from headstart.training import fit


def rows_of(run: RunFolder) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "clock"} for row in run.metrics()]


def assert_equal_weights(one: torch.nn.Module, two: torch.nn.Module) -> None:
    second = two.state_dict()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, second[name]), name


class Failing(TinyObjective):
    """Fails in the training forward pass of one micro-batch."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.left -= self.training
        if self.training and self.left < 0:
            raise ValueError("the power went")
        return super().forward(batch)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_is_fed_exactly_the_batches_that_were_left(
    workers: int, tmp_path: Path
) -> None:
    options = {"workers": workers, "accumulate": 2, "checkpoint_steps": 3, "watched": False}
    whole, _, _ = run_tiny(tmp_path / "whole", **options)
    # Micro-batch 16 belongs to step 9; step 6 is the last that was saved.
    with pytest.raises(ValueError, match="the power went"):
        run_tiny(tmp_path / "cut", objective=Failing(16), **options)
    rest, outcome, _ = run_tiny(tmp_path / "cut", **options)
    assert outcome.resumed_from == 6
    assert len(rest.fed) == 12
    assert all(torch.equal(a, b) for a, b in zip(rest.fed, whole.fed[12:], strict=True))
    assert_equal_weights(rest, whole)


def test_validation_and_watching_disturb_nothing(tmp_path: Path) -> None:
    watched, _, run = run_tiny(tmp_path / "watched", validate_steps=1)
    alone, _, other = run_tiny(tmp_path / "alone", validation=0, watched=False)
    assert_equal_weights(watched, alone)
    losses = [row["loss"] for row in run.metrics() if "loss" in row]
    assert losses == [row["loss"] for row in other.metrics()]


def test_validation_losses_are_comparable_between_steps(tmp_path: Path) -> None:
    class Still(TinyObjective):
        def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
            return [{"params": self.parameters(), "lr": 0.0}]

    _, _, run = run_tiny(tmp_path / "still", objective=Still())
    losses = {row["validation_loss"] for row in run.metrics() if "validation_loss" in row}
    assert len(losses) == 1


def test_measuring_the_speed_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces = []
    monkeypatch.setattr(fit, "steps_within", lambda _, pace: paces.append(pace) or 9)
    timed, outcome, run = run_tiny(tmp_path / "timed", budget="1s")
    assert outcome.steps == run.resolved["steps"] == 9
    assert min(vars(paces[0]).values()) >= 0
    assert paces[0].step > 0
    counted, _, other = run_tiny(tmp_path / "counted", budget="9steps")
    # A budget in minutes is told that it gives few steps.
    assert [row for row in rows_of(run) if "alarm" not in row] == rows_of(other)
    assert_equal_weights(timed, counted)


def test_a_budget_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"checkpoint_steps": 1, "watched": False, "validation": 0}
    with pytest.raises(ValueError, match="the power went"):
        run_tiny(tmp_path, objective=_FailingLate(), budget="2s", **options)
    steps = RunFolder.open(tmp_path).resolved["steps"]
    monkeypatch.delattr(fit, "Rehearsal")
    RunFolder.open(tmp_path).resolve(steps=min(steps, 6))
    _, outcome, _ = run_tiny(tmp_path, budget="2s", **options)
    assert outcome.steps == min(steps, 6)


class _FailingLate(TinyObjective):
    def after_step(self, progress: float) -> None:
        """Fail in the real run only: the rehearsal stands still at progress 0."""
        super().after_step(progress)
        if progress > 0 and self.seen >= 3:
            raise ValueError("the power went")


def test_early_stopping_restores_the_best_validated_weights(tmp_path: Path) -> None:
    """At a rate far too high, the first validations are the best."""
    options = {"budget": "40steps", "patience": 2, "validate_steps": 3, "learning_rate": 3.0}
    best, outcome, run = run_tiny(tmp_path, objective=Remembering(), restore_best=True, **options)
    validations = [row for row in run.metrics() if row["step"] and "validation_loss" in row]
    assert outcome.stopped_early
    assert outcome.best_step == min(validations, key=lambda row: row["validation_loss"])["step"]
    assert outcome.steps == outcome.best_step + 6 < outcome.planned
    weights = best.after[outcome.best_step - 1]
    assert torch.equal(best.head.weight, weights)
    assert not torch.equal(best.after[-1], weights)
    again, repeated, _ = run_tiny(tmp_path, restore_best=True, **options)
    assert repeated == replace(outcome, resumed_from=outcome.steps)
    assert torch.equal(again.head.weight, weights)


class Remembering(TinyObjective):
    """Keeps the weights of its head after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.after: list[Tensor] = []

    def after_step(self, progress: float) -> None:
        super().after_step(progress)
        self.after.append(self.head.weight.detach().clone())


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first, _, run = run_tiny(tmp_path)
    written = run.metrics_file.read_bytes()
    again, outcome, _ = run_tiny(tmp_path)
    assert again.fed == []
    assert outcome.resumed_from == outcome.steps == 12
    assert_equal_weights(first, again)
    assert run.metrics_file.read_bytes() == written


def test_accumulating_equal_batches_is_training_on_their_union(tmp_path: Path) -> None:
    options = {"rows": 40, "budget": "5steps", "watched": False, "plain": True}
    halves, _, _ = run_tiny(tmp_path / "halves", accumulate=2, batch_size=2, **options)
    union, _, _ = run_tiny(tmp_path / "union", batch_size=4, **options)
    assert torch.equal(torch.cat(halves.fed), torch.cat(union.fed))
    torch.testing.assert_close(halves.head.weight, union.head.weight, rtol=0, atol=1e-5)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run_in_one_sentence(where: str, tmp_path: Path) -> None:
    class Broken(TinyObjective):
        def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            scalars = super().forward(batch)
            if self.training and len(self.fed) > 4:
                zero = (self.head.weight * 0).sum()
                scalars["loss"] = scalars["loss"] + (
                    zero.sqrt() if where == "gradient" else zero / 0
                )
            return scalars

    with pytest.raises(HeadstartError, match=rf"the {where} became .* at step 5; lower the learn"):
        run_tiny(tmp_path, objective=Broken(), checkpoint_steps=1)
    assert (tmp_path / "checkpoints/step-000000004.ckpt").exists()


def test_a_collapse_rings_once_in_the_log(tmp_path: Path) -> None:
    class Constant(TinyObjective):
        def after_step(self, progress: float) -> None:
            with torch.no_grad():
                self.encoder.dense.weight.zero_()
                self.encoder.dense.bias.fill_(1.0)

    _, _, run = run_tiny(tmp_path / "constant", objective=Constant())
    assert run.log_file.read_text().count("The features are collapsing") == 1
    _, _, run = run_tiny(tmp_path / "healthy")
    assert not run.log_file.exists()


def test_bf16_and_compilation_keep_the_names_in_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    fast, outcome, _ = run_tiny(tmp_path, precision="bf16", compile=True, budget="2steps")
    assert len(compiled) == 1
    assert fast.state_dict().keys() == TinyObjective().state_dict().keys()
    assert outcome.steps == 2


def test_the_random_numbers_of_the_caller_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    run_tiny(tmp_path, budget="2steps")
    assert torch.equal(torch.rand(3), expected)


def test_an_epoch_budget_sees_every_row_that_often(tmp_path: Path) -> None:
    trained, outcome, _ = run_tiny(tmp_path, rows=24, budget="2epochs", watched=False)
    rows = TinyRows(24).ids
    seen = torch.cat(trained.fed)
    assert outcome.rows == len(seen) == 48
    for epoch in range(2):
        part = seen[24 * epoch : 24 * (epoch + 1)].roll(-epoch, dims=1)
        assert sorted(part.tolist()) == sorted(rows.tolist())


def test_the_best_weights_by_a_measure_are_kept_if_requested(tmp_path: Path) -> None:
    options = {"validate_steps": 3, "learning_rate": 3.0, "budget": "30steps"}
    kept, outcome, run = run_tiny(
        tmp_path, objective=Remembering(), keep="best", watch="effective_rank", **options
    )
    ranks = {
        row["step"]: row["effective_rank"]
        for row in run.metrics()
        if row["step"] and "effective_rank" in row
    }
    assert outcome.best_step == max(ranks, key=lambda step: ranks[step])
    assert outcome.best_step < outcome.steps == 30
    assert torch.equal(kept.head.weight, kept.after[outcome.best_step - 1])
    last, _, _ = run_tiny(tmp_path / "last", objective=Remembering(), **options)
    assert torch.equal(last.head.weight, last.after[-1])


def test_patience_can_go_by_the_effective_rank(tmp_path: Path) -> None:
    _, outcome, run = run_tiny(
        tmp_path,
        patience=2,
        watch="effective_rank",
        validate_steps=3,
        learning_rate=3.0,
        budget="60steps",
        validation=0,
    )
    assert outcome.stopped_early
    assert outcome.steps == outcome.best_step + 6
    assert "the effective rank was best at step" in run.log_file.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "best", "watch": "lidar"}, "needs views of the records.*effective_rank"),
        ({"patience": 1, "watch": "uniformity", "watched": False}, "needs watched records"),
        ({"keep": "best", "validation": 0}, "no records are held out"),
    ],
)
def test_a_choice_by_what_is_not_measured_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(HeadstartError, match=message):
        run_tiny(tmp_path, **options)
