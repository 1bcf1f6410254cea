"""A comparison of runs as it is shown: in words, as plain values, and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from headstart.evaluation.compare_page import compare_page
from headstart.evaluation.compare_words import answer, console_table
from headstart.evaluation.compared_runs import ComparedRuns
from headstart.evaluation.metrics import Estimate
from headstart.files import write_text


class Comparison(ComparedRuns):
    """What a comparison found; printed it is the answer and a table."""

    @property
    def answer(self) -> str:
        """Which run is best, from how many labels on, and which cannot be told apart."""
        return answer(self)

    def __str__(self) -> str:
        return "\n".join([self.answer, "", console_table(self), *self.notes])

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
                    **_plain(outcome.scores[metric], metric),
                }
                for outcome in self.results.outcomes
            ],
            "differences": [
                {
                    "labels": pair.labels,
                    "run": pair.one,
                    "over": pair.other,
                    **_plain(pair.estimate, "difference"),
                    "p": round(pair.chance, 5),
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

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all: one file that needs no network."""
        write_text(path, compare_page(self))


def _plain(estimate: Estimate, name: str) -> dict[str, Any]:
    low, high = (round(float(np.float64(edge)), 5) for edge in (estimate.low, estimate.high))
    return {name: round(estimate.mean, 5), f"{name}_interval": [low, high]}
