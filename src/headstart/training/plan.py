"""One training as one value: what is learned from what, how, and for how long."""

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
    """What :func:`headstart.training.train.train` does; every process is handed the same.

    Attributes:
        objective: trained in place.
        rows: what it learns from.
        run: where checkpoints and measurements go; a checkpoint in there is gone on from.
        config: the user's options.
        batch_size: rows a micro-batch and process.
        learning_rate: peak rate of the AdamW parameters.
        validation: held-out rows; their loss is logged, and ``config.patience`` watches it.
        watch: fixed records whose features are measured while training.
        restore_best: keep the best validated weights instead of the last.
        guards: of an encoder that has learned something; with a ``measure`` the weights that are
            kept are the best by it, those of the start among them.
        most_epochs: where a budget in minutes ends early, since more would be overfitting.
        started: ``time.monotonic()`` from which a budget in minutes counts.
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
        """How many rows are held out for validation."""
        return 0 if self.validation is None else len(self.validation)
