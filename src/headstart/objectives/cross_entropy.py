"""Cross-entropy over many classes on the CPU, a few rows at a time, so that they stay in its cache.

A vocabulary's scores fill hundreds of megabytes, and the library's function goes over copies of
them in single precision a dozen times. Here each row is read once: its loss, whether it was right,
and its gradient are found together (as Hsu et al. 2024, "Liger Kernel", do on a GPU).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: Scores that are looked at together; in single precision they fill a megabyte.
_AT_ONCE = 2**18


class CrossEntropy(torch.autograd.Function):
    """The mean over rows of the cross-entropy of logits (N,V) with targets (N,), and the accuracy.

    Both come as scalars in single precision, or double for such logits; the accuracy has no
    gradient. A row is right where its target has the largest score, alone or not. The gradient
    has the logits' own type, as that of a cast has.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy, and keep the gradient if one will be asked for."""
        count, classes = logits.shape
        wide = torch.promote_types(logits.dtype, torch.float32)
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        total = torch.zeros((), dtype=torch.float64)
        right = torch.zeros((), dtype=torch.long)
        rows = max(1, _AT_ONCE // classes)
        for begin in range(0, count, rows):
            scores = logits[begin : begin + rows].to(wide, copy=True)
            target = targets[begin : begin + rows, None]
            top = scores.amax(1, keepdim=True)
            own = scores.gather(1, target)
            right += (own == top).sum()
            weights = scores.sub_(top).exp_()
            norm = weights.sum(1, keepdim=True)
            total += (norm.log() + top - own).sum(dtype=torch.float64)
            if gradient is not None:
                weights.mul_(1 / (norm * count))
                weights.scatter_add_(1, target, weights.new_full(target.shape, -1 / count))
                gradient[begin : begin + rows] = weights
        ctx.gradient = gradient
        loss, accuracy = (total / count).to(wide), (right / count).to(wide)
        ctx.mark_non_differentiable(accuracy)
        return loss, accuracy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the logits, times that of the loss."""
        scale = grads[0]
        return (ctx.gradient if scale == 1 else ctx.gradient * scale.to(ctx.gradient.dtype)), None
