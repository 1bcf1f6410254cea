"""The loss on held-out rows, comparable between steps."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
import torch

from headstart.batch import Rows, to_device
from headstart.seeding import generator, reseed
from headstart.training.evaluation_mode import frozen

if TYPE_CHECKING:
    from headstart.objectives import Objective
    from headstart.training.plan import TrainingPlan
    from headstart.training.processes import ProcessGroup

#: One validation batch per this many training batches between two validations.
_SHARE = 10
_FEWEST_BATCHES = 4


class Validation:
    """Fixed batches with fixed corruption, shared among the processes.

    A validation is at most a tenth of the training between two of them (at least four batches),
    unless it decides when to stop (``whole``). If there are more rows, evenly spaced ones are used.

    Args:
        rows: held-out rows.
        plan: of the training.
        between: micro-batches of training between two validations.
        group: the processes that share the work.
        whole: use every row.
    """

    def __init__(
        self, rows: Rows, plan: TrainingPlan, between: int, group: ProcessGroup, *, whole: bool
    ) -> None:
        batches = batch_count(len(rows), plan.batch_size, between, whole)
        count = min(len(rows), batches * plan.batch_size)
        indices = np.linspace(0, len(rows) - 1, count).round().astype(np.int64)
        numbered = list(enumerate(np.array_split(indices, batches)))
        self._batches = numbered[group.rank :: group.world] if batches >= group.world else numbered
        self._rows, self._seed = rows, plan.config.seed

    @classmethod
    def of(
        cls, plan: TrainingPlan, between: int, group: ProcessGroup, *, whole: bool
    ) -> Validation | None:
        """Return a process's share of the validation; None without held-out rows."""
        if plan.validation is None or not plan.held_out:
            return None
        return cls(plan.validation, plan, between, group, whole=whole)

    def __len__(self) -> int:
        return len(self._batches)

    def totals(
        self, objective: Objective, device: torch.device, context: AbstractContextManager[None]
    ) -> dict[str, float]:
        """Return the sum over rows of each scalar, and the number of ``rows``."""
        sums: dict[str, float] = defaultdict(float)
        with frozen(objective), context:
            for number, indices in self._batches:
                batch = to_device(self._rows.batch(indices, 0), device)
                reseed(device, self._seed, "validation", number)
                random = generator(self._seed, "validation corrupt", number, device=device)
                for name, value in objective(objective.corrupt(batch, random)).items():
                    if value.ndim == 0:
                        sums[name] += value.item() * len(indices)
                sums["rows"] += len(indices)
        return dict(sums)


def batch_count(rows: int, batch_size: int, between: int, whole: bool) -> int:
    """Return the number of batches of a validation."""
    full = -(-rows // batch_size)
    return full if whole else min(full, max(_FEWEST_BATCHES, between // _SHARE))
