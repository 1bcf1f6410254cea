"""Exponential moving averages of networks: teachers, targets and key encoders."""

from __future__ import annotations

import copy
import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

Network = TypeVar("Network", bound=nn.Module)


class MomentumSchedule(nn.Module):
    """The momentum of a moving average over a run.

    Papers give it for runs of 100,000 steps and more. In a short run an average that slow would
    remain close to the random initialisation, so its time constant is limited to a share of the
    run.

    Args:
        momentum: m of ``average = m average + (1 - m) network``, in a long run.
        memory: the largest time constant, as a share of the run.
        rising: increase m to 1 on half a cosine until the end of the run (BYOL, appendix; DINO).

    Example::

        schedule = MomentumSchedule(0.996, 0.2, rising=True)
        ema_update(teacher, student, schedule.advance(progress))
    """

    def __init__(self, momentum: float, memory: float, *, rising: bool) -> None:
        super().__init__()
        self.momentum, self.memory, self.rising = momentum, memory, rising
        self.progress: Tensor
        self.register_buffer("progress", torch.zeros(()))

    def advance(self, progress: float) -> float:
        """Return the momentum of the step that ended at ``progress`` in 0..1, and store it."""
        step = progress - float(self.progress)
        self.progress.fill_(progress)
        momentum = min(self.momentum, math.exp(-step / self.memory))
        if self.rising:
            return 1 - (1 - momentum) * (math.cos(math.pi * progress) + 1) / 2
        return momentum


def momentum_copy(network: Network) -> Network:
    """Return a copy without gradients."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def ema_update(average: nn.Module, network: nn.Module, momentum: float) -> None:
    """Update in place: ``average = momentum average + (1 - momentum) network``.

    Buffers are averaged like parameters (integers are copied), except that batch norms in training
    mode keep their own statistics.
    """
    for averaged, current in zip(average.parameters(), network.parameters(), strict=True):
        averaged.lerp_(current.to(averaged.dtype), 1 - momentum)
    for ours, theirs in zip(average.modules(), network.modules(), strict=True):
        if isinstance(ours, BatchNorm) and ours.training:
            continue
        buffers = zip(ours.buffers(recurse=False), theirs.buffers(recurse=False), strict=True)
        for buffer, source in buffers:
            if buffer.is_floating_point():
                buffer.lerp_(source.to(buffer.dtype), 1 - momentum)
            else:
                buffer.copy_(source)


def eval_except_batch_norm(average: nn.Module) -> None:
    """Set evaluation mode except in batch norms, which use the statistics of the batch.

    BYOL and DINO run their averages so: without dropout, but with batch statistics.
    """
    for module in average.modules():
        module.training = isinstance(module, BatchNorm)
