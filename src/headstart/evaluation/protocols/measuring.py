"""The loop of all protocols: every candidate, every number of labels, every draw.

A protocol defines what is drawn, how a candidate predicts and how predictions are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.batch import Progress
from headstart.data.vectors import Matrix
from headstart.evaluation.outcomes import Candidate, Metric, Outcome, Results
from headstart.evaluation.protocols.resampling import Sampled
from headstart.evaluation.protocols.scoring import outcome_of

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content

#: From a draw and a seed to the predictions (N,...) of all tested units.
Predict = Callable[[Any, int], np.ndarray]


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


class Predicted(NamedTuple):
    """Predictions of one probe of one candidate at one number of labels.

    Attributes:
        rows: (S,N,...), one row per draw.
    """

    candidate: Candidate
    probe: str
    labels: int
    rows: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """How a protocol measures certain records, independent of the candidates.

    Attributes:
        results: the results without outcomes.
        probes: the prediction methods of a candidate by name; {} if it is not supported.
        score: from all predictions to outcomes, in order.
        seeds: of the draws at each number of labels; 0 labels where none are used.
        draw: from a number of labels and a seed to the training data of all candidates.
    """

    results: Results
    probes: Callable[[Candidate], Mapping[str, Predict]]
    score: Callable[[list[Predicted]], list[Outcome]]
    seeds: Mapping[int, Sequence[int]]
    draw: Callable[[int, int], Any] = nothing

    def of(self, candidates: Sequence[Candidate], progress: Progress | None = None) -> Results:
        """Measure the candidates, all with the same draws.

        Args:
            progress: called with the number of draws done and the total.
        """
        total = len(candidates) * sum(map(len, self.seeds.values()))
        found: list[Predicted] = []
        done = 0
        for candidate in candidates:
            probes = self.probes(candidate)
            for labels, seeds in self.seeds.items():
                rows: dict[str, list[np.ndarray]] = {name: [] for name in probes}
                for seed in seeds:
                    drawn = self.draw(labels, seed)
                    for name, predict in probes.items():
                        rows[name].append(predict(drawn, seed))
                    done += 1
                    if progress:
                        progress(done, total)
                found += [
                    Predicted(candidate, name, labels, np.stack(row)) for name, row in rows.items()
                ]
        return replace(self.results, outcomes=self.score(found))


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
            )
            for each in found
        ]

    return score
