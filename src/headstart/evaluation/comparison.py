"""The comparison of several runs as data, in words and as a table for the console."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from headstart.evaluation.intervals import LEVEL, Change, compare, holm
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import Outcome, Results
from headstart.evaluation.report.figures import within
from headstart.evaluation.verdict import label_name
from headstart.pages.markup import listed
from headstart.pages.result import Result

#: Costs of a run in the table, where known.
COSTS = ("minutes", "parameters", "records")


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


def pairs(results: Results) -> list[Pair]:
    """Return every two candidates at every number of labels, with adjusted p values."""
    found = []
    for labels in results.counts:
        ranked = sorted(results.judged(labels), key=lambda outcome: -outcome.mean)
        for one, other in combinations(ranked, 2):
            found.append((labels, one.candidate, other.candidate, compare(results, one, other)))
    raw = [min(1.0, 2 * min(change.above, change.below)) for *_, change in found]
    return [Pair(*each, p_value) for each, p_value in zip(found, holm(raw), strict=True)]


@dataclass(frozen=True)
class Comparison(Result):
    """The result of a comparison; as a string, the answer and a table.

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
        ranked = [outcome.candidate for outcome in self.ranked(labels)]
        beaten = {
            pair.other
            for pair in self.pairs
            if pair.labels == labels and pair.one == ranked[0] and pair.clear
        }
        return [name for name in ranked if name not in beaten]

    def scores(self, name: str) -> dict[int, Estimate]:
        """Return the scores of a run by number of labels."""
        return {
            labels: outcome.scores[self.results.metric.name]
            for labels in self.results.counts
            for outcome in self.results.judged(labels)
            if outcome.candidate == name
        }

    @property
    def answer(self) -> str:
        """Which run is best, and at which numbers of labels; ties are named together."""
        counts = self.results.counts
        groups: dict[tuple[str, ...], list[int]] = {}
        for labels in counts:
            groups.setdefault(tuple(self.leaders(labels)), []).append(labels)
        clear, tied = [], []
        for names, where in groups.items():
            at = _where(where, counts)
            if len(names) == 1:
                clear.append(f"{names[0]} is best{at}")
            else:
                at = at.replace(" at every", " at any")
                tied.append(f"{listed(names)} cannot be told apart{at}")
        behind = [name for name in self.folders if not any(name in names for names in groups)]
        if behind and tied:
            tied.append(f"{listed(behind)} {'is' if len(behind) == 1 else 'are'} clearly behind")
        return "; ".join([*clear, *tied]) + "."

    def __str__(self) -> str:
        return "\n".join([self.answer, "", self._table(), *self.notes])

    def _table(self) -> str:
        """Return a row per run; runs not clearly below the best are marked with a star."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        counts, metric = self.results.counts, self.results.metric
        costs = [name for name in COSTS if any(name in cost for cost in self.costs.values())]
        table = Table(box=SIMPLE_HEAD)
        table.add_column("run", overflow="fold")
        for heading in [*(column(*count) for count in counts.items()), *costs]:
            table.add_column(heading, justify="right")
        for name in (outcome.candidate for outcome in self.ranked(list(counts)[-1])):
            cells = [
                within(metric, score) + (" *" if name in self.leaders(labels) else "  ")
                for labels, score in self.scores(name).items()
            ]
            table.add_row(name, *cells, *(self.costs[name].get(what, "") for what in costs))
        text = io.StringIO()
        width = 24 + 26 * len(counts) + 13 * len(costs)
        Console(file=text, width=max(80, width), color_system=None).print(table)
        lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
        key = f"{metric.name} [95% interval]; * = best, or not clearly below the best"
        return "\n".join([*lines, key])

    def summary(self) -> dict[str, Any]:
        """Return plain values: the answer, scores, differences, costs and protocol."""
        metric = self.results.metric.name
        return {
            "answer": self.answer,
            "metric": metric,
            "best": {str(labels): self.leaders(labels) for labels in self.results.counts},
            "runs": [
                {"name": name, "folder": folder, "cost": self.costs[name]}
                for name, folder in self.folders.items()
            ],
            "scores": [
                {
                    "run": outcome.candidate,
                    "probe": outcome.probe,
                    "labels": outcome.labels,
                    **plain(outcome.scores[metric], metric),
                }
                for outcome in self.results.outcomes
            ],
            "differences": [
                {
                    "labels": pair.labels,
                    "run": pair.one,
                    "over": pair.other,
                    **plain(pair.change.estimate, "difference"),
                    "p": round(pair.p_value, 5),
                    "clear": pair.clear,
                }
                for pair in self.pairs
            ],
            "train_records": self.results.training,
            "test_records": len(self.results.truth),
            "seeds": self.results.seeds,
            "notes": self.notes,
            "command": self.command,
            "versions": self.versions,
        }


def column(labels: int, name: str) -> str:
    """Return the column heading for a number of labels."""
    return f"{label_name(labels, name)} labels" if labels else "score"


def _where(found: list[int], counts: dict[int, str]) -> str:
    """Return ``from 100 labels on``, ``with 10 and 100 labels``, or nothing for everywhere."""
    every = list(counts)
    if every == [0]:
        return ""
    if len(found) == len(every) > 1:
        return " at every number of labels"
    if len(found) > 1 and found == every[-len(found) :]:
        return f" from {label_name(found[0], counts[found[0]])} labels on"
    return f" with {listed([label_name(labels, counts[labels]) for labels in found])} labels"


def plain(estimate: Estimate, name: str) -> dict[str, Any]:
    """Return an estimate as plain values: ``NAME`` and ``NAME_interval``."""
    edges = [round(float(edge), 5) for edge in (estimate.low, estimate.high)]
    return {name: round(estimate.mean, 5), f"{name}_interval": edges}
