"""The gate: a candidate and what it is to replace, on the same held-out records, old and new."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.downstream.predict import predict
from headstart.errors import HeadstartError

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.run import RunFolder

#: The fewest held-out records of either side that anything is decided on.
FEWEST = 30
#: Resamples of an interval, and its level.
_RESAMPLES, _LEVEL = 4000, 0.95


@dataclass(frozen=True)
class Score:
    """Both on the same records.

    Attributes:
        records: their number.
        incumbent, candidate: the share that each predicts rightly.
        low, high: the 95% interval of the difference, paired by record.
    """

    records: int
    incumbent: float
    candidate: float
    low: float
    high: float

    @property
    def change(self) -> float:
        """How much better the candidate is."""
        return self.candidate - self.incumbent

    @property
    def fell(self) -> bool:
        """True if the candidate is clearly worse."""
        return self.high < 0


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate is taken, and why."""

    old: Score
    new: Score

    @property
    def taken(self) -> bool:
        """True if it fell on neither side and is better on the new records."""
        return not self.old.fell and not self.new.fell and self.new.change > 0

    @property
    def reason(self) -> str:
        """Why, in half a sentence."""
        if self.old.fell:
            return "it is clearly worse on the earlier records"
        if self.new.fell:
            return "it is clearly worse on the new records"
        if not self.taken:
            return "it is no better on the new records"
        return "it is better on the new records, and not clearly worse on the earlier ones"

    def plain(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "taken": self.taken,
            "reason": self.reason,
            "old": asdict(self.old),
            "new": asdict(self.new),
        }


def right(run: RunFolder, records: Dataset) -> np.ndarray:
    """Return which of N records a run predicts rightly (N,), as 0 and 1.

    Raises:
        HeadstartError: it predicts no classes.
    """
    found = [row.get("label") for row in predict(run, records)]
    if not all(isinstance(each, str) for each in found):
        raise HeadstartError(
            f"{run.folder} predicts no classes, by which an update is judged; fine-tune it anew on "
            "all records instead."
        )
    truth = [str(label) for label in records["label"]]
    pairs = zip(found, truth, strict=True)
    return np.array([one == other for one, other in pairs], dtype=np.float64)


def compared(incumbent: np.ndarray, candidate: np.ndarray, seed: int) -> Score:
    """Return both scores and the interval of their difference, from resampled records."""
    difference = candidate - incumbent
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, len(difference), (_RESAMPLES, len(difference)))
    low, high = np.quantile(difference[rows].mean(1), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    means = (float(incumbent.mean()), float(candidate.mean()))
    return Score(len(difference), *means, float(low), float(high))
