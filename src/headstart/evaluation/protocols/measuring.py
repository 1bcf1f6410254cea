"""The loop of all protocols: every candidate, every number of labels, every draw.

A protocol defines what is drawn, how a candidate predicts and how predictions are scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.batch import Progress
from headstart.data.vectors import Matrix
from headstart.evaluation.allowance import Allowance
from headstart.evaluation.heads.chosen import Selection
from headstart.evaluation.heads.rows import check_finite, constant
from headstart.evaluation.outcomes import Candidate, Metric, Outcome, Results
from headstart.evaluation.protocols.resampling import Sampled
from headstart.evaluation.protocols.scoring import outcome_of

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content


class Prediction(NamedTuple):
    """The predictions of one probe after one draw of labels.

    Attributes:
        values: (N,...) of all tested units.
        validation: the headline score by cross-validation inside the drawn labels; NaN where
            nothing is fitted, or too few labels were drawn.
        selections: what the head ``auto`` chose, once for each part that was fitted.
    """

    values: np.ndarray
    validation: float = math.nan
    selections: tuple[Selection, ...] = ()


#: From a draw and a seed to the predictions of all tested units.
Predict = Callable[[Any, int], Prediction]


@dataclass(frozen=True)
class LabeledData:
    """The labeled records of an evaluation.

    Attributes:
        train: labeled records, in the order of the candidates' features.
        test: the same for the test records; None where the training records are tested.
        content: the kind of record.
    """

    train: Dataset
    test: Dataset | None
    content: Content

    @property
    def tested(self) -> Dataset:
        """The records that are tested."""
        return self.train if self.test is None else self.test

    def features(self, candidate: Candidate) -> Matrix | None:
        """Return a candidate's features (N,D) of the tested records."""
        return candidate.train if self.test is None else candidate.test


def nothing(labels: int, seed: int) -> None:
    """Draw nothing, for protocols that learn from no labels."""


def always(candidate: Candidate, probe: str, labels: int) -> bool:
    """Measure every probe at every number of labels."""
    return True


def nothing_foreseen(candidate: Candidate, probe: str, labels: int, draws: int) -> float:
    """Foresee no time, for protocols whose probes are quick."""
    return 0.0


class Predicted(NamedTuple):
    """Predictions of one probe of one candidate at one number of labels.

    Attributes:
        rows: (S,N,...), one row per draw.
        validation: the mean over draws of :attr:`Prediction.validation`.
        selections: of all draws.
    """

    candidate: Candidate
    probe: str
    labels: int
    rows: np.ndarray
    validation: float = math.nan
    selections: tuple[Selection, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How a protocol measures certain records, independent of the candidates.

    Attributes:
        results: the results without outcomes.
        probes: the prediction methods of a candidate by name; {} if it is not supported.
        score: from all predictions to outcomes, in order.
        seeds: of the draws at each number of labels; 0 labels where none are used.
        heads: whether features are measured by the heads of the candidates.
        applies: whether a probe of a candidate is of use at a number of labels.
        seconds: that a probe of a candidate will take at a number of labels and of draws.
        draw: from a number of labels and a seed to the training data of all candidates.
        trivial: the predictions of a method that looks at no record, and its name, such as the
            majority class; an alternative wherever there is a pre-trained candidate.
    """

    results: Results
    probes: Callable[[Candidate], Mapping[str, Predict]]
    score: Callable[[list[Predicted]], list[Outcome]]
    seeds: Mapping[int, Sequence[int]]
    draw: Callable[[int, int], Any] = nothing
    trivial: tuple[str, Predict] | None = None
    heads: bool = False
    applies: Callable[[Candidate, str, int], bool] = always
    seconds: Callable[[Candidate, str, int, int], float] = nothing_foreseen

    def of(
        self,
        candidates: Sequence[Candidate],
        progress: Progress | None = None,
        allowance: Allowance | None = None,
    ) -> Results:
        """Measure the candidates, all with the same draws.

        Args:
            progress: called with the number of draws done and the total.
            allowance: the time of the simple alternatives; once it is spent, those that are left
                are not measured, and named in it.

        Raises:
            HeadstartError: the features of a candidate are not all finite.
        """
        allowance = allowance or Allowance()
        for each in candidates:
            check_finite(each.name, each.train, each.test)
        table = [(each, self.probes(each)) for each in candidates]
        if self.trivial and any(each.kind == "pretrained" for each in candidates):
            name, predict = self.trivial
            table.append((Candidate(name, "baseline", required=True), {"constant": predict}))
        draws = {
            n: [(self.draw(n, seed), seed) for seed in seeds] for n, seeds in self.seeds.items()
        }
        counts = {each.name: [max(draws)] if each.most else list(draws) for each, _ in table}
        for candidate, probes in table:
            if self.heads:
                allowance.unsuited(candidate, probes)
        cells = [
            (candidate, name, predict, labels)
            for candidate, probes in table
            for labels in counts[candidate.name]
            for name, predict in probes.items()
            if self.applies(candidate, name, labels)
        ]
        found: dict[int, Predicted] = {}
        done, total = 0, sum(len(draws[labels]) for *_, labels in cells)
        # Few labels first: where time is short, every alternative has at least these.
        for number in sorted(range(len(cells)), key=lambda index: cells[index][3]):
            candidate, name, predict, labels = cells[number]
            seconds = self.seconds(candidate, name, labels, len(draws[labels]))
            if not allowance.refuses(candidate, name, self.results.counts[labels], seconds):
                with allowance.timed(candidate, seconds):
                    predictions = [predict(drawn, seed) for drawn, seed in draws[labels]]
                rows = np.stack([each.values for each in predictions])
                validation = float(np.mean([each.validation for each in predictions]))
                chosen = tuple(chain.from_iterable(each.selections for each in predictions))
                found[number] = Predicted(candidate, name, labels, rows, validation, chosen)
            done += len(draws[labels])
            if progress:
                progress(done, total)
        notes = [*self.results.notes, *collapsed(candidates), *allowance.notes()]
        return replace(
            self.results,
            outcomes=self.score([found[number] for number in sorted(found)]),
            notes=notes,
        )


def collapsed(candidates: Sequence[Candidate]) -> list[str]:
    """Return sentences on pre-trained encoders that give every record the same features."""
    return [
        f"{each.name}: every record has the same features, so nothing can be learned from them; "
        "check that the records differ, or pre-train again with another objective."
        for each in candidates
        if each.kind in ("pretrained", "other") and constant(each.train)
    ]


def one_by_one(
    metric: Metric,
    sampled: Callable[[np.ndarray], Mapping[str, Sampled]],
    *,
    predictions: bool = True,
) -> Callable[[list[Predicted]], list[Outcome]]:
    """Return a ``score`` of :class:`Measurement` that scores each candidate separately.

    Args:
        metric: the headline.
        sampled: from predictions (S,N,...) to all scores.
        predictions: whether outcomes keep the predictions.
    """

    def score(found: list[Predicted]) -> list[Outcome]:
        return [
            outcome_of(
                each.candidate,
                each.probe,
                metric,
                sampled(each.rows),
                labels=each.labels,
                predictions=each.rows if predictions else None,
                validation=each.validation,
            )
            for each in found
        ]

    return score
