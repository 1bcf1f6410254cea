"""Several objectives on one encoder: the sum of their losses with fixed weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from headstart.batch import Batch
from headstart.objectives.views import part


class Mixture(nn.Module):
    """Multi-task pre-training: ``sum_i w_i L_i``, each with its own corruption of the same rows.

    Rows are whole documents if any of the objectives needs them so.

    Args:
        objectives: by name; all share one encoder.
        weights: one for each name.
    """

    def __init__(self, objectives: Mapping[str, Any], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.objectives = nn.ModuleDict(dict(objectives))
        self._members = dict(objectives)
        self.weights = dict(weights)
        members = list(objectives.values())
        self.encoder = members[0].encoder
        self.layout = "documents" if any(m.layout == "documents" for m in members) else "packed"

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return every objective's corrupted batch under ``NAME/...``."""
        mixed = {"mask": batch["mask"]} if "mask" in batch else {}
        for name, objective in self._members.items():
            for key, tensor in objective.corrupt(batch, generator).items():
                mixed[f"{name}/{key}"] = tensor
        return mixed

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        scalars: dict[str, Tensor] = {}
        losses = []
        for name, objective in self._members.items():
            results = objective(part(batch, name))
            losses.append(self.weights[name] * results["loss"])
            scalars.update({f"{name}/{key}": value for key, value in results.items()})
        return {"loss": torch.stack(losses).sum(), **scalars}

    def after_step(self, progress: float) -> None:
        for objective in self._members.values():
            objective.after_step(progress)
