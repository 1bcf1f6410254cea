"""A training that is killed anywhere and gone on with gives the same bits as one that never was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.run import Run
from headstart.training import checkpoint

Attempt = Callable[..., int]
SERVER = Path(__file__).with_name("kill_server.py")
SOURCES = str(Path(__file__).resolve().parents[2] / "src")


@pytest.fixture(scope="module")
def attempt() -> Iterator[Attempt]:
    """Return a function that trains in a process of its own and returns its exit status."""
    path = os.pathsep.join([SOURCES, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(SERVER)], env=environment, **pipes) as server:

        def ask(
            folder: Path, kill: dict[str, Any] | None = None, *, world: int = 1, **options: Any
        ) -> int:
            plan = {"folder": str(folder), "options": options, "kill": kill, "world": world}
            server.stdin.write(json.dumps(plan) + "\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        yield ask
        server.kill()


def logged(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of metrics.jsonl without what depends on the clock."""
    rows = Run(folder).metrics()
    return [{key: value for key, value in row.items() if key != "clock"} for row in rows]


def saved(folder: Path) -> dict[str, Any]:
    """Return weights, buffers, optimizer state and counts of the last checkpoint."""
    path = checkpoint.newest(folder / "checkpoints", print)
    assert path is not None
    content = checkpoint.read(path)
    content["headstart"]["counts"].pop("seconds")
    return {name: content[name] for name in ("state_dict", "optimizer_states", "headstart")}


def assert_same_bits(one: Any, two: Any, where: str = "") -> None:
    if isinstance(one, torch.Tensor):
        assert one.dtype == two.dtype, where
        assert torch.equal(one, two), where
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same_bits(one[key], two[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for place, (first, second) in enumerate(zip(one, two, strict=True)):
            assert_same_bits(first, second, f"{where}/{place}")
    else:
        assert one == two, where


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
    "two processes": ({"world": 2, "rows": 40}, [("step", 7), ("optimizer", 4)]),
    "muon": ({"optimizer": {"name": "muon"}}, [("step", 8)]),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_and_resumed_equals_never_stopped(
    case: str, attempt: Attempt, tmp_path: Path
) -> None:
    """A chain: killed, gone on with, killed again ..., and at last left to finish.

    An epoch has six batches (ten with accumulation) and a run twelve steps, so that the chain
    crosses epochs. A checkpoint is due at every second step.
    """
    options, kills = CASES[case]
    options = {"checkpoint_steps": 2, **options}
    assert attempt(tmp_path / "whole", **options) == 0
    for place, count in kills:
        assert attempt(tmp_path / "killed", {"place": place, "count": count}, **options) == -9
    assert attempt(tmp_path / "killed", **options) == 0
    assert logged(tmp_path / "killed") == logged(tmp_path / "whole")
    assert_same_bits(saved(tmp_path / "killed"), saved(tmp_path / "whole"))


@pytest.mark.parametrize(("signum", "status"), [(2, 130), (15, 143)])
def test_a_signal_saves_at_the_step_boundary_and_says_how_to_go_on(
    signum: int, status: int, attempt: Attempt, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"accumulate": 2, "workers": 2}
    assert attempt(tmp_path / "whole", **options) == 0
    kill = {"place": "step", "count": 7, "signal": signum}
    assert attempt(tmp_path / "stopped", kill, **options) == status
    # The seventh micro-batch belongs to the fourth step, which is finished before stopping.
    assert [path.name for path in (tmp_path / "stopped/checkpoints").iterdir()] == [
        "step-000000004.ckpt"
    ]
    assert attempt(tmp_path / "stopped", **options) == 0
    assert logged(tmp_path / "stopped") == logged(tmp_path / "whole")
    assert_same_bits(saved(tmp_path / "stopped"), saved(tmp_path / "whole"))


def test_two_processes_train_as_one_with_batches_twice_as_large(
    attempt: Attempt, tmp_path: Path
) -> None:
    options = {"rows": 80, "budget": "5steps", "plain": True, "watch": False}
    assert attempt(tmp_path / "two", world=2, batch_size=2, **options) == 0
    assert attempt(tmp_path / "one", batch_size=4, **options) == 0
    for two, one in zip(logged(tmp_path / "two"), logged(tmp_path / "one"), strict=True):
        assert two == pytest.approx(one, rel=1e-5)
    weights = [
        saved(tmp_path / name)["state_dict"]["objective.head.weight"] for name in ("two", "one")
    ]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=1e-5)
