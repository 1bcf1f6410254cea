"""What an objective carries (queues, centres, averages, second networks) survives an interruption.

The training stage proves with one objective that going on gives the same bits wherever a process is
killed; here every objective with a state of its own crashes once and goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spoken
import torch
from digits import TinyConv
from pretext import images
from torch import Tensor

from headstart.config import TrainingOptions
from headstart.modalities.image.processor import ImageProcessor
from headstart.objectives import OBJECTIVES
from headstart.run import RunFolder
from headstart.training import checkpoint
from headstart.training.plan import TrainingPlan
from headstart.training.train import train

STEPS, CRASH = 6, 4
#: Those that keep more than weights which the optimizer moves, made small.
STATEFUL: dict[str, dict[str, Any]] = {
    "moco": {"queue": 16},
    "byol": {},
    "dino": {"prototypes": 16, "local": 0},
    "colorization": {"channels": 8},
    "inpainting": {"channels": 16, "critic_channels": 4},
    "gan": {"channels": 8},
    "bigan": {"channels": 8},
    "wav2vec2": {"negatives": 4, "codes": 8, "output": 8},
    "hubert": {"clusters": 6, "output": 8},
    # No state of its own, but ids that the network makes of its input.
    "clm": {},
}


class Images:
    """A few images as rows."""

    def __len__(self) -> int:
        return 40

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        return {"pixels": images(16)[torch.from_numpy(indices)]}


class Words(Images):
    """A few recordings as rows."""

    def batch(self, indices: np.ndarray, epoch: int) -> dict[str, Tensor]:
        return spoken.batch(spoken.words(40, 0)[0], indices)


class Crash(Exception):
    """What the process would have died of."""


def trained(folder: Path, name: str, *, crash: bool = False) -> dict[str, Tensor]:
    """Train, or go on training; return the weights and buffers of the last checkpoint."""
    config = TrainingOptions(
        budget=f"{STEPS}steps", tracker="none", precision="fp32", checkpoint_steps=1
    )
    there = (folder / "config.yaml").exists()
    run = RunFolder.open(folder) if there else RunFolder.create(folder, "pretrain", config)
    kind: Any = OBJECTIVES[name]
    sound = "waveform" in kind.needs or name == "clm"
    rows = Words() if sound else Images()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = spoken.predictor() if name == "clm" else spoken.network()
        parts = (network, spoken.PROCESSOR) if sound else (TinyConv(), ImageProcessor(16))
        objective = kind(*parts, kind.Options(**STATEFUL[name]))
        objective.begin(rows, 0)
    if crash:
        forward, seen = objective.forward, []

        def struck(batch: Any) -> Any:
            seen.append(batch)
            if len(seen) == CRASH:
                raise Crash
            return forward(batch)

        objective.forward = struck
    train(TrainingPlan(objective, rows, run, config, batch_size=8, learning_rate=1e-2))
    path = checkpoint.newest(run.checkpoints)
    assert path is not None
    return checkpoint.read(path)["state_dict"]


@pytest.mark.parametrize("name", STATEFUL)
def test_an_objective_with_a_state_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", name)
    with pytest.raises(Crash):
        trained(tmp_path / "crashed", name, crash=True)
    gone_on = trained(tmp_path / "crashed", name)
    assert gone_on.keys() == whole.keys()
    assert [key for key in whole if not torch.equal(whole[key], gone_on[key])] == []
