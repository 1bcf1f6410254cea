"""Continued pre-training without damage to what the encoder has learned.

Four safeguards, each of which can be switched off: new parameters train first, alone
(:mod:`headstart.training.head_warmup`); the encoder's learning rate is low; its weights are pulled
back to the start (:mod:`headstart.training.anchor`); and the best weights are kept, possibly those
of the start (:mod:`headstart.training.rollback`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from headstart.config import PretrainConfig
    from headstart.objectives import Objective

#: Learning rate of new parameters relative to the encoder's, and its absolute maximum.
_NEW_RATE, _MOST_NEW_RATE = 10.0, 1e-3


@dataclass(frozen=True)
class Safeguards:
    """The safeguards of a run, resolved once.

    Attributes:
        new_rate: peak rate of new parameters relative to the encoder's, 1 or more.
        warmup: share of the steps in which only new parameters train.
        anchor: strength of the pull towards the start, over the whole run.
        measure: by which the best weights are chosen, such as ``probe``; None keeps the last.
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
        """Return those that apply to an objective: without new parameters there is no warm-up.

        A bias alone, as in next-token prediction, does not count as new.
        """
        new = [
            any(parameter.ndim > 1 for parameter in new_parameters(member))
            for member in objective.members()
        ]
        if all(new):
            return self
        return replace(self, warmup=0.0, new_rate=self.new_rate if any(new) else 1.0)


def choose_safeguards(config: PretrainConfig, rate: float) -> Safeguards:
    """Return the safeguards of a run that continues from an encoder, at the peak ``rate``.

    The best weights are chosen by ``--watch``, or by labels if there are any (``--probe``), else by
    how well the halves of a record match (``view_matching``). With ``--keep best`` the validation
    loss decides, which the start, with a new head, does not have.
    """
    options = config.safeguard_options
    by_loss = config.watch == "validation_loss"
    measure: str | None = config.watch
    if by_loss:
        measure = "probe" if config.probe else "view_matching"
    if not options.rollback or (by_loss and config.keep == "best"):
        measure = None
    new_rate = 1.0
    if options.low_rate:
        new_rate = max(1.0, min(_NEW_RATE, _MOST_NEW_RATE / rate))
    return Safeguards(new_rate, options.head_warmup, options.anchor, measure)


def new_parameters(objective: Objective) -> set[nn.Parameter]:
    """Return the trained parameters outside the encoder: heads, projections, decoders."""
    known = set(objective.student.parameters()) | set(objective.encoder.parameters())
    return {p for p in objective.parameters() if p.requires_grad and p not in known}
