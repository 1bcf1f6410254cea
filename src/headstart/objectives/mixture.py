"""Several objectives on one encoder: summed, in turns, or with learned weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from headstart.batch import Batch, Rows
from headstart.config import Options
from headstart.objectives import Objective
from headstart.objectives.views import part


class MixtureOptions(Options):
    """How the losses of a mixture are combined, as ``--set mixture.combine=...``."""

    combine: Literal["sum", "turns", "uncertainty"] = Field(
        "sum",
        description="Weighted sum of all in each step, one a step by turns, or learned weights.",
    )


class Mixture(Objective):
    """Multi-task pre-training, each objective with its own corruption of the same rows.

    - ``sum``: ``sum_i w_i L_i``.
    - ``turns``: one objective per step, in proportion to its weight, in a fixed order that is the
      same in all processes. Validation sums all of them.
    - ``uncertainty``: ``sum_i exp(-s_i) L_i + s_i`` with learned s_i (Kendall et al. 2018, equation
      10, with s the log of the variance and without the factors of a half), initialised so that
      ``exp(-s_i)`` is the weight. See https://arxiv.org/abs/1705.07115.

    Rows are whole documents if any of the objectives needs them.

    Args:
        objectives: by name; all share one encoder.
        weights: by the same names.

    Example::

        Mixture({"mlm": mlm, "simcse": simcse}, {"mlm": 1.0, "simcse": 0.1})
    """

    Options = MixtureOptions

    def __init__(
        self,
        objectives: Mapping[str, Objective],
        weights: Mapping[str, float],
        options: MixtureOptions | None = None,
    ) -> None:
        super().__init__()
        self.objectives = nn.ModuleDict(dict(objectives))
        self._members = dict(objectives)
        self.weights = dict(weights)
        self.combine = (options or MixtureOptions()).combine
        members = list(objectives.values())
        self.encoder = members[0].encoder
        self.layout = "documents" if any(m.layout == "documents" for m in members) else "packed"
        if self.combine == "turns":
            self.taken: Tensor
            self.register_buffer("taken", torch.zeros(len(members), dtype=torch.long))
        if self.combine == "uncertainty":
            self.log_variance = nn.Parameter(-torch.tensor(list(weights.values())).log())

    def members(self) -> list[Objective]:
        """Return the objectives that are mixed."""
        return list(self._members.values())

    def corrupt(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the corrupted batches of the objectives active in this step, as ``NAME/...``."""
        mixed = {"mask": batch["mask"]} if "mask" in batch else {}
        for name in self._active():
            for key, tensor in self._members[name].corrupt(batch, generator).items():
                mixed[f"{name}/{key}"] = tensor
        return mixed

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        present = {key.partition("/")[0] for key in batch}
        results = {
            name: objective(part(batch, name))
            for name, objective in self._members.items()
            if name in present
        }
        scalars = {
            f"{name}/{key}": value
            for name, found in results.items()
            for key, value in found.items()
        }
        losses = torch.stack([found["loss"].float() for found in results.values()])
        if self.combine == "uncertainty":
            weight = (-self.log_variance).exp()
            scalars |= {f"{name}/weight": weight[i] for i, name in enumerate(results)}
            return {"loss": (weight * losses + self.log_variance).sum(), **scalars}
        if len(results) < len(self._members):
            # In turns, the weights are in the frequencies.
            return {"loss": losses.sum(), **scalars}
        weights = losses.new_tensor([self.weights[name] for name in results])
        return {"loss": (weights * losses).sum(), **scalars}

    def _active(self) -> list[str]:
        names = list(self._members)
        if self.combine != "turns" or not self.training:
            return names
        weights = torch.tensor(list(self.weights.values()), device=self.taken.device)
        # The one that would be furthest behind its share after this step.
        behind = weights / weights.sum() * (self.taken.sum() + 1) - self.taken
        return [names[int(behind.argmax())]]

    def begin(self, rows: Rows, seed: int) -> None:
        for objective in self._members.values():
            objective.begin(rows, seed)

    def warning(self, batch: Batch) -> str | None:
        """Return those of all objectives."""
        found = [each for member in self.members() if (each := member.warning(batch))]
        return " ".join(found) or None

    def keep_rows(self) -> list[nn.Parameter]:
        return list(dict.fromkeys(p for member in self.members() for p in member.keep_rows()))

    def after_step(self, progress: float) -> None:
        if self.combine == "turns" and self.training:
            (name,) = self._active()
            self.taken[list(self._members).index(name)] += 1
        for objective in self._members.values():
            objective.after_step(progress)
