"""A safeguard: the encoder's weights are regularised towards their starting values (L2-SP).

L2-SP penalises the squared distance from the start (Li et al. 2018, "Explicit inductive bias for
transfer learning", equation 1, https://arxiv.org/abs/1802.01483). Adam would normalise a penalty in
the gradient, so, like weight decay in AdamW, it is decoupled (RecAdam, Chen et al. 2020, section
3.3, https://arxiv.org/abs/2004.12651). It follows the learning rate schedule and is divided by the
number of steps, so that a long run may move farther from the start than a short one.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from headstart.run import RunFolder
from headstart.training.start import read_start


class Anchor(Callback):
    """After each step, interpolates the encoder towards its start: ``w += share (w0 - w)``.

    Args:
        strength: the share times the number of steps, at the peak rate. Under a linear schedule
            ``exp(-strength / 2)`` of a deviation at the beginning remains at the end.
    """

    def __init__(self, run: RunFolder, strength: float) -> None:
        self._folder, self._strength = run.checkpoints, strength
        self._start: dict[nn.Parameter, Tensor] = {}

    def on_train_start(self, trainer: Trainer, loop: Any) -> None:
        # The opened encoder may have changed since the first session; the saved start has not.
        saved = read_start(self._folder) if loop.counts.step else None
        moved = {p for p in loop.objective.student.parameters() if p.requires_grad}
        self._start = {
            parameter: (parameter.detach().clone() if saved is None else saved[name]).to(
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
            anchored = [p for p in group["params"] if p in self._start]
            if anchored and share:
                torch._foreach_lerp_(anchored, [self._start[p] for p in anchored], share)
