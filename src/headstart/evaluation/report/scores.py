"""Tables of all figures, and the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation.protocols import PROTOCOLS
from headstart.evaluation.report.figures import cell
from headstart.pages.markup import Markup, table, tag

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Outcome, Results


def section(results: Results) -> Markup:
    """Return tables of every score with its interval, those of nearest neighbours collapsed."""
    neighbours = [outcome for outcome in results.outcomes if outcome.probe == "kNN"]
    others = [outcome for outcome in results.outcomes if outcome.probe != "kNN"]
    parts = [_table(results, others or neighbours)]
    if neighbours and others:
        words = tag("summary", "The same with nearest neighbours (kNN)")
        parts.append(tag("details", words, _table(results, neighbours)))
    scale = "In %, with" if results.metric.percent else "With"
    return tag(
        "section",
        tag("h2", "All figures", id="figures"),
        tag("p", f"{scale} 95% intervals. ", _protocol(results), class_="small"),
        *parts,
    )


def _table(results: Results, outcomes: list[Outcome]) -> Markup:
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.scores))
    groups = {}
    for labels, name in results.counts.items():
        rows = [
            [
                tag("strong", x.candidate) if x.kind == "pretrained" else x.candidate,
                x.probe,
                *(cell(results.metric, x.scores[n]) if n in x.scores else "" for n in names),
            ]
            for x in outcomes
            if x.labels == labels
        ]
        groups[group(labels, name)] = rows
    return table(["", "Probe", *(name[:1].upper() + name[1:] for name in names)], groups)


def group(labels: int, name: str) -> str:
    """Return the heading of the rows with a number of labels."""
    if not labels:
        return name
    if name == "all":
        return f"all {labels:,} labels"
    return f"{labels:,} ({name}) labels" if name.endswith("%") else f"{labels:,} labels"


def _protocol(results: Results) -> str:
    tested = f"{len(results.truth):,} {results.unit} that no fitting saw"
    if results.folds:
        tested = f"all {len(results.truth):,} {results.unit}, in {results.folds} folds"
    classes = f", of {len(results.classes)} classes" if results.classes else ""
    drawn = ""
    if any(results.counts):
        drawn = (
            f"Labels were drawn {results.seeds} times at each number, the same for all candidates. "
        )
    return (
        f"{drawn}The test is on {tested}{classes}. {PROTOCOLS[results.task].how} Intervals cover "
        f"the draw of the labels (Student's t) and of the test {results.unit} (bootstrap). The "
        f"verdict compares the {results.metric.name}, paired, with the best alternative, chosen in "
        "the training labels where something is fitted; it claims a gain only over every "
        "alternative and after the correction for several comparisons."
    )
