"""Data classes of an evaluation: candidates, their outcomes, and the metric.

Every protocol returns them, and verdict, report and charts read nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from headstart.data.vectors import Matrix
from headstart.evaluation.heads.chosen import Selection
from headstart.evaluation.metrics import Estimate, t_half_width

if TYPE_CHECKING:
    from headstart.modalities import Baseline

Kind = Literal["pretrained", "repeated", "untrained", "baseline", "scratch", "start", "other"]


@dataclass(frozen=True)
class Metric:
    """The headline score of an evaluation; higher is always better.

    Attributes:
        name: its name, and its key in :attr:`Outcome.scores`.
        percent: whether it is a share, written in %, with differences in points.
    """

    name: str
    percent: bool


ACCURACY = Metric("accuracy", percent=True)


@dataclass(frozen=True)
class Cost:
    """What the features of a candidate cost.

    Attributes:
        speed: records a second, measured on this machine; 0 where it was not.
        megabytes: of the weights; 0 where there are none.
    """

    speed: float = 0.0
    megabytes: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both, one after the other."""
        speeds = (self.speed, other.speed)
        speed = 1 / sum(1 / each for each in speeds) if all(speeds) else 0.0
        return Cost(speed, self.megabytes + other.megabytes)


@dataclass(frozen=True)
class Candidate:
    """One method of turning records and labels into predictions.

    Attributes:
        name: its name in tables and charts.
        kind: ``pretrained`` is the one that the verdict is about, together with ``repeated``, the
            same pre-training from other seeds. All others are alternatives: the network
            ``untrained``, a ``baseline``, the network trained from ``scratch``, the checkpoint at
            the ``start`` of a continued pre-training, any ``other`` encoder.
        train: (N,D) features of the training records, dense or sparse.
        test: (M,D) features of the test records; None when folds are cut from the training ones.
        heads: the classifiers that are fitted on the features, by their names in
            :mod:`headstart.evaluation.heads`; the verdict is about the first one.
        blocks: name and width of each block of the features, where there are several; the head
            ``auto`` also tries them alone and averaged.
        names: (J,D) features of class names; named: (J,) the label of each.
        fit_predict: for networks that are trained on the labels alone: called with the indices
            (n,) of the drawn training records and a seed, it returns the predicted labels of all
            test records in order (of all training records when there are folds).
        joinable: whether the features are also tried together with an encoder's.
        joined_with: the name of the simple features that an encoder's stand side by side with.
        parts: of a run that joins encoders, the names of those whose features these are.
        repeats: the name of the candidate that this is the same pre-training as, from another seed.
        required: whether it is measured even if the time of the alternatives is spent.
        most: whether it is measured with the largest number of labels only.
        seconds: that one measurement will take, where it is known beforehand.
        cost: of turning records into the features.

    Example::

        Candidate("TF-IDF", "baseline", train=tfidf_train, test=tfidf_test)
    """

    name: str
    kind: Kind
    train: Matrix | None = None
    test: Matrix | None = None
    heads: tuple[str, ...] = ("logistic regression", "auto", "kNN")
    blocks: tuple[tuple[str, int], ...] = ()
    names: Matrix | None = None
    named: tuple[str, ...] = ()
    fit_predict: Callable[[np.ndarray, int], Sequence[str]] | None = None
    joinable: bool = False
    joined_with: str = ""
    parts: tuple[str, ...] = ()
    repeats: str = ""
    required: bool = False
    most: bool = False
    seconds: float = 0.0
    cost: Cost = Cost()

    @classmethod
    def of(cls, baseline: Baseline) -> Self:
        """Return a modality's baseline as a candidate."""
        rows = sum(part.shape[0] for part in (baseline.train, baseline.test) if part is not None)
        speed = rows / baseline.seconds if baseline.seconds else 0.0
        return cls(
            baseline.name,
            "baseline",
            baseline.train,
            baseline.test,
            baseline.heads,
            joinable=baseline.joinable,
            cost=Cost(speed),
        )


