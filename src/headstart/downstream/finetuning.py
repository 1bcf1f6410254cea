"""An encoder and the head of a task as one network that learns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from headstart.config import FinetuneConfig
from headstart.downstream import Task
from headstart.downstream.layers import frozen_modules, layer_groups
from headstart.objectives import Objective

if TYPE_CHECKING:
    from headstart.batch import Batch
    from headstart.encoders import Encoder

#: The head learns this much faster than the encoder, which is nearly right already, up to a limit.
HEAD_RATE, MOST_HEAD_RATE = 10.0, 1e-2


class Finetuning(Objective):
    """An encoder and a task's head as one objective of the training loop.

    Frozen parts have no gradient and stay in evaluation mode, so that their dropout is off and
    their outputs do not change.

    Args:
        encoder: the network to adapt.
        head: the task's head on its features.
        freeze: ``all``, ``none``, or the number of layers above the embeddings.
        layer_decay: how much slower each layer learns than the one above it.
    """

    Options = FinetuneConfig

    def __init__(self, encoder: Encoder, head: Task, *, freeze: str, layer_decay: float) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.layer_decay = layer_decay
        self._frozen = frozen_modules(encoder, freeze)
        for module in self._frozen:
            module.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            self._frozen = frozen_modules(encoder, "all")
        self._always_eval = [*self._frozen, *head.frozen_modules(encoder)]

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch unchanged."""
        return batch

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and the task's named scalars."""
        return self.head(self.head.features(self.encoder, batch), batch)

    def train(self, mode: bool = True) -> Finetuning:
        """Set training mode, except for frozen modules."""
        super().train(mode)
        for module in self._always_eval:
            module.eval()
        return self

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return parameters and their rates: the encoder layer by layer, then the head."""
        head_rate = max(learning_rate, min(HEAD_RATE * learning_rate, MOST_HEAD_RATE))
        layers = layer_groups(self.encoder, learning_rate, self.layer_decay)
        return [*layers, *self.head.parameter_groups(head_rate)]
