"""A training as one value: objective, data, options and budget."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headstart.batch import Rows
    from headstart.config import TrainingOptions
    from headstart.objectives import Objective
    from headstart.run import RunFolder
    from headstart.training.safeguards import Safeguards
    from headstart.training.watch import Watch


@dataclass(frozen=True)
class TrainingPlan:
    """The input of :func:`headstart.training.train.train`; the same in every process.

    Attributes:
        objective: trained in place.
        rows: the training data.
        run: where checkpoints and metrics go; training resumes from a checkpoint in there.
        config: the user's options.
        batch_size: rows a micro-batch and process.
        learning_rate: peak rate of the AdamW parameters.
        validation: held-out rows; their loss is logged, and ``config.patience`` watches it.
        watch: fixed records whose features are measured while training.
        restore_best: keep the best validated weights instead of the last.
        guards: safeguards of a pre-trained encoder; with a ``measure`` the best weights by it are
            kept, possibly those of the start.
        most_epochs: limit of a budget in minutes, beyond which training would overfit.
        started: ``time.monotonic()`` from which a budget in minutes counts.

    Example::

        plan = TrainingPlan(objective, rows, run, config, batch_size=64, learning_rate=1e-3)
        result = train(plan)
    """

    objective: Objective
    rows: Rows
    run: RunFolder
    config: TrainingOptions
    batch_size: int
    learning_rate: float
    validation: Rows | None = None
    watch: Watch | None = None
    restore_best: bool = False
    guards: Safeguards | None = None
    most_epochs: float | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def held_out(self) -> int:
        """Number of rows held out for validation."""
        return 0 if self.validation is None else len(self.validation)
