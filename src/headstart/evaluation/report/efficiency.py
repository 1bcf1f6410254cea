"""Label efficiency: a curve per candidate, or one figure each where there are no labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from headstart.evaluation.report.figures import axis, change, scaled, within
from headstart.pages.charts import Series, line_chart
from headstart.pages.dots import Dot, dot_chart
from headstart.pages.markup import Markup, tag

if TYPE_CHECKING:
    from headstart.evaluation.metrics import Estimate
    from headstart.evaluation.outcomes import Results
    from headstart.evaluation.verdict import Gain


def section(results: Results, gains: list[Gain]) -> Markup:
    """Return the chart of the headline score by number of labels, with 95% bands.

    Of the simple alternatives it has those that are the best at some number of labels, of a run
    that joins encoders the parts that are taken at some.
    """
    best = {gain.best.candidate for gain in gains} | {gain.ours.candidate for gain in gains}
    metric, counts = results.metric, results.counts
    title = finding(results, gains)
    measured = results.judged(next(iter(counts)))
    strong = [x.candidate for x in measured if x.kind == "pretrained"]
    if len(counts) == 1:
        ranked = sorted(measured, key=lambda outcome: -outcome.scores[metric.name].mean)
        chart = score_chart(results, title, [x.candidate for x in ranked], strong)
        head = tag("h2", f"{_capital(metric.name)} of each candidate", id="efficiency")
        return tag("section", head, chart)
    shown = [
        x.candidate
        for x in measured
        if x.candidate in best or not (x.kind == "baseline" or (x.kind == "pretrained" and x.parts))
    ]
    names = sorted(shown, key=lambda name: name not in strong)
    words = "Bands are 95% intervals; they cover which labels are drawn and what is tested."
    return tag(
        "section",
        tag("h2", f"{_capital(metric.name)} by number of labels", id="efficiency"),
        score_chart(results, title, names, strong),
        tag("p", words, class_="small"),
    )


def score_chart(
    results: Results, title: str, names: Sequence[str], strong: Collection[str]
) -> Markup:
    """Return the headline score by number of labels; with a single number, a dot per candidate.

    Args:
        names: the candidates in the order of the chart.
        strong: those that are emphasised.
    """
    metric, counts = results.metric, results.counts
    scores: dict[str, dict[int, Estimate]] = {name: {} for name in names}
    for labels in counts:
        for outcome in results.judged(labels):
            if outcome.candidate in scores:
                scores[outcome.candidate][labels] = outcome.scores[metric.name]
    if len(counts) == 1:
        dots = [
            Dot(
                name,
                scaled(metric, found.mean),
                scaled(metric, found.low),
                scaled(metric, found.high),
                within(metric, found),
                strong=name in strong,
            )
            for name in names
            for found in scores[name].values()
        ]
        return dot_chart(title, dots, x_label=f"{axis(metric)}, with 95% intervals")
    series = [
        Series(
            name,
            [(n, scaled(metric, found.mean)) for n, found in scores[name].items()],
            [(scaled(metric, s.low), scaled(metric, s.high)) for s in scores[name].values()],
            strong=name in strong,
        )
        for name in names
    ]
    return line_chart(
        title,
        series,
        x_label="labels (logarithmic)",
        y_label=axis(metric),
        x_ticks=[(n, f"all {n:,}" if name == "all" else f"{n:,}") for n, name in counts.items()],
        log_x=True,
    )


def finding(results: Results, gains: list[Gain]) -> str:
    """Return the finding of the chart in one line."""
    if not gains:
        return "The pre-trained encoder by itself: there is nothing to compare with"
    won = [gain for gain in gains if gain.sign > 0]
    most = max(won or gains, key=lambda gain: gain.difference.mean)
    few = len(results.counts) == 1
    if not won:
        lost = few and gains[0].sign < 0
        where = "Pre-training is" if few else "At no number of labels is pre-training"
        how = "worse" if lost else "not clearly better" if few else "clearly better"
        return f"{where} {how} than the best alternative"
    over = f"{change(results.metric, most.difference.mean)} over {most.best.candidate}"
    return (
        f"Pre-training helps: {over}"
        if few
        else f"Pre-training helps most with {most.name} labels: {over}"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
