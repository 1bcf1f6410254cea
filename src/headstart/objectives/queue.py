"""A first-in, first-out queue of past keys as negatives (MoCo, He et al. 2020, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headstart.objectives.losses import gather


class KeyQueue(nn.Module):
    """The last ``size`` keys, L2-normalised; a checkpoint holds them.

    The original code fills it with random directions at first. They are so easy to tell from keys
    that in a short run the network learns to put all keys in one place; here the queue is empty
    at first. The batch need not divide the size: writing goes round.

    Args:
        size: keys kept, K.
        width: length of a key, D.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.keys: Tensor
        self.pushed: Tensor
        self.register_buffer("keys", torch.zeros(size, width))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def negatives(self) -> Tensor:
        """Return the keys (up to K,D) as they are now; later pushes do not change them."""
        return self.keys[: int(self.pushed)].clone()

    def push(self, keys: Tensor) -> None:
        """Let keys (B,D), normalised, take the place of the oldest; those of all processes do."""
        # Every process writes the same rows in the same order, so all queues stay equal.
        new = gather(keys.detach().float())[-len(self.keys) :]
        rows = torch.arange(len(new), device=new.device)
        self.keys[(self.pushed + rows) % len(self.keys)] = new
        self.pushed += len(new)
