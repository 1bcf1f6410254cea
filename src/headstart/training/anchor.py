"""A safeguard: the encoder's weights are pulled back to where they began.

L2-SP penalises the squared distance from the start (Li et al. 2018, "Explicit inductive bias for
transfer learning", equation 1). Under Adam a penalty in the gradient would be divided by its size,
so, like weight decay in AdamW, the pull is a step of its own (RecAdam, Chen et al. 2020, section
3.3). It follows the schedule of the rate, and is divided by the number of steps: else a long run
would get no farther from the start than a short one.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from headstart.run import RunFolder
from headstart.training.start import read_start


class Anchor(Callback):
    """After each step, moves the encoder a share of the way back: ``w += share (w0 - w)``.

    Args:
        strength: the share times the number of steps, at the peak rate. Under a schedule that
            falls on a line, ``exp(-strength / 2)`` of a detour at the beginning is left at the end.
    """

    def __init__(self, run: RunFolder, strength: float) -> None:
        self._folder, self._strength = run.checkpoints, strength
        self._start: dict[nn.Parameter, Tensor] = {}

    def on_train_start(self, trainer: Trainer, loop: Any) -> None:
        # What was opened anew may have changed since the first session; the file has not.
        begun = read_start(self._folder) if loop.counts.step else None
        moved = {p for p in loop.objective.student.parameters() if p.requires_grad}
        self._start = {
            parameter: (parameter.detach().clone() if begun is None else begun[name]).to(
                loop.device
            )
            for name, parameter in loop.objective.named_parameters()
            if parameter in moved
        }

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, loop: Any, outputs: Any, numbered: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % loop.accumulate:
            return
        most = min(1.0, self._strength / loop.steps)
        for group in trainer.optimizers[0].param_groups:
            share = most * group["lr"] / group["peak"]
            held = [p for p in group["params"] if p in self._start]
            if held and share:
                torch._foreach_lerp_(held, [self._start[p] for p in held], share)
