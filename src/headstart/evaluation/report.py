"""The report: one offline page with the verdict, the figures, and what they rest on."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.evaluation.chart import Series, line_chart
from headstart.evaluation.evaluate import Outcome, Results
from headstart.evaluation.markup import Markup, join, table, tag
from headstart.evaluation.metrics import SCORES, Estimate
from headstart.evaluation.style import STYLE
from headstart.evaluation.verdict import details, gains, headline, label_name, points
from headstart.files import write_text
from headstart.run import Run

#: Most points of a learning curve; neighbours are averaged beyond it.
_POINTS = 200
#: Most set-aside records that are named.
_NAMED = 20


class Report:
    """What an evaluation found, in words, as plain values, and as a page.

    Args:
        results: of :func:`headstart.evaluation.evaluate.evaluate`.
        run: the pre-training run, for its learning curves and its cost.
        command: the command line that gives the same report again.
        versions: ``{package: version}`` of what computed it.
        audits: ``{what was read: Audit.summary()}``, such as of the pre-training, train and test
            sources.
        notes: more that a reader should know, in plain sentences: test texts that occur in
            pre-training, for example.
    """

    def __init__(
        self,
        results: Results,
        *,
        run: Run | None = None,
        command: str = "",
        versions: Mapping[str, str] | None = None,
        audits: Mapping[str, Mapping[str, Any]] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.results = results
        self.gains = gains(results)
        self.notes = [*notes, *results.notes]
        self._command = command
        self._versions = dict(versions or {})
        self._audits = dict(audits or {})
        self._picture = run.picture_file if run and run.picture_file.is_file() else None
        self._metrics = run.metrics() if run else []
        self._cost = _cost(run, self._metrics) if run else {}

    @property
    def verdict(self) -> str:
        """The answer in its first line, then one line a number of labels."""
        return "\n".join([headline(self.gains), *details(self.gains)])

    def __str__(self) -> str:
        return self.verdict

    def summary(self) -> dict[str, Any]:
        """Return plain values: the verdict, the gains, all scores, notes, protocol and cost."""
        results = self.results
        return {
            "verdict": headline(self.gains),
            "gains": [
                {
                    "labels": gain.labels,
                    "best_alternative": gain.best.contender,
                    "outcome": {1: "gain", 0: "no clear difference", -1: "loss"}[gain.sign],
                    **_plain(gain.difference, "difference"),
                }
                for gain in self.gains
            ],
            "scores": [
                {
                    "contender": outcome.contender,
                    "kind": outcome.kind,
                    "probe": outcome.probe,
                    "labels": outcome.labels,
                    **{
                        k: v
                        for name in SCORES
                        for k, v in _plain(outcome.scores[name], name).items()
                    },
                }
                for outcome in results.outcomes
            ],
            "classes": results.classes,
            "train_records": results.training,
            "test_records": len(results.truth),
            "seeds": results.seeds,
            "folds": results.folds,
            "notes": self.notes,
            "cost": self._cost,
            "command": self._command,
            "versions": self._versions,
        }

    def write(self, path: Path) -> None:
        """Write the page, whole or not at all: one file that needs no network."""
        write_text(path, f"<!doctype html>\n{self._page()}\n")

    # -- the page ----------------------------------------------------------------------------

    def _page(self) -> Markup:
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag(
                "meta",
                http_equiv="Content-Security-Policy",
                content="default-src 'none'; style-src 'unsafe-inline'; img-src data:",
            ),
            tag("title", "headstart: was pre-training worth it?"),
            tag("style", Markup(STYLE)),
        )
        sections = [
            self._verdict(),
            self._efficiency(),
            self._scores(),
            self._pretext(),
            self._training(),
            self._data(),
            self._reproduce(),
        ]
        return tag("html", head, tag("body", tag("main", *sections)), lang="en")

    def _verdict(self) -> Markup:
        answer, _, reason = headline(self.gains).partition(": ")
        items = [tag("li", line) for line in details(self.gains)]
        return tag(
            "header",
            tag("p", "Was pre-training worth it?", class_="question"),
            tag("h1", tag("strong", f"{answer}."), " ", reason[:1].upper() + reason[1:]),
            tag("ul", *items),
            *(tag("p", note, class_="note") for note in self.notes),
        )

    def _efficiency(self) -> Markup:
        counts = self.results.counts
        series = []
        for first in self.results.judged(next(iter(counts))):
            found = [
                outcome.scores["accuracy"]
                for labels in counts
                for outcome in self.results.judged(labels)
                if outcome.contender == first.contender
            ]
            series.append(
                Series(
                    first.contender,
                    [(n, 100 * score.mean) for n, score in zip(counts, found, strict=True)],
                    [(100 * score.low, 100 * score.high) for score in found],
                    strong=first.kind == "pretrained",
                )
            )
        series.sort(key=lambda line: not line.strong)
        chart = line_chart(
            self._finding(),
            series,
            x_label="labels (logarithmic)",
            y_label="accuracy in %",
            x_ticks=[
                (n, f"all {n:,}" if name == "all" else f"{n:,}") for n, name in counts.items()
            ],
            log_x=True,
        )
        return tag("section", tag("h2", "Accuracy by number of labels"), chart)

    def _finding(self) -> str:
        if not self.gains:
            return "The pre-trained encoder by itself: there is nothing to compare with"
        most = max(self.gains, key=lambda gain: gain.difference.mean)
        if most.sign <= 0:
            return "At no number of labels is pre-training clearly better than the best alternative"
        return (
            f"Pre-training helps most with {most.name} labels: "
            f"{points(most.difference.mean)} points over {most.best.contender}"
        )

    def _scores(self) -> Markup:
        neighbours = [outcome for outcome in self.results.outcomes if outcome.probe == "kNN"]
        others = [outcome for outcome in self.results.outcomes if outcome.probe != "kNN"]
        parts = [self._table(others)]
        if neighbours:
            words = tag("summary", "The same with nearest neighbours (kNN)")
            parts.append(tag("details", words, self._table(neighbours)))
        return tag(
            "section",
            tag("h2", "All figures"),
            tag("p", "In %, with 95 % intervals. ", self._protocol(), class_="small"),
            *parts,
        )

    def _table(self, outcomes: list[Outcome]) -> Markup:
        groups = {
            f"{label_name(labels, name)} labels": [
                _row(outcome) for outcome in outcomes if outcome.labels == labels
            ]
            for labels, name in self.results.counts.items()
        }
        head = ["", "Probe", "Accuracy", "Macro precision", "Macro recall", "Macro F1"]
        return table(head, groups)

    def _protocol(self) -> str:
        results = self.results
        tested = f"{len(results.truth):,} records that no fitting saw"
        if results.folds:
            tested = f"all {len(results.truth):,} records, in {results.folds} folds"
        return (
            f"Labels were drawn {results.seeds} times at each number, stratified, the same for "
            f"all contenders; tested were {tested}, of {len(results.classes)} classes. Features "
            "are frozen; the penalty of the logistic regression and the scaling are chosen by "
            "cross-validation inside the drawn labels. kNN: up to 200 neighbours by cosine, weight "
            "exp(s / 0.1). Intervals cover the draw of the labels (Student's t) and that of the "
            "test records (bootstrap). The verdict compares accuracies of the logistic regression, "
            "paired, with the alternative that did best at that number of labels; it claims a "
            "difference only where its interval leaves out 0."
        )

    def _pretext(self) -> Markup:
        if self._picture is None:
            return Markup("")
        data = base64.b64encode(self._picture.read_bytes()).decode()
        words = (
            "The first row shows records as they are; below each stands what the network was given "
            "to learn from in their place."
        )
        picture = tag(
            "img",
            src=f"data:image/png;base64,{data}",
            alt="Records and what the pretext task makes of them",
            class_="wide",
        )
        return tag("section", tag("h2", "The pretext task on your data"), picture, tag("p", words))

    def _training(self) -> Markup:
        losses = [
            Series(name, points, strong=place == 0)
            for place, (name, key) in enumerate(
                [("training loss", "loss"), ("validation loss", "validation_loss")]
            )
            if len(points := _curve(self._metrics, key)) > 1
        ]
        parts: list[Markup] = []
        if losses:
            parts.append(line_chart(_went("loss", losses), losses, x_label="step", y_label="loss"))
        rank = _curve(self._metrics, "effective_rank")
        if len(rank) > 1:
            line = [Series("effective rank", rank, strong=True)]
            title = _went("effective rank", line)
            parts.append(line_chart(title, line, x_label="step", y_label="effective rank"))
        if self._cost:
            rows = [[name, value] for name, value in self._cost.items()]
            parts.append(table(["What it cost", ""], {"": rows}))
        return tag("section", tag("h2", "The pre-training"), *parts) if parts else Markup("")

    def _data(self) -> Markup:
        if not self._audits:
            return Markup("")
        names = ("kept", "set_aside", "blank", "duplicates")
        rows = [
            [what, *(f"{audit.get(name, 0):,}" for name in names)]
            for what, audit in self._audits.items()
        ]
        head = ["Records", "Kept", "Set aside", "Blank", "Duplicates among the kept"]
        parts = [table(head, {"": rows})]
        aside = [
            [str(record["where"]), str(record["reason"])]
            for audit in self._audits.values()
            for record in audit.get("records", [])
        ]
        if aside:
            more = len(aside) - _NAMED
            parts.append(table(["Set aside", "Why"], {"": aside[:_NAMED]}))
            if more > 0:
                parts.append(tag("p", f"And {more:,} more, named in audit.json.", class_="small"))
        return tag("section", tag("h2", "The data"), *parts)

    def _reproduce(self) -> Markup:
        versions = ", ".join(f"{name} {version}" for name, version in self._versions.items())
        parts = [tag("pre", tag("code", self._command))] if self._command else []
        parts += [tag("p", f"Computed with {versions}.", class_="small")] if versions else []
        return tag("section", tag("h2", "Do it again"), *parts) if parts else Markup("")


def _row(outcome: Outcome) -> list[str]:
    mark = tag("strong", outcome.contender) if outcome.kind == "pretrained" else outcome.contender
    return [mark, outcome.probe, *(_cell(outcome.scores[name]) for name in SCORES)]


def _cell(score: Estimate) -> Markup:
    edges = f"{100 * score.low:.1f}–{100 * score.high:.1f}"  # noqa: RUF001 (a range)
    return join(f"{100 * score.mean:.1f} ", tag("span", edges, class_="range"))


def _plain(estimate: Estimate, name: str) -> dict[str, Any]:
    low, high = round(estimate.low, 5), round(estimate.high, 5)
    return {name: round(estimate.mean, 5), f"{name}_interval": [low, high]}


def _curve(metrics: list[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """Return (step, value) of a logged number, neighbours averaged to a few hundred points."""
    rows = [(row["step"], row[key]) for row in metrics if row.get(key) is not None]
    size = -(-len(rows) // _POINTS) if rows else 1
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [
        (sum(step for step, _ in part) / len(part), sum(value for _, value in part) / len(part))
        for part in parts
    ]


def _went(what: str, lines: list[Series]) -> str:
    (_, first), (_, last) = lines[0].points[0], lines[0].points[-1]
    verb = "fell" if last < first else "rose"
    title = f"{lines[0].name.capitalize()} {verb} from {first:.3g} to {last:.3g}"
    if len(lines) > 1:
        title += f"; {lines[1].name} ended at {lines[1].points[-1][1]:.3g}"
    return title


def _cost(run: Run, metrics: list[dict[str, Any]]) -> dict[str, str]:
    """Return what pre-training took, as far as the run folder tells."""
    cost: dict[str, str] = {}
    clocks = [row["clock"] for row in metrics if row.get("clock")]
    if clocks:
        cost["minutes"] = f"{clocks[-1]['seconds'] / 60:.1f}"
    if metrics:
        cost["steps"] = f"{metrics[-1]['step']:,}"
    times = [0.0, *(clock["seconds"] for clock in clocks)]
    tokens = sum(
        clock.get("tokens_per_second", 0.0) * (after - before)
        for clock, before, after in zip(clocks, times, times[1:], strict=False)
    )
    if tokens:
        cost["tokens"] = f"about {float(f'{tokens:.2g}'):,.0f}"
    if "records" in run.resolved:
        cost["records"] = f"{run.resolved['records']:,}"
    return cost
