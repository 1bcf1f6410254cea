"""The paired comparison of several runs, as data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from headstart.evaluation.intervals import LEVEL, Change, holm
from headstart.evaluation.intervals import compare as compare_outcomes
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import Outcome, Results


@dataclass(frozen=True)
class Pair:
    """Two runs at one number of labels.

    Attributes:
        one: the name of the run with the higher score.
        other: the name of the run that it is compared with.
        change: one minus the other, paired.
        p_value: two-sided, adjusted for all comparisons (Holm).
    """

    labels: int
    one: str
    other: str
    change: Change
    p_value: float

    @property
    def clear(self) -> bool:
        """Whether the difference may be claimed."""
        return self.p_value <= LEVEL

    @property
    def estimate(self) -> Estimate:
        """The difference with its own 95% interval."""
        return self.change.estimate


@dataclass(frozen=True)
class ComparedRuns:
    """What a comparison found, as data.

    Attributes:
        results: of all runs; the candidates are their names.
        pairs: every two runs at every number of labels.
        costs: ``{name: {what: how much}}``, such as minutes, parameters and records.
        folders: ``{name: folder}``.
        notes: what a reader should know, in plain sentences.
        command: the command line that reproduces it.
        versions: ``{package: version}`` of what computed it.
    """

    results: Results
    pairs: list[Pair]
    costs: dict[str, dict[str, str]]
    folders: dict[str, str]
    notes: list[str]
    command: str
    versions: dict[str, str]

    def ranked(self, labels: int) -> list[Outcome]:
        """Return the outcomes at a number of labels, the best first."""
        return sorted(self.results.judged(labels), key=lambda outcome: -outcome.mean)

    def leaders(self, labels: int) -> list[str]:
        """Return the best run at a number of labels, and all runs not clearly below it."""
        best = self.ranked(labels)[0].candidate
        beaten = {
            pair.other
            for pair in self.pairs
            if pair.labels == labels and pair.one == best and pair.clear
        }
        return [x.candidate for x in self.ranked(labels) if x.candidate not in beaten]


def pairs(results: Results) -> list[Pair]:
    """Return every two candidates at every number of labels, with adjusted p values."""
    found = []
    for labels in results.counts:
        ranked = sorted(results.judged(labels), key=lambda outcome: -outcome.mean)
        for one, other in combinations(ranked, 2):
            change = compare_outcomes(results, one, other)
            found.append((labels, one.candidate, other.candidate, change))
    raw = [min(1.0, 2 * min(change.above, change.below)) for *_, change in found]
    return [Pair(*each, p_value) for each, p_value in zip(found, holm(raw), strict=True)]
