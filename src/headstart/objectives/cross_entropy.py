"""Cross-entropy over many classes on the CPU, a few rows at a time to stay in the cache.

The logits of a vocabulary take hundreds of megabytes, and torch's function makes a dozen passes
over float32 copies of them. Here each row is read once: loss, accuracy and gradient are computed
together, as Hsu et al. 2024 ("Liger Kernel", https://arxiv.org/abs/2410.10989) do on a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

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
        count, wide = len(logits), torch.promote_types(logits.dtype, torch.float32)
        gradient = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        total, correct = _sums(logits, targets, count, gradient)
        ctx.gradient = gradient
        loss, accuracy = (total / count).to(wide), (correct / count).to(wide)
        ctx.mark_non_differentiable(accuracy)
        return loss, accuracy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Return the gradient with respect to the logits (N,V)."""
        scale = grads[0]
        return (ctx.gradient if scale == 1 else ctx.gradient * scale.to(ctx.gradient.dtype)), None


class LinearCrossEntropy(torch.autograd.Function):
    """The same of the logits of a linear layer, with those of a part of the rows at a time.

    The logits of many rows do not fit in memory; the gradients of vectors (N,D), weight (V,D) and
    bias (V,) do, and are computed together with the loss.
    """

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        rows: int,
        learns: bool,
    ) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy, ``rows`` rows at a time; gradients only if it ``learns``."""
        kind = weight.dtype
        if torch.is_autocast_enabled(vectors.device.type):
            kind = torch.get_autocast_dtype(vectors.device.type)
        count = len(targets)
        learns = learns and any(ctx.needs_input_grad)
        parts = [torch.zeros_like(each) for each in (vectors, weight, bias) if learns]
        total = correct = torch.zeros((), dtype=torch.float64)
        with torch.autocast(vectors.device.type, enabled=False):
            table, shift = weight.to(kind), bias.to(kind)
            for begin in range(0, count, rows):
                some = vectors[begin : begin + rows].to(kind)
                logits = F.linear(some, table, shift)
                # The logits are not needed any more when their gradient is.
                gradient = logits if learns else None
                sums = _sums(logits, targets[begin : begin + rows], count, gradient)
                total, correct = total + sums[0], correct + sums[1]
                if learns:
                    parts[0][begin : begin + rows] = logits @ table
                    parts[1].add_(logits.T @ some)
                    parts[2].add_(logits.sum(0))
        ctx.parts = parts if learns else None
        wide = torch.promote_types(kind, torch.float32)
        loss, accuracy = (total / count).to(wide), (correct / count).to(wide)
        ctx.mark_non_differentiable(accuracy)
        return loss, accuracy

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients with respect to vectors, weight and bias."""
        return (*(part * grads[0].to(part.dtype) for part in ctx.parts), None, None, None)


def _sums(
    logits: Tensor, targets: Tensor, count: int, gradient: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the summed loss and the number of right rows of logits (n,V), in float64.

    Args:
        count: rows that the mean is of.
        gradient: (n,V), filled with that of the mean; it may be the logits themselves.
    """
    wide = torch.promote_types(logits.dtype, torch.float32)
    total = torch.zeros((), dtype=torch.float64)
    correct = torch.zeros((), dtype=torch.float64)
    rows = max(1, _CHUNK // logits.shape[1])
    for begin in range(0, len(logits), rows):
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
    return total, correct
