"""What an evaluation found, in words, as plain values, and as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.evaluation.metrics import Estimate
from headstart.evaluation.report import (
    advice,
    answer,
    choices,
    confusions,
    cost,
    data,
    efficiency,
    feature_map,
    health,
    neighbours,
    pretext,
    reproduce,
    robustness,
    scores,
    setting,
    speed,
    training,
)
from headstart.evaluation.samples import Samples
from headstart.evaluation.verdict import Gain, details, gains, headline
from headstart.files import write_text
from headstart.pages.page import page
from headstart.pages.result import Result
from headstart.run import RunFolder

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results, Shift

#: Maximum size of the page in bytes; beyond it the page has no records.
LIMIT = 5_000_000


class Report(Result):
    """What an evaluation found, in words, as plain values, and as a page.

    Args:
        results: of :func:`headstart.evaluation.evaluate.evaluate`.
        run: the pre-training run, for its learning curves and its cost.
        command: the command line that reproduces the report.
        versions: ``{package: version}`` of what computed it.
        audits: ``{what was read: Audit.summary()}``, such as of the pre-training, train and test
            sources.
        notes: further remarks in plain sentences, such as test texts that occur in pre-training.
        cautions: clauses of the verdict about test records that were seen before, or labels that
            contradict each other.
        doubts: sentences on the latter, below the verdict.
        sources: the labeled files.
        samples: the tested records and their vectors, for the map, neighbours and examples.
    """

    def __init__(
        self,
        results: Results,
        *,
        run: RunFolder | None = None,
        command: str = "",
        versions: Mapping[str, str] | None = None,
        audits: Mapping[str, Mapping[str, Any]] | None = None,
        notes: Sequence[str] = (),
        cautions: Sequence[str] = (),
        doubts: Sequence[str] = (),
        sources: Sequence[str] = (),
        samples: Samples | None = None,
    ) -> None:
        self.results = results
        self.gains = gains(results)
        self.doubts = list(doubts)
        self.notes = [*notes, *results.notes]
        if samples is not None and results.truth.dtype.kind == "f":  # quantities are no classes
            samples = replace(samples, kinds=False)
        self._run, self._samples = run, samples
        self.answer = headline(self.gains, cautions)
        self.setting = setting.lines(results, run, sources, versions or {})
        self._command = command
        self._versions = dict(versions or {})
        self._audits = dict(audits or {})
        self._metrics = run.metrics() if run else []
        self._cost = cost.cost_of(run, self._metrics) if run else {}
        name = str(run.folder) if run else "RUN"
        capped = bool(run and run.resolved.get("capped"))
        self.advice = advice.advice(
            results, self.gains, self._metrics, self._audits, name, capped=capped
        )

    @property
    def verdict(self) -> str:
        """The answer in the first line, one per number of labels, notes, and what was measured."""
        notes = [f"Note: {note}" for note in self.notes]
        return "\n".join([self.answer, *self.doubts, *details(self.gains), *notes, *self.setting])

    def __str__(self) -> str:
        return self.verdict

    def summary(self) -> dict[str, Any]:
        """Return plain values: the verdict, the gains, all scores, shifts, notes and cost."""
        results = self.results
        return {
            "verdict": self.answer,
            "doubts": self.doubts,
            "task": results.task,
            "metric": results.metric.name,
            "gains": [_gain(gain) for gain in self.gains],
            "scores": [
                {
                    "candidate": outcome.candidate,
                    "kind": outcome.kind,
                    "probe": outcome.probe,
                    "labels": outcome.labels,
                    "validation": None
                    if math.isnan(outcome.validation)
                    else round(outcome.validation, 5),
                    **{
                        key: value
                        for name, estimate in outcome.scores.items()
                        for key, value in _plain(estimate, name).items()
                    },
                    **(
                        {"choice": choices.summary(outcome.selections)}
                        if outcome.selections
                        else {}
                    ),
                }
                for outcome in results.outcomes
            ],
            "shifts": [_shift(shift) for shift in results.shifts],
            "classes": results.classes,
            "train_records": results.training,
            "test_records": len(results.truth),
            "seeds": results.seeds,
            "folds": results.folds,
            "notes": self.notes,
            "setting": self.setting,
            "advice": self.advice,
            "cost": self._cost,
            "command": self._command,
            "versions": self._versions,
        }

    def write(self, path: Path) -> None:
        """Write the page atomically: one file below :data:`LIMIT` bytes that works offline."""
        written = self._page(self._samples)
        if self._samples is not None and len(written.encode(errors="backslashreplace")) >= LIMIT:
            written = self._page(None)
        write_text(path, written)

    def _page(self, samples: Samples | None) -> str:
        results = self.results
        header = answer.section(
            self.gains,
            self.answer,
            [*self.doubts, *details(self.gains)],
            [*self.setting, *self.notes],
            self._cost,
        )
        return page(
            header,
            [
                advice.section(self.advice),
                efficiency.section(results, self.gains),
                speed.section(results),
                robustness.section(results),
                feature_map.section(results, samples),
                neighbours.section(samples),
                confusions.section(results, samples),
                confusions.link(self._run),
                pretext.section(self._run),
                training.section(self._metrics),
                health.section(self._metrics),
                data.section(self._audits),
                cost.section(self._cost),
                scores.section(results),
                choices.section(results),
                reproduce.section(self._command, self._versions, self._run),
            ],
        )


def _gain(gain: Gain) -> dict[str, Any]:
    worth = gain.equivalent.needed if gain.equivalent else math.inf
    return {
        "labels": gain.labels,
        "ours": gain.ours.candidate,
        "best_alternative": gain.best.candidate,
        "best_probe": gain.best.probe,
        "chosen_on_training_labels": gain.comparison.validated,
        "outcome": {1: "gain", 0: "no clear difference", -1: "loss"}[gain.sign],
        **_plain(gain.difference, "difference"),
        "worth_labels": round(worth) if math.isfinite(worth) else None,
    }


def _shift(shift: Shift) -> dict[str, Any]:
    return {
        "candidate": shift.candidate,
        "shift": shift.shift,
        "severity": shift.severity,
        "labels": shift.labels,
        "test_records": shift.tested,
        **_plain(shift.clean, "clean"),
        **_plain(shift.score, "score"),
        **_plain(shift.drop, "drop"),
    }


def _plain(estimate: Estimate, name: str) -> dict[str, Any]:
    low, high = round(estimate.low, 5), round(estimate.high, 5)
    return {name: round(estimate.mean, 5), f"{name}_interval": [low, high]}
