"""Label efficiency: a curve per candidate, or one figure each where there are no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation.report.figures import axis, change, scaled, within
from headstart.pages.charts import Series, line_chart
from headstart.pages.dots import Dot, dot_chart
from headstart.pages.markup import Markup, tag

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Results
    from headstart.evaluation.verdict import Gain


def section(results: Results, gains: list[Gain]) -> Markup:
    """Return the chart of the headline score by number of labels, with 95% bands.

    Of the simple alternatives it has those that are the best at some number of labels.
    """
    best = {gain.best.candidate for gain in gains}
    metric, counts = results.metric, results.counts
    title = finding(results, gains)
    if len(counts) == 1:
        (count,) = counts
        rows = [
            Dot(
                outcome.candidate,
                scaled(metric, found.mean),
                scaled(metric, found.low),
                scaled(metric, found.high),
                within(metric, found),
                strong=outcome.kind == "pretrained",
            )
            for outcome in results.judged(count)
            for found in [outcome.scores[metric.name]]
        ]
        rows.sort(key=lambda row: -row.value)
        label = f"{axis(metric)}, with 95% intervals"
        head = tag("h2", f"{_capital(metric.name)} of each candidate", id="efficiency")
        return tag("section", head, dot_chart(title, rows, x_label=label))
    series = []
    for first in results.judged(next(iter(counts))):
        if first.kind == "baseline" and best and first.candidate not in best:
            continue
        found = {
            labels: outcome.scores[metric.name]
            for labels in counts
            for outcome in results.judged(labels)
            if outcome.candidate == first.candidate
        }
        series.append(
            Series(
                first.candidate,
                [(n, scaled(metric, score.mean)) for n, score in found.items()],
                [(scaled(metric, s.low), scaled(metric, s.high)) for s in found.values()],
                strong=first.kind == "pretrained",
            )
        )
    series.sort(key=lambda line: not line.strong)
    chart = line_chart(
        title,
        series,
        x_label="labels (logarithmic)",
        y_label=axis(metric),
        x_ticks=[(n, f"all {n:,}" if name == "all" else f"{n:,}") for n, name in counts.items()],
        log_x=True,
    )
    words = "Bands are 95% intervals; they cover which labels are drawn and what is tested."
    return tag(
        "section",
        tag("h2", f"{_capital(metric.name)} by number of labels", id="efficiency"),
        chart,
        tag("p", words, class_="small"),
    )


def finding(results: Results, gains: list[Gain]) -> str:
    """Return the finding of the chart in one line."""
    if not gains:
        return "The pre-trained encoder by itself: there is nothing to compare with"
    most = max(gains, key=lambda gain: gain.difference.mean)
    few = len(results.counts) == 1
    if most.sign <= 0:
        where = "Pre-training is not" if few else "At no number of labels is pre-training"
        return f"{where} clearly better than the best alternative"
    over = f"{change(results.metric, most.difference.mean)} over {most.best.candidate}"
    return (
        f"Pre-training helps: {over}"
        if few
        else f"Pre-training helps most with {most.name} labels: {over}"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
