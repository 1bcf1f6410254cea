"""Going on from an encoder that has learned something, without harm to what it knows.

Four safeguards, each of which can be switched off: new parts learn first, alone
(:mod:`headstart.training.head_warmup`); the encoder's rate is low; its weights are pulled back to
the start (:mod:`headstart.training.anchor`); and the best weights seen are kept, those of the start
among them (:mod:`headstart.training.rollback`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from headstart.config import PretrainConfig
    from headstart.objectives import Objective

#: What is new may learn so much faster than the encoder, but not beyond the rate for new networks.
_NEW_RATE, _MOST_NEW_RATE = 10.0, 1e-3


@dataclass(frozen=True)
class Safeguards:
    """What guards a run; all of it is decided once.

    Attributes:
        new_rate: by how much the peak rate of what is new exceeds that of the encoder, 1 or more.
        warmup: share of the steps in which only what is new learns.
        anchor: how strongly the encoder is pulled back to the start, over the whole run.
        measure: by which weights are the best, such as ``probe``; None keeps the last.
    """

    new_rate: float = 1.0
    warmup: float = 0.0
    anchor: float = 0.0
    measure: str | None = None

    def describe(self, learning_rate: float) -> str:
        """Return one line that says which are on, and how to switch them off."""
        parts = []
        if self.warmup:
            parts.append(f"only what is new learns for the first {self.warmup:.0%} of the steps")
        rate = f"the encoder learns at {learning_rate:.2g}"
        faster = f", what is new at {learning_rate * self.new_rate:.2g}"
        parts.append(rate + (faster if self.new_rate > 1 else ""))
        if self.anchor:
            parts.append(f"it is pulled back to the start (anchor {self.anchor:g})")
        if self.measure:
            parts.append(f"the best weights by {self.measure} are kept, be they the start's")
        return f"Safeguards: {'; '.join(parts)}. (--safeguards off leaves all of them out.)"

    def for_objective(self, objective: Objective) -> Safeguards:
        """Return those that the objective can have: where nothing is new, nothing can learn alone.

        A lone shift of the scores, as next-token prediction has, is nothing that could.
        """
        new = [
            any(parameter.ndim > 1 for parameter in new_parameters(member))
            for member in objective.members()
        ]
        if all(new):
            return self
        return replace(self, warmup=0.0, new_rate=self.new_rate if any(new) else 1.0)


def choose_safeguards(config: PretrainConfig, rate: float) -> Safeguards:
    """Return the safeguards of a run that goes on from an encoder, at the peak ``rate``.

    The weights that are kept are the best by ``--watch``, or by labels where there are some
    (``--probe``), else by how well the two halves of a record find each other (``view_matching``).
    With ``--keep best`` the validation loss decides: the start, whose head is new, has none.
    """
    wishes = config.safeguard_options
    by_loss = config.watch == "validation_loss"
    measure: str | None = config.watch
    if by_loss:
        measure = "probe" if config.probe else "view_matching"
    if not wishes.rollback or (by_loss and config.keep == "best"):
        measure = None
    new_rate = 1.0
    if wishes.low_rate:
        new_rate = max(1.0, min(_NEW_RATE, _MOST_NEW_RATE / rate))
    return Safeguards(new_rate, wishes.head_warmup, wishes.anchor, measure)


def new_parameters(objective: Objective) -> set[nn.Parameter]:
    """Return what an objective learns besides its encoder: heads, projections, decoders."""
    known = set(objective.student.parameters()) | set(objective.encoder.parameters())
    return {p for p in objective.parameters() if p.requires_grad and p not in known}
