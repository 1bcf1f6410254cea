"""A safeguard: new parameters train first, while the encoder is frozen.

The gradients of a random head are noise to the encoder below it, and the first steps would damage
its features (Kumar et al. 2022, "Fine-tuning can distort pretrained features", section 3.4: first
the head, then everything; https://arxiv.org/abs/2202.10054).
"""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, Trainer
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm


class HeadWarmup(Callback):
    """Freezes the encoder in the first steps; a pure function of the step.

    Its warm-up begins where it is unfrozen (see
    :func:`headstart.training.optimizers.set_progress`). Batch norm statistics are frozen too.

    Args:
        share: of the steps.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._parameters: list[Any] = []
        self._frozen = False

    def on_train_start(self, trainer: Trainer, loop: Any) -> None:
        # Not earlier, since DDP must know at its set-up which parameters will be trained.
        self._parameters = [p for p in loop.objective.student.parameters() if p.requires_grad]
        self._frozen = False

    def on_train_batch_start(
        self, trainer: Trainer, loop: Any, numbered: Any, batch_idx: int
    ) -> None:
        frozen = loop.counts.step + 0.5 <= self._share * loop.steps
        if frozen != self._frozen:
            self._frozen = frozen
            for parameter in self._parameters:
                parameter.requires_grad_(not frozen)
        for module in loop.objective.student.modules():
            if isinstance(module, BatchNorm):
                module.training = not frozen

    def on_train_end(self, trainer: Trainer, loop: Any) -> None:
        for parameter in self._parameters:
            parameter.requires_grad_(True)
