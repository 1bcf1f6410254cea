"""A first-in, first-out queue of past keys as negatives (MoCo, He et al. 2020, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headstart.objectives.losses import gather


class KeyQueue(nn.Module):
    """The last ``size`` keys, L2-normalised, in a buffer.

    The original code initialises it with random directions. They are so easy to distinguish from
    keys that in a short run the network learns to map all keys to one point; here the queue starts
    empty. The batch size need not divide the size, since it is a ring buffer.

    Args:
        size: K, the number of keys.
        width: D, the size of a key.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.keys: Tensor
        self.pushed: Tensor
        self.register_buffer("keys", torch.zeros(size, width))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))

    def negatives(self) -> Tensor:
        """Return a copy of the current keys (up to K,D)."""
        return self.keys[: int(self.pushed)].clone()

    def push(self, keys: Tensor) -> None:
        """Replace the oldest keys by normalised keys (B,D) of this and all other processes."""
        # Every process writes the same rows in the same order, so all queues are equal.
        new = gather(keys.detach().float())[-len(self.keys) :]
        rows = torch.arange(len(new), device=new.device)
        self.keys[(self.pushed + rows) % len(self.keys)] = new
        self.pushed += len(new)
