"""Checks for every objective: pure corruption, gradients, and that training improves it.

The modules without tests beside this one bring the data: ``pretext`` images, ``language`` texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from headstart.batch import Batch
from headstart.seeding import generator


def teach(
    objective: Any,
    rows: Callable[[int], Batch],
    steps: int,
    rate: float,
    factor: Callable[[int], float],
    *,
    clip: float = math.inf,
    **adamw: Any,
) -> dict[str, list[float]]:
    """Train as the library does, and return the scalars by step.

    Args:
        rows: from the number of a step to its batch.
        rate: the peak, and ``factor`` what it is multiplied with at a step.
        clip: largest norm of the gradient.
        adamw: options of the optimizer.
    """
    groups = (
        objective.parameter_groups(rate)
        if hasattr(objective, "parameter_groups")
        else [{"params": list(objective.parameters())}]
    )
    optimizer = torch.optim.AdamW(groups, rate, fused=True, **adamw)
    objective.train()
    history: dict[str, list[float]] = {}
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor(step)
        scalars = objective(objective.corrupt(rows(step), generator(0, "corrupt", step)))
        optimizer.zero_grad()
        scalars["loss"].backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), clip)
        optimizer.step()
        objective.after_step((step + 1) / steps)
        for name, value in scalars.items():
            history.setdefault(name, []).append(value.item())
    return history


def without_gradient(objective: Any, batch: Batch) -> list[str]:
    """Return the names of the parameters that a batch gives no gradient."""
    objective.train()
    objective(objective.corrupt(batch, generator(0)))["loss"].backward()
    return [n for n, p in objective.named_parameters() if p.grad is None or not p.grad.any()]


def pure(objective: Any, batch: Batch) -> Batch:
    """Assert that corruption is a function of batch and generator, and return one."""
    before = {name: tensor.clone() for name, tensor in batch.items()}
    one, two, other = (objective.corrupt(batch, generator(seed)) for seed in (5, 5, 6))
    assert all(torch.equal(batch[name], before[name]) for name in before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(
        one[name].shape != other[name].shape or not torch.equal(one[name], other[name])
        for name in one
    )
    return one


def same_gradients(
    ours: Tensor, theirs: Tensor, objective: Any, at_least: int = 1, atol: float = 1e-6
) -> None:
    """Assert that two losses and their gradients by all parameters are the same."""
    torch.testing.assert_close(ours, theirs)
    parameters = list(objective.parameters())
    gradients = [
        torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        for loss in (ours, theirs)
    ]
    moved = 0
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=atol)
            moved += int(bool(one.any()))
    assert moved >= at_least
