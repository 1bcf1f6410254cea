"""AdamW, or Muon for hidden matrices with AdamW for the rest; schedules over progress.

Large tables of which a step reads a few rows have an optimizer of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from headstart.config import OptimizerOptions
from headstart.objectives import Objective
from headstart.training.muon import Muon
from headstart.training.row_adam import RowAdam
from headstart.training.safeguards import Safeguards, new_parameters

Group = dict[str, Any]

#: Input channels of a convolution that reads pixels.
_COLOURS = 3


def schedule(progress: float, options: OptimizerOptions) -> float:
    """Return the factor of the peak learning rate at ``progress`` in 0..1.

    It rises linearly to 1 in the warm-up, then falls to 0 linearly or on half a cosine, or stays.
    """
    if progress < options.warmup:
        return progress / options.warmup
    rest = (progress - options.warmup) / (1 - options.warmup)
    if options.schedule == "linear":
        return 1 - rest
    if options.schedule == "cosine":
        return (1 + math.cos(math.pi * rest)) / 2
    return 1.0


def set_progress(
    optimizer: torch.optim.Optimizer, progress: float, options: OptimizerOptions
) -> None:
    """Set each group's learning rate to its peak times :func:`schedule`.

    The schedule of a group that ``begins`` later spans the rest of the run from there on.
    """
    for group in optimizer.param_groups:
        begins = group.get("begins", 0.0)
        own = (progress - begins) / (1 - begins)
        group["lr"] = group["peak"] * schedule(own, options) if own > 0 else 0.0


def build(
    objective: Objective,
    options: OptimizerOptions,
    learning_rate: float,
    guards: Safeguards | None = None,
    *,
    keep_rows: bool = False,
) -> torch.optim.Optimizer:
    """Return the optimizer of an objective.

    The objective gives the parameter groups and their rates
    (:meth:`headstart.objectives.Objective.parameter_groups`). Weight decay applies to matrices
    only: not to vectors, norms or embedding tables.
    Muon updates the matrices and convolutions inside the encoder; input layers (embeddings, a
    convolution of pixels), heads and vectors are left to AdamW, as its author advises (Jordan
    2024, "Muon: An optimizer for hidden layers in neural networks").
    With ``guards`` new parameters have a higher rate than the encoder, which starts later.

    Args:
        keep_rows: whether gradients of large tables may be of the rows that a step reads, see
            :meth:`headstart.objectives.Objective.keep_rows`; these rows alone are updated.
    """
    by_row = set(map(id, objective.keep_rows())) if keep_rows else set()
    tables = {
        id(module.weight) for module in objective.modules() if isinstance(module, nn.Embedding)
    }
    hidden: set[int] = set()
    if options.name == "muon":
        named = objective.student.named_parameters()
        hidden = {id(p) for name, p in named if _is_matrix(name, p)} - tables
    adamw: list[Group] = []
    muon: list[Group] = []
    rows: list[Group] = []
    groups = objective.parameter_groups(learning_rate)
    for group in groups if guards is None else _guarded(groups, objective, guards):
        parts: dict[str, list[nn.Parameter]] = {"muon": [], "rows": [], "matrices": [], "rest": []}
        for parameter in group["params"]:
            if parameter.requires_grad:
                is_matrix = parameter.ndim >= 2 and id(parameter) not in tables
                kind = "muon" if id(parameter) in hidden else "matrices" if is_matrix else "rest"
                parts["rows" if id(parameter) in by_row else kind].append(parameter)
        peak, decay = group["lr"], options.weight_decay
        muon_peak = options.muon_learning_rate * peak / learning_rate
        begins = {"begins": group["begins"]} if "begins" in group else {}
        muon += [{**part, **begins} for part in _group(parts["muon"], muon_peak, decay)]
        betas = {"betas": group.get("betas", options.betas)}
        rows += [{**part, **begins, **betas} for part in _group(parts["rows"], peak, 0.0)]
        for part in _group(parts["matrices"], peak, decay) + _group(parts["rest"], peak, 0.0):
            adamw.append({**part, **begins, **betas})
    if not muon and not rows:
        return _adamw(adamw, options)
    found: list[torch.optim.Optimizer] = [Muon(muon)] if muon else []
    found += [RowAdam(rows)] if rows else []
    return Together([*found, *([_adamw(adamw, options)] if adamw else [])])


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """True for a matrix (in XLNet (D,H,D/H)) or a convolution of hidden maps."""
    if parameter.ndim == 4:
        return parameter.shape[1] != _COLOURS
    several = parameter.ndim in (2, 3) and len(parameter) > 1
    return several and not name.endswith("bias")


def _guarded(groups: list[Group], objective: Objective, guards: Safeguards) -> list[Group]:
    """Split each group into pre-trained and new parameters."""
    new = new_parameters(objective)
    split = []
    for group in groups:
        fresh = [p for p in group["params"] if p in new]
        known = [p for p in group["params"] if p not in new]
        split.append({**group, "params": known, "begins": guards.warmup})
        split.append({**group, "params": fresh, "lr": group["lr"] * guards.new_rate})
    return split


def _group(
    params: list[nn.Parameter], peak: float, decay: float, own: Group | None = None
) -> list[Group]:
    if not params:
        return []
    return [{"weight_decay": decay, **(own or {}), "params": params, "lr": peak, "peak": peak}]


def _adamw(groups: list[Group], options: OptimizerOptions) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, betas=options.betas, fused=True)


#: The key that only the groups of an optimizer have.
_OWN = {Muon: "nesterov", RowAdam: "rows"}


class Together(torch.optim.Optimizer):
    """Several optimizers behind one: one list of groups, one state, one checkpoint."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self._parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # Loading a checkpoint replaces groups and state, so they are passed on in each step.
        for part in self._parts:
            part.param_groups = [each for each in self.param_groups if _whose(each) is type(part)]
            part.state = self.state
            part.step()
        return loss


def _whose(group: Group) -> type[torch.optim.Optimizer]:
    """Return the optimizer of a group."""
    return next((kind for kind, key in _OWN.items() if key in group), torch.optim.AdamW)
