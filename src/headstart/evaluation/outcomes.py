"""The shape of an evaluation: who competes, how each did, and by which measure.

Every protocol fills it; verdict, report and charts read nothing else, so they serve all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from headstart.data.vectors import Matrix
from headstart.evaluation.metrics import Estimate

if TYPE_CHECKING:
    from headstart.modalities import Baseline

Kind = Literal["pretrained", "untrained", "baseline", "scratch", "start", "other"]


@dataclass(frozen=True)
class Metric:
    """The score that the verdict is about; a higher one is always better.

    Attributes:
        name: what it is called, and its key in :attr:`Outcome.scores`.
        percent: a share, written in % and differences in points; else written as it is.
    """

    name: str
    percent: bool


ACCURACY = Metric("accuracy", percent=True)


@dataclass(frozen=True)
class Candidate:
    """One way to turn records and labels into predictions.

    Attributes:
        name: how tables and charts call it.
        kind: ``pretrained`` is the one that the verdict is about, all others are alternatives:
            the network ``untrained``, a ``baseline``, the network trained from ``scratch``, the
            checkpoint at the ``start`` of a continued pre-training, any ``other`` encoder.
        train: (N,D) features of the training records, dense or sparse.
        test: (M,D) features of the test records; None when folds are cut from the training ones.
        fit_predict: for networks that are trained on the labels alone: called with the indices
            (n,) of the drawn training records and a seed, it returns the predicted labels of all
            test records in order (of all training records when there are folds).
    """

    name: str
    kind: Kind
    train: Matrix | None = None
    test: Matrix | None = None
    fit_predict: Callable[[np.ndarray, int], Sequence[str]] | None = None

    @classmethod
    def of(cls, baseline: Baseline) -> Self:
        """Return a simple alternative as one that takes part."""
        return cls(baseline.name, "baseline", baseline.train, baseline.test)


@dataclass(frozen=True)
class Outcome:
    """How one candidate did with one probe at one number of labels.

    Attributes:
        labels: how many it learned from; 0 where none are used.
        predictions: (S,N) classes or values, one row a draw of labels; None where there are none.
        scores: all measures with 95% intervals, that of the :class:`Metric` among them.
        by_draw: (S,) the headline score of each draw of labels, on all tested units.
        by_resample: (S,R) the headline score of each draw on each bootstrap resample of the tested
            units. All outcomes of one evaluation share the resamples, so that differences are
            paired whatever the measure.
    """

    candidate: str
    kind: Kind
    probe: str
    labels: int
    predictions: np.ndarray | None
    scores: dict[str, Estimate]
    by_draw: np.ndarray
    by_resample: np.ndarray

    @property
    def resampled(self) -> np.ndarray:
        """The headline score, a mean over the draws, on each resample (R,)."""
        return np.asarray(self.by_resample.mean(0))

    @property
    def mean(self) -> float:
        """The headline score, a mean over the draws."""
        return float(self.by_draw.mean())


@dataclass(frozen=True, kw_only=True)
class Results:
    """All outcomes of an evaluation.

    Attributes:
        task: the protocol's name.
        metric: the score that the verdict is about.
        classes: the K label names where predictions and ``truth`` are indices of them, else [].
        truth: (N,) what is to be predicted.
        counts: ``{number of labels: its name}``, rising; ``{0: "no labels"}`` without labels.
        notes: what was left out, in plain sentences.
        training: labeled records that labels were drawn from.
        seeds: draws at each number of labels but all.
        folds: 0, or the folds of a cross-validation.
        unit: what is tested, in the plural.
        shifts: scores on corrupted records and on another domain, where they were asked for.
    """

    task: str
    metric: Metric
    truth: np.ndarray
    training: int
    outcomes: list[Outcome] = field(default_factory=list)
    classes: Sequence[str] = ()
    counts: dict[int, str] = field(default_factory=lambda: {0: "no labels"})
    notes: Sequence[str] = ()
    seeds: int = 1
    folds: int = 0
    unit: str = "records"
    shifts: Sequence[Shift] = ()

    def judged(self, labels: int) -> list[Outcome]:
        """Return one outcome a candidate at a number of labels: that which the verdict compares.

        It is that of the candidate's first probe, but of kNN only where there is no other.
        """
        found: dict[str, Outcome] = {}
        for outcome in self.outcomes:
            if outcome.labels == labels:
                first = found.setdefault(outcome.candidate, outcome)
                if first.probe == "kNN" != outcome.probe:
                    found[outcome.candidate] = outcome
        return list(found.values())


@dataclass(frozen=True)
class Shift:
    """How one candidate does on records that are unlike those it learned from.

    Attributes:
        shift: the corruption, or the file of the other domain.
        severity: 1 to 3; 0 for another domain.
        labels: how many the probe learned from; 0 where none are used.
        tested: records that were tested.
        clean: the headline score on records as they are.
        score: the same on these.
        drop: clean minus score. Corrupted records are compared with the same ones as they are,
            in pairs; records of another domain are others, so that both are uncertain.
    """

    candidate: str
    kind: str
    probe: str
    shift: str
    severity: int
    labels: int
    tested: int
    clean: Estimate
    score: Estimate
    drop: Estimate
