"""Moving-average copies of networks: teachers, targets and key encoders."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

Network = TypeVar("Network", bound=nn.Module)


class Pace(nn.Module):
    """How fast a copy follows at this point of the run.

    Papers give a momentum for runs of 100,000 steps and more. In a short run a copy that slow
    would still be the random network it began as, so it remembers at most a share of the run.

    Args:
        momentum: m of ``copy = m copy + (1 - m) network``, in a long run.
        memory: the share of the run that the copy remembers at most (its time constant).
        rising: let m climb to 1 on half a cosine until the end of the run (BYOL, appendix; DINO).
    """

    def __init__(self, momentum: float, memory: float, *, rising: bool) -> None:
        super().__init__()
        self.momentum, self.memory, self.rising = momentum, memory, rising
        self.progress: Tensor
        self.register_buffer("progress", torch.zeros(()))

    def advance(self, progress: float) -> float:
        """Return the momentum of the step that ended at ``progress`` in 0..1, and remember it."""
        step = progress - float(self.progress)
        self.progress.fill_(progress)
        momentum = min(self.momentum, math.exp(-step / self.memory))
        if self.rising:
            return 1 - (1 - momentum) * (math.cos(math.pi * progress) + 1) / 2
        return momentum


def momentum_copy(network: Network) -> Network:
    """Return a copy that no gradient reaches."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(copied: nn.Module, network: nn.Module, momentum: float) -> None:
    """Move ``copied`` towards ``network``: ``copied = momentum copied + (1 - momentum) network``.

    Buffers follow like parameters (integers are taken over), but batch norms that are in training
    mode keep statistics of their own.
    """
    for ours, theirs in zip(copied.parameters(), network.parameters(), strict=True):
        ours.lerp_(theirs.to(ours.dtype), 1 - momentum)
    for mine, other in zip(copied.modules(), network.modules(), strict=True):
        if isinstance(mine, BatchNorm) and mine.training:
            continue
        buffers = zip(mine.buffers(recurse=False), other.buffers(recurse=False), strict=True)
        for kept, seen in buffers:
            if kept.is_floating_point():
                kept.lerp_(seen.to(kept.dtype), 1 - momentum)
            else:
                kept.copy_(seen)


def calm(copied: nn.Module) -> None:
    """Put a copy in evaluation mode but for its batch norms: no dropout, statistics of the batch.

    That is how BYOL and DINO run theirs, whose networks have no dropout in the copy.
    """
    for module in copied.modules():
        module.training = isinstance(module, BatchNorm)
