"""The head that was chosen, and what it was chosen among."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.calibration import UNCHANGED, Calibration, at_temperature
from headstart.evaluation.heads.sides import Side, fused


class Trial(NamedTuple):
    """One candidate, and what it had by cross-validation inside the labels.

    Attributes:
        loss: mean log loss of held-out labels.
        accuracy: share of them that was right.
    """

    name: str
    loss: float
    accuracy: float


class Selection(NamedTuple):
    """What was chosen, and why.

    Attributes:
        name: the candidate that is taken.
        reason: a clause.
        trials: all candidates, the best first; () where nothing could be held out.
        left_out: clauses on what was not tried.
        by_names: where nothing could be held out, whether the nearest class name is right, for
            each of the labels; () otherwise.
    """

    name: str
    reason: str
    trials: tuple[Trial, ...] = ()
    left_out: tuple[str, ...] = ()
    by_names: tuple[bool, ...] = ()

    def __str__(self) -> str:
        """Return one or two sentences, with the candidates that came next."""
        others = [
            f"{trial.name} {trial.loss:.2f} ({trial.accuracy:.0%})"
            for trial in self.trials
            if trial.name != self.name
        ]
        own = next((trial for trial in self.trials if trial.name == self.name), None)
        score = f", {own.loss:.2f} ({own.accuracy:.0%} right)" if own else ""
        after = f"; after it {', '.join(others[:3])}" if others else ""
        more = "".join(f" Not tried: {clause}." for clause in self.left_out)
        return f"{self.name}: {self.reason}{score}{after}.{more}"

    def summary(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "name": self.name,
            "reason": self.reason,
            "candidates": [
                {"name": name, "log_loss": round(loss, 4), "accuracy": round(accuracy, 4)}
                for name, loss, accuracy in self.trials
            ],
            "left_out": list(self.left_out),
        }


class HeldOut(NamedTuple):
    """Labels while they were held out.

    Attributes:
        records: (n,) their indices among the labels.
        logs: (n,K) log-probabilities of the classes that other folds have.
        codes: (n,) their classes, as columns; -1 where no other fold has it.
        parts: (n,) the fold of each.
    """

    records: np.ndarray
    logs: np.ndarray
    codes: np.ndarray
    parts: np.ndarray


@dataclass(frozen=True)
class Chosen:
    """The head that was chosen.

    Attributes:
        classes: (K,) in the order of the columns.
        sides: whose log-probabilities are averaged.
        selection: what was chosen, among what, and why.
        validation: accuracy by cross-validation, of the candidate that the other folds prefer; NaN
            where no folds are possible.
        held: the labels while they were held out; None where there are no folds.
        calibration: the temperature of the probabilities.
    """

    classes: np.ndarray
    sides: tuple[Side, ...]
    selection: Selection
    validation: float = np.nan
    held: HeldOut | None = None
    calibration: Calibration = UNCHANGED

    def summary(self) -> dict[str, object]:
        """Return plain values: what was chosen, and how sure it is."""
        found = self.calibration
        told = {} if np.isnan(found.before) else {"calibration": found._asdict()}
        return {**self.selection.summary(), **told}

    def log_probabilities(self, test: Matrix) -> np.ndarray:
        """Return the log-probabilities (m,K) of ``test`` (m,D)."""
        count = len(self.classes)
        logs = fused([side.probabilities(test, count) for side in self.sides])
        return at_temperature(logs, self.calibration.temperature)

    def predict(self, test: Matrix) -> np.ndarray:
        """Return the likeliest class (m,) of each row of ``test`` (m,D)."""
        found = self.log_probabilities(np.asarray(test)).argmax(1)
        return self.classes[found]
