"""A training that is killed anywhere and gone on with gives the same bits as one that never was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from kills import Kills, assert_same_bits, logged, saved


@pytest.fixture(scope="module")
def kills() -> Iterator[Kills]:
    with Kills() as server:
        yield server


GUARDS = {"new_rate": 10.0, "warmup": 0.4, "anchor": 2.0, "measure": "effective_rank"}

#: What differs from the defaults, and where the process dies in each link of the chain.
CASES: dict[str, tuple[dict[str, Any], list[tuple[str, int]]]] = {
    "in line": (
        {},
        [("validation", 3), ("step", 4), ("write", 2), ("rename", 2), ("renamed", 1)],
    ),
    "two workers": ({"workers": 2}, [("optimizer", 5), ("write", 2), ("step", 3)]),
    "accumulated": (
        {"accumulate": 3, "rows": 41},
        [("step", 5), ("renamed", 1), ("step", 8), ("rename", 1)],
    ),
    "best weights": (
        {"patience": 3, "validate_steps": 3, "restore_best": True},
        [("write", 3), ("rename", 3), ("forget", 1)],
    ),
    "best weights by rank": (
        {"keep": "best", "watch": "effective_rank", "validate_steps": 3, "learning_rate": 3.0},
        [("write", 3), ("step", 4), ("rename", 2)],
    ),
    "two processes": ({"world": 2, "rows": 40}, [("step", 7), ("optimizer", 4)]),
    # Of the twelve steps the encoder is frozen in the first five.
    "safeguards": (
        {"guards": GUARDS, "validate_steps": 3},
        [("step", 1), ("write", 4), ("step", 3), ("rename", 2)],
    ),
    "safeguards in two processes": (
        {"guards": GUARDS, "world": 2, "rows": 40, "validate_steps": 3},
        [("step", 4), ("optimizer", 4)],
    ),
    # The last death is after the last checkpoint, before older ones are deleted.
    "muon": ({"optimizer": {"name": "muon"}}, [("step", 8), ("forget", 3)]),
}


RUNS = ("killed", "whole")


@pytest.mark.parametrize("case", CASES)
def test_killed_and_resumed_equals_never_stopped(case: str, kills: Kills, tmp_path: Path) -> None:
    """A chain: killed, gone on with, killed again ..., and at last left to finish.

    An epoch has six batches (ten with accumulation) and a run twelve steps, so that the chain
    crosses epochs. A checkpoint is due at every second step.
    """
    options, deaths = CASES[case]
    options = {"checkpoint_steps": 2, **options}
    assert kills.train(tmp_path / "whole", **options) == 0
    for index, count in deaths:
        assert kills.train(tmp_path / "killed", {"point": index, "count": count}, **options) == -9
    assert kills.train(tmp_path / "killed", **options) == 0
    left = [sorted(p.name for p in tmp_path.glob(f"{run}/checkpoints/*")) for run in RUNS]
    assert left[0] == left[1]
    assert logged(tmp_path / "killed") == logged(tmp_path / "whole")
    assert_same_bits(saved(tmp_path / "killed"), saved(tmp_path / "whole"))


@pytest.mark.parametrize(("signum", "status"), [(2, 130), (15, 143)])
def test_a_signal_saves_at_the_step_boundary_and_says_how_to_go_on(
    signum: int, status: int, kills: Kills, tmp_path: Path
) -> None:
    """The signal goes to the whole group of processes, as Ctrl-C in a terminal does."""
    options = {"accumulate": 2, "workers": 2}
    assert kills.train(tmp_path / "whole", **options) == 0
    kill = {"point": "step", "count": 7, "signal": signum}
    assert kills.train(tmp_path / "stopped", kill, **options) == status
    # The seventh micro-batch belongs to the fourth step, which is finished before stopping.
    assert [path.name for path in (tmp_path / "stopped/checkpoints").iterdir()] == [
        "step-000000004.ckpt"
    ]
    assert kills.train(tmp_path / "stopped", **options) == 0
    assert logged(tmp_path / "stopped") == logged(tmp_path / "whole")
    assert_same_bits(saved(tmp_path / "stopped"), saved(tmp_path / "whole"))


def test_two_processes_train_as_one_with_batches_twice_as_large(
    kills: Kills, tmp_path: Path
) -> None:
    options = {"rows": 80, "budget": "5steps", "plain": True, "watched": False}
    assert kills.train(tmp_path / "two", world=2, batch_size=2, **options) == 0
    assert kills.train(tmp_path / "one", batch_size=4, **options) == 0
    for two, one in zip(logged(tmp_path / "two"), logged(tmp_path / "one"), strict=True):
        assert two == pytest.approx(one, rel=1e-5)
    weights = [
        saved(tmp_path / name)["state_dict"]["objective.head.weight"] for name in ("two", "one")
    ]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=1e-5)
