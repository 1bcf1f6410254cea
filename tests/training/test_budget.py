"""A budget becomes steps."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_objective import TinyObjective, TinyRows, open_tiny

from headstart.config import TrainingOptions
from headstart.run import RunFolder
from headstart.training.boundary import validate_every
from headstart.training.budget import Timings, ends_early, off_budget, steps_within, typical
from headstart.training.plan import TrainingPlan
from headstart.training.train import train

TIMINGS = Timings(start=2.0, step=0.1, validation_batch=0.5, snapshot=0.2, checkpoint=1.0)


def within(config: TrainingOptions, rows: int, timings: Timings = TIMINGS, ago: float = 0.0) -> int:
    plan = TrainingPlan(
        objective=None,
        rows=TinyRows(1),
        run=RunFolder("none"),
        config=config,
        batch_size=10,
        learning_rate=1e-3,
        validation=TinyRows(rows),
        started=time.monotonic() - ago,
    )
    return steps_within(plan, timings)


def test_without_extras_it_is_time_over_step_time() -> None:
    timings = Timings(start=0.0, step=0.25, validation_batch=0.0, snapshot=0.0, checkpoint=0.0)
    assert within(TrainingOptions(budget="100s"), 0, timings) in (399, 400)


def test_start_up_validation_and_checkpoints_count_by_hand() -> None:
    """A validation at the start and every 50 steps, of five batches; a checkpoint at every 20."""
    config = TrainingOptions(budget="100s", validate_steps=50, checkpoint_steps=20)
    steps = within(config, 1000)

    def seconds(steps: int) -> float:
        validations = -(-steps // 50) + 1
        return 2.0 + 0.1 * steps + validations * (0.2 + 5 * 0.5) + (steps / 20 + 1) * 1.0

    assert seconds(steps) <= 100 < seconds(steps + 2)


def test_what_was_spent_before_counts_but_a_tenth_is_left() -> None:
    config = TrainingOptions(budget="100s")
    timings = Timings(start=0.0, step=0.25, validation_batch=0.0, snapshot=0.0, checkpoint=0.0)
    assert within(config, 0, timings, ago=50) in (199, 200)
    assert within(config, 0, timings, ago=99) in (39, 40)
    assert within(TrainingOptions(budget="1s"), 0, Timings(9.0, 9.0, 9.0, 9.0, 9.0)) == 1


@pytest.mark.parametrize(
    ("steps", "patience", "every"), [(5, 0, 5), (100, 0, 20), (1000, 0, 50), (100, 3, 5), (5, 3, 1)]
)
def test_a_run_is_validated_about_twenty_times(steps: int, patience: int, every: int) -> None:
    assert validate_every(TrainingOptions(patience=patience), steps) == every


def test_some_disturbed_steps_do_not_count() -> None:
    assert typical(np.array([0.1] * 8 + [5.0] * 2)) == pytest.approx(0.12)
    assert typical(np.array([0.1, 0.1, 0.1, 0.14])) == pytest.approx(0.11)


def test_a_budget_that_was_not_used_or_exceeded_says_why_and_what_to_give() -> None:
    assert off_budget(30, 3, 120) == (
        "Used 3 of 30 minutes: the machine was busier before the speed had been measured. About "
        "1,200 steps take that time: --budget 1200steps."
    )
    assert "busier after the speed" in (off_budget(1, 4, 100) or "")
    assert off_budget(30, 25, 120) is off_budget(30, 33, 120) is None


def test_a_budget_that_will_not_be_used_up_says_so_and_why_beforehand() -> None:
    assert ends_early(15, 5.04, 6, 19_000) == (
        "Of the 15 minutes about 5 will be used: more than 6 epochs over 19,000 records do not "
        "help (measured: docs/log.md). More records can use the rest; a --budget in epochs or "
        "steps sets another end."
    )
    assert ends_early(0.2, 0.1, 6, 900).startswith("Of the 12 seconds about 6 will be used: more")
    assert ends_early(0.2, 0.3, 6, 900).startswith("Training takes no longer: more than 6 epochs")
    assert ends_early(5, 0.3, 6, 900).startswith("Of the 5 minutes less than one will be used")


def test_a_capped_budget_in_minutes_is_announced_before_the_first_step(tmp_path: Path) -> None:
    run, config = open_tiny(tmp_path / "run", budget="12s")
    plan = TrainingPlan(
        TinyObjective(), TinyRows(40), run, config, batch_size=4, learning_rate=0.01, most_epochs=2
    )
    assert train(plan).planned == 30  # the fewest
    first, second, *_ = run.log_file.read_text(encoding="utf-8").splitlines()
    assert first.startswith("Measuring")
    assert re.match(r"(Of the 12 seconds about|Training takes).* 2 epochs over 40", second)