@dataclass(frozen=True)
class Outcome:
    """The result of one candidate with one probe at one number of labels.

    Attributes:
        labels: number of labels it learned from; 0 where none are used.
        predictions: (S,N) classes or values, one row a draw of labels; None where there are none.
        scores: all scores with 95% intervals, including that of the :class:`Metric`.
        by_draw: (S,) the headline score of each draw of labels, on all tested units.
        by_resample: (S,R) the headline score of each draw on each bootstrap resample of the tested
            units. All outcomes of one evaluation share the resamples, so that differences are
            paired for any metric.
        validation: the headline score by cross-validation inside the drawn labels, a mean over the
            draws; NaN where nothing is fitted, or a class has a single label.
        repeats, joined_with, parts: as of the :class:`Candidate`.
        by_run: (P,) the headline score of each pre-training, where several are averaged.
        selections: what the head ``auto`` chose after each draw.
    """

    candidate: str
    kind: Kind
    probe: str
    labels: int
    predictions: np.ndarray | None
    scores: dict[str, Estimate]
    by_draw: np.ndarray
    by_resample: np.ndarray
    validation: float = math.nan
    repeats: str = ""
    joined_with: str = ""
    parts: tuple[str, ...] = ()
    by_run: np.ndarray = field(default_factory=lambda: np.empty(0))
    selections: tuple[Selection, ...] = ()

    @property
    def resampled(self) -> np.ndarray:
        """The headline score, a mean over the draws, on each resample (R,)."""
        return np.asarray(self.by_resample.mean(0))

    @property
    def mean(self) -> float:
        """The headline score, a mean over the draws."""
        return float(self.by_draw.mean())

    @property
    def by_names(self) -> np.ndarray:
        """Which labels of all draws class names tell, where nothing was held out; else none."""
        return np.array([told for each in self.selections for told in each.by_names], dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Results:
    """All outcomes of an evaluation.

    Attributes:
        task: the protocol's name.
        metric: the score that the verdict is about.
        classes: the K label names where predictions and ``truth`` are indices of them, else [].
        truth: (N,) the targets.
        counts: ``{number of labels: its name}``, rising; ``{0: "no labels"}`` without labels.
        notes: what was excluded, in plain sentences.
        training: number of labeled records that labels were drawn from.
        seeds: draws at each number of labels except all.
        folds: number of folds of a cross-validation, or 0.
        unit: what is tested, in the plural.
        groups: number of groups of the tested units, which are resampled as wholes; 0 where each
            unit stands alone.
        shifts: scores on corrupted records and on another domain, where requested.
        costs: of the candidates whose features were computed, by name.
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
    groups: int = 0
    shifts: Sequence[Shift] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)

    @cached_property
    def averaged(self) -> list[Outcome]:
        """All outcomes, with those of pre-trainings from several seeds averaged in the first."""
        table: dict[tuple[str, str, int], list[Outcome]] = {}
        for outcome in self.outcomes:
            name = outcome.repeats or outcome.candidate
            table.setdefault((name, outcome.probe, outcome.labels), []).append(outcome)
        return [_mean(outcomes, self.metric) for outcomes in table.values()]

    def judged(self, labels: int) -> list[Outcome]:
        """Return the outcome of each candidate at a number of labels that the verdict compares.

        It is that of the probe with the highest score by cross-validation inside the drawn labels
        (kNN counts only if there is no other); of a simple alternative see :meth:`validation`.
        """
        found: dict[str, list[Outcome]] = {}
        for outcome in self.averaged:
            if outcome.labels == labels:
                found.setdefault(outcome.candidate, []).append(outcome)
        return [self._judged(outcomes) for outcomes in found.values()]

    def ours(self, labels: int) -> Outcome | None:
        """Return the outcome that the verdict is about, at a number of labels.

        It is that of the pre-trained encoder, or of its features together with simple ones where
        they have the higher score by cross-validation inside these labels; of a run that joins
        encoders, that of the parts that have the highest. Where nothing can be cross-validated it
        is what stands side by side, of a run that joins encoders all of them (``docs/log.md``),
        unless class names tell clearly more of the labels by other features. None if nothing
        pre-trained was.
        """
        found = [outcome for outcome in self.judged(labels) if outcome.kind == "pretrained"]
        best = max(found, key=lambda outcome: _rank(outcome.validation), default=None)
        if best is None or not math.isnan(best.validation):
            return best
        best = next((outcome for outcome in found if outcome.joined_with), best)
        named = max(found, key=lambda outcome: int(outcome.by_names.sum()))
        return named if _tells_more(named.by_names, best.by_names) else best

    def alternatives(self, labels: int) -> list[Outcome]:
        """Return the outcomes that the verdict compares with, at a number of labels."""
        return [outcome for outcome in self.judged(labels) if outcome.kind != "pretrained"]

    def validation(self, outcome: Outcome) -> float:
        """Return the score by which an alternative is chosen; no test record takes part in it.

        It is the cross-validated one inside the drawn labels. Where a class has a single label,
        nothing can be cross-validated: the score at the next larger number of labels decides then,
        which favours the alternatives. NaN if there is none.
        """
        more = [
            other
            for other in self.averaged
            if (other.candidate, other.probe) == (outcome.candidate, outcome.probe)
            and other.labels >= outcome.labels
            and not math.isnan(other.validation)
        ]
        return min(more, key=lambda other: other.labels).validation if more else math.nan

    def _judged(self, outcomes: list[Outcome]) -> Outcome:
        """Return one of a candidate's outcomes at one number of labels."""
        fitted = [outcome for outcome in outcomes if outcome.probe != "kNN"] or outcomes
        # Of an encoder more labels must not decide for fewer. Where these cannot, the head that
        # has a rule for a single label of each class is taken: no tested unit chooses one.
        known = self.validation if fitted[0].kind == "baseline" else _validation
        return max(fitted, key=lambda each: (_rank(known(each)), each.probe == "auto"))


def _tells_more(ours: np.ndarray, others: np.ndarray) -> bool:
    """Return whether more of the same labels (n,) are told, by two standard errors.

    The difference is paired, label by label (McNemar 1947).
    """
    if len(ours) != len(others):
        return False
    ahead, behind = int((ours & ~others).sum()), int((others & ~ours).sum())
    return ahead - behind > 2 * math.sqrt(ahead + behind)


def _validation(outcome: Outcome) -> float:
    return outcome.validation


def _rank(validation: float) -> float:
    return -math.inf if math.isnan(validation) else validation


def _mean(outcomes: list[Outcome], metric: Metric) -> Outcome:
    """Return the mean of one pre-training and the same from other seeds."""
    ours = outcomes[0]
    if len(outcomes) == 1:
        return ours
    by_run = np.array([outcome.mean for outcome in outcomes])
    mean = float(by_run.mean())
    # The interval of one run, widened by the spread over runs.
    within = ours.scores[metric.name]
    half = float(np.hypot((within.high - within.low) / 2, t_half_width(by_run)))
    return replace(
        ours,
        scores={**ours.scores, metric.name: Estimate(mean, mean - half, mean + half)},
        by_draw=np.mean([outcome.by_draw for outcome in outcomes], axis=0),
        by_resample=np.mean([outcome.by_resample for outcome in outcomes], axis=0),
        validation=float(np.mean([outcome.validation for outcome in outcomes])),
        by_run=by_run,
    )


@dataclass(frozen=True)
class Shift:
    """The score of one candidate under a distribution shift.

    Attributes:
        shift: the corruption, or the file of the other domain.
        severity: 1 to 3; 0 for another domain.
        labels: number of labels the probe learned from; 0 where none are used.
        tested: number of tested records.
        clean: the headline score without the shift.
        score: the headline score under the shift.
        drop: clean minus score. Corrupted records are paired with their originals; those of another
            domain are not, so that both scores vary.
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
