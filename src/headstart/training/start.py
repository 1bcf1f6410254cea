"""The initial weights, saved for the safeguards that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from torch import Tensor

from headstart.run import RunFolder
from headstart.training import checkpoint

START = "start.ckpt"


class KeepStart(Callback):
    """Saves the state of the objective before the first step."""

    def __init__(self, run: RunFolder) -> None:
        self._path = run.checkpoints / START

    def on_train_start(self, trainer: Trainer, loop: Any) -> None:
        if loop.counts.step == 0 and trainer.is_global_zero:
            checkpoint.write({"state_dict": loop.objective.state_dict()}, self._path)


def read_start(folder: Path) -> dict[str, Tensor]:
    """Return the state of the objective (by name) before the first step.

    Raises:
        HeadstartError: the file is damaged.
    """
    weights: dict[str, Tensor] = checkpoint.read(folder / START)["state_dict"]
    return weights
