"""Clipping of gradients, those of a few rows of a table among them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def clip(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """Scale the gradients down to a norm of ``most`` in all, and return the norm they had."""
    parameters = [each for each in parameters if each.grad is not None]
    held: list[Tensor] = []
    for parameter in parameters:
        assert parameter.grad is not None
        if parameter.grad.is_sparse:
            # A row that was read twice counts with the sum of its gradients.
            parameter.grad = parameter.grad.coalesce()
            held.append(parameter.grad.values())
        else:
            held.append(parameter.grad)
    norm = nn.utils.get_total_norm(held)
    if most < float("inf"):
        scale = (most / (norm + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(held, scale)
    return norm
