"""The presentation of a comparison of runs: text, plain values, and a page."""

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
    """The result of a comparison; as a string, the answer and a table."""

    @property
    def answer(self) -> str:
        """Which run is best, from how many labels on, and which runs are tied."""
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

    def write(self, path: Path) -> None:
        """Write the page atomically: one file that works offline."""
        write_text(path, compare_page(self))


def _plain(estimate: Estimate, name: str) -> dict[str, Any]:
    low, high = (round(float(np.float64(edge)), 5) for edge in (estimate.low, estimate.high))
    return {name: round(estimate.mean, 5), f"{name}_interval": [low, high]}
