"""The request for a pre-training, and the defaults that a modality returns for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.config import Budget


@dataclass(frozen=True)
class Request:
    """The user's options of a pre-training, and its records.

    Attributes:
        objectives: their names; () for the modality's default.
        encoder: its name, or a folder; None for the modality's default.
        length: in :attr:`Modality.unit`; None for the modality's default.
        budget: how long to train.
        longest: returns the greatest length of an encoder, by its name.
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
        """Return the objectives and the encoder; the given one determines the other.

        Args:
            objective: default for most encoders.
            encoder: default for most objectives.
            objective_for: exceptions, by the name of the encoder.
            encoder_for: exceptions, by the name of the objective.
        """
        if not self.objectives:
            chosen = self.encoder or encoder
            return ((objective_for or {}).get(chosen, objective),), chosen
        better = encoder_for or {}
        fits = [better[name] for name in self.objectives if name in better]
        return self.objectives, self.encoder or next(iter(fits), encoder)


@dataclass(frozen=True)
class Defaults:
    """The answer to a :class:`Request`; options of the user are unchanged.

    Attributes:
        most_epochs: upper limit of a budget in minutes; None for none.
        encoder_options: of the encoder, where it has them and the user has given none.
        objective_options: by objective; options of the user and of the objective come first.
        batch_size: packed rows of a step; None for what objectives and encoder suggest.
        optimizer: options of :class:`headstart.config.OptimizerOptions` in place of the encoder's,
            where the user has chosen no optimizer; its ``learning_rate`` too.
        patient: the budget is long enough for the processor's defaults for long budgets, see
            :meth:`Modality.fit`.
    """

    objectives: tuple[str, ...]
    encoder: str
    length: int
    most_epochs: float | None = None
    objective_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    patient: bool = False
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    optimizer: Mapping[str, Any] = field(default_factory=dict)
