"""Adam for large tables of which each step reads a few rows.

A dense step over a table of a million vectors takes longer than the rest of the training. Here rows
without a gradient stay as they are, and so do their averages (the "lazy" variant of Adam, as in
:class:`torch.optim.SparseAdam`, which takes no dense gradient).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-8


class RowAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1) on the rows of a gradient; without weight decay.

    A dense gradient moves all rows, as Adam does.

    Args:
        groups: with ``params``, ``lr`` and ``betas``.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {"betas": (0.9, 0.999), "rows": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; a closure is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros(())
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
                state["step"] += 1
                _update(parameter, state, group["lr"], group["betas"])


def _update(
    parameter: Tensor, state: dict[str, Any], lr: float, betas: tuple[float, float]
) -> None:
    gradient = parameter.grad
    assert gradient is not None
    first, second = (1 - beta ** state["step"].item() for beta in betas)
    rate = lr / first
    if not gradient.is_sparse:
        mean = state["exp_avg"].lerp_(gradient, 1 - betas[0])
        square = state["exp_avg_sq"].mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        parameter.addcdiv_(mean, (square / second).sqrt_().add_(EPSILON), value=-rate)
        return
    gradient = gradient.coalesce()
    rows, values = gradient.indices()[0], gradient.values()
    mean = state["exp_avg"][rows].lerp_(values, 1 - betas[0])
    square = state["exp_avg_sq"][rows].mul_(betas[1]).addcmul_(values, values, value=1 - betas[1])
    state["exp_avg"][rows], state["exp_avg_sq"][rows] = mean, square
    parameter.index_add_(0, rows, mean / (square / second).sqrt_().add_(EPSILON), alpha=-rate)
