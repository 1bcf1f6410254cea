"""Cross-entropy over many classes on the CPU, a few rows at a time to stay in the cache.

The logits of a vocabulary take hundreds of megabytes, and torch's function makes a dozen passes
over float32 copies of them. Here each row is read once: loss, accuracy and gradient are computed
together, as Hsu et al. 2024 ("Liger Kernel", https://arxiv.org/abs/2410.10989) do on a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: Logits processed together; a megabyte in float32.
_CHUNK = 2**18


class CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of logits (N,V) with targets (N,), and the accuracy.

    Both are float32 scalars, or float64 for such logits; the accuracy has no gradient. A row
    counts as in :func:`headstart.objectives.losses.accuracy`. The gradient has the dtype of the
    logits, as that of a cast has.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy, and store the gradient if the logits require one."""
        count, classes = logits.shape
        wide = torch.promote_types(logits.dtype, torch.float32)
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        total = torch.zeros((), dtype=torch.float64)
        correct = torch.zeros((), dtype=torch.float64)
        rows = max(1, _CHUNK // classes)
        for begin in range(0, count, rows):
            scores = logits[begin : begin + rows].to(wide, copy=True)
            target = targets[begin : begin + rows, None]
            top = scores.amax(1, keepdim=True)
            own = scores.gather(1, target)
            highest = (own == top).squeeze(1).nonzero().squeeze(1)
            tied = (scores[highest] == top[highest]).sum(1)
            correct += tied.double().reciprocal().sum()
            weights = scores.sub_(top).exp_()
            norm = weights.sum(1, keepdim=True)
            total += (norm.log() + top - own).sum(dtype=torch.float64)
            if gradient is not None:
                weights.mul_(1 / (norm * count))
                weights.scatter_add_(1, target, weights.new_full(target.shape, -1 / count))
                gradient[begin : begin + rows] = weights
        ctx.gradient = gradient
        loss, accuracy = (total / count).to(wide), (correct / count).to(wide)
        ctx.mark_non_differentiable(accuracy)
        return loss, accuracy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Return the gradient with respect to the logits (N,V)."""
        scale = grads[0]
        return (ctx.gradient if scale == 1 else ctx.gradient * scale.to(ctx.gradient.dtype)), None
