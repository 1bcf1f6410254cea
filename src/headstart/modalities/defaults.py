"""What a modality is asked before a pre-training, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import Budget


@dataclass(frozen=True)
class Request:
    """What the user asked of a pre-training, and the records it is to learn from.

    Attributes:
        objectives: their names; () leaves them to the modality.
        encoder: its name, or a folder; None leaves it to the modality.
        length: what :attr:`Modality.unit` counts; None leaves it to the modality.
        budget: how long to train.
        longest: gives the most an encoder takes in, by its name.
    """

    objectives: tuple[str, ...]
    encoder: str | None
    length: int | None
    budget: Budget
    records: Dataset
    longest: Callable[[str], int]

    def choose(
        self,
        objective: str,
        encoder: str,
        *,
        objective_for: Mapping[str, str] | None = None,
        encoder_for: Mapping[str, str] | None = None,
    ) -> tuple[tuple[str, ...], str]:
        """Return the objectives and the encoder: what is named decides what is not.

        Args:
            objective: suits most encoders, and ``encoder`` most objectives.
            objective_for: what suits an encoder better, by its name.
            encoder_for: what suits an objective better, by its name.
        """
        if not self.objectives:
            chosen = self.encoder or encoder
            return ((objective_for or {}).get(chosen, objective),), chosen
        better = encoder_for or {}
        fits = [better[name] for name in self.objectives if name in better]
        return self.objectives, self.encoder or next(iter(fits), encoder)


@dataclass(frozen=True)
class Defaults:
    """What a modality makes of a :class:`Request`; what was asked for stays as it is.

    Attributes:
        most_epochs: where a budget in minutes ends early; None for never.
        objective_options: by objective; those that the user or the objective sets go first.
        patient: the budget pays for what a processor takes longer to learn from, see
            :meth:`Modality.fit`.
    """

    objectives: tuple[str, ...]
    encoder: str
    length: int
    most_epochs: float | None = None
    objective_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    patient: bool = False
