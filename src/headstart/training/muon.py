"""Muon for matrices and convolutions (torch's own takes matrices only).

Jordan 2024, "Muon: An optimizer for hidden layers in neural networks"; update sizes after Liu et
al. 2025, "Muon is scalable for LLM training", section 2.2 (https://arxiv.org/abs/2502.16982): they
have the root mean square of AdamW's, so that both can share a learning rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from headstart.precision import precision

#: Of the quintic iteration that brings singular values near 1 (Jordan 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
MOMENTUM = 0.95
#: Root mean square of AdamW's steps (Liu et al. 2025, equation 4).
MATCHED = 0.2


class Muon(torch.optim.Optimizer):
    """Momentum, then the nearest orthogonal matrix; a convolution counts as (out, in*h*w).

    Args:
        groups: with ``params`` of two dimensions or more, ``lr`` and ``weight_decay`` (decoupled).
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"momentum": MOMENTUM, "nesterov": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; a closure is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                buffer, gradient = state["momentum_buffer"], parameter.grad
                buffer.lerp_(gradient, 1 - group["momentum"])
                ahead = gradient.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
                flat = ahead.flatten(1)
                rate = group["lr"] * MATCHED * max(flat.shape) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonal(flat).view(ahead.shape), alpha=-rate)


def orthogonal(matrix: Tensor, steps: int = STEPS) -> Tensor:
    """Return ``U V^T`` (n,m) of ``matrix = U S V^T``, with singular values from 0.7 to 1.2.

    Newton-Schulz iteration, which is stable in bfloat16. A CPU that only emulates bfloat16 would
    take ten times as long as in float32, which is taken there.
    """
    x = matrix.bfloat16() if precision("auto") == "bf16" else matrix.float()
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / x.norm().clamp_min(1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrix.dtype)
