"""A comparison as one offline page: the answer, the curves, the table, every difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation.compare_words import COSTS, answer, column, listed
from headstart.evaluation.report.figures import axis, cell, change, scaled, within
from headstart.evaluation.report.reproduce import section as reproduce
from headstart.evaluation.verdict import points
from headstart.pages.charts import Series, line_chart
from headstart.pages.dots import Dot, dot_chart
from headstart.pages.markup import Markup, join, table, tag
from headstart.pages.page import page

if TYPE_CHECKING:
    from headstart.evaluation.compared_runs import ComparedRuns


def compare_page(comparison: ComparedRuns) -> str:
    """Return the whole document, which works offline."""
    header = tag(
        "header",
        tag("p", "Which of these runs is best?", class_="question"),
        tag("h1", tag("strong", answer(comparison))),
        *(tag("p", note, class_="note") for note in comparison.notes),
    )
    sections = [
        _chart(comparison),
        _table(comparison),
        _differences(comparison),
        _costs(comparison),
        reproduce(comparison.command, comparison.versions),
    ]
    return page(header, sections, title="headstart: which run is best?")


def _chart(comparison: ComparedRuns) -> Markup:
    results = comparison.results
    metric, counts = results.metric, results.counts
    most = list(counts)[-1]
    leaders = comparison.leaders(most)
    names = [outcome.candidate for outcome in comparison.ranked(most)]
    title = _finding(comparison, leaders)
    head = tag("h2", f"{metric.name[:1].upper()}{metric.name[1:]} of each run", id="efficiency")
    scores = {(x.candidate, n): x.scores[metric.name] for n in counts for x in results.judged(n)}
    if len(counts) == 1:
        dots = [
            Dot(
                name,
                scaled(metric, found.mean),
                scaled(metric, found.low),
                scaled(metric, found.high),
                within(metric, found),
                strong=name in leaders,
            )
            for name in names
            for found in [scores[name, most]]
        ]
        label = f"{axis(metric)}, with 95% intervals"
        return tag("section", head, dot_chart(title, dots, x_label=label))
    series = [
        Series(
            name,
            [(n, scaled(metric, scores[name, n].mean)) for n in counts],
            [
                (scaled(metric, scores[name, n].low), scaled(metric, scores[name, n].high))
                for n in counts
            ],
            strong=name in leaders,
        )
        for name in names
    ]
    drawn = line_chart(
        title,
        series,
        x_label="labels (logarithmic)",
        y_label=axis(metric),
        x_ticks=[(n, f"all {n:,}" if name == "all" else f"{n:,}") for n, name in counts.items()],
        log_x=True,
    )
    words = (
        "Bands are 95% intervals of each run by itself; runs share draws and tested records, so "
        "that their differences, below, are surer than the bands suggest."
    )
    return tag("section", head, drawn, tag("p", words, class_="small"))


def _finding(comparison: ComparedRuns, leaders: list[str]) -> str:
    most = list(comparison.results.counts)[-1]
    where = f" with {most:,} labels" if most else ""
    if len(leaders) > 1:
        return f"{listed(leaders)} cannot be told apart{where}"
    second = comparison.ranked(most)[1].candidate
    pair = next(x for x in comparison.pairs if x.labels == most and x.other == second)
    gain = change(comparison.results.metric, pair.estimate.mean)
    return f"{leaders[0]} is best{where}: {gain} over {second}"


def _table(comparison: ComparedRuns) -> Markup:
    results = comparison.results
    rows = []
    for first in comparison.ranked(list(results.counts)[-1]):
        name = first.candidate
        cells: list[str] = [name]
        for labels in results.counts:
            outcome = next(x for x in results.judged(labels) if x.candidate == name)
            found = cell(results.metric, outcome.scores[results.metric.name])
            cells.append(tag("strong", found) if name in comparison.leaders(labels) else found)
        cost = comparison.costs[name]
        rows.append([*cells, *(cost.get(what, "") for what in COSTS)])
    head = [
        "Run",
        *(column(labels, name) for labels, name in results.counts.items()),
        *(name.capitalize() for name in COSTS),
    ]
    words = (
        f"{results.metric.name.capitalize()}{' in %' if results.metric.percent else ''}; bold: the "
        "best at that number of labels, and all that it is not clearly above."
    )
    return tag(
        "section",
        tag("h2", "All figures", id="figures"),
        table(head, {"": rows}),
        tag("p", words, class_="small"),
    )


def _differences(comparison: ComparedRuns) -> Markup:
    results = comparison.results
    groups: dict[str, list[list[str]]] = {}
    unit = " in points" if results.metric.percent else ""
    for pair in comparison.pairs:
        estimate = pair.estimate
        gain, low, high = (
            points(x, results.metric) for x in (estimate.mean, estimate.low, estimate.high)
        )
        difference = join(f"{gain} ", tag("span", f"[{low}, {high}]", class_="range"))
        verdict = tag("strong", "clear") if pair.clear else "not clear"
        p_value = "below 0.001" if pair.p_value < 0.001 else f"{pair.p_value:.3f}"
        row = [f"{pair.one} over {pair.other}", difference, p_value, verdict]
        groups.setdefault(column(pair.labels, results.counts[pair.labels]), []).append(row)
    words = (
        "Differences are paired over draws of labels and tested records; each interval is one of "
        f"95%. p is adjusted for all {len(comparison.pairs)} comparisons (Holm 1979), and a "
        "difference is called clear where it is 0.05 or less. "
        f"Labels were drawn {results.seeds} times at each number, the same for all runs; tested "
        f"were {len(results.truth):,} {results.unit}."
    )
    return tag(
        "section",
        tag("h2", "Every difference", id="differences"),
        table(["", f"Difference{unit}", "p", ""], groups),
        tag("p", words, class_="small"),
    )


def _costs(comparison: ComparedRuns) -> Markup:
    names = list(dict.fromkeys(name for cost in comparison.costs.values() for name in cost))
    rows = [
        [run, comparison.folders[run], *(cost.get(name, "") for name in names)]
        for run, cost in comparison.costs.items()
    ]
    head = ["Run", "Folder", *(name.capitalize() for name in names)]
    return tag("section", tag("h2", "What they cost", id="cost"), table(head, {"": rows}))
