"""A comparison as one offline page: the answer, the curves, the table, every difference."""

from __future__ import annotations

from headstart.evaluation.comparison import COSTS, Comparison, column
from headstart.evaluation.report.efficiency import score_chart
from headstart.evaluation.report.figures import cell, change
from headstart.evaluation.report.reproduce import section as reproduce
from headstart.evaluation.verdict import points
from headstart.pages.markup import Markup, join, listed, table, tag
from headstart.pages.page import page


def compare_page(comparison: Comparison) -> str:
    """Return the whole document, which works offline."""
    header = tag(
        "header",
        tag("p", "Which of these runs is best?", class_="question"),
        tag("h1", tag("strong", comparison.answer)),
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


def _chart(comparison: Comparison) -> Markup:
    results = comparison.results
    most = list(results.counts)[-1]
    leaders = comparison.leaders(most)
    names = [outcome.candidate for outcome in comparison.ranked(most)]
    chart = score_chart(results, _finding(comparison, leaders), names, leaders)
    name = results.metric.name
    head = tag("h2", f"{name[:1].upper()}{name[1:]} of each run", id="efficiency")
    if len(results.counts) == 1:
        return tag("section", head, chart)
    words = (
        "Bands are 95% intervals of each run by itself; runs share draws and tested records, so "
        "that their differences, below, are surer than the bands suggest."
    )
    return tag("section", head, chart, tag("p", words, class_="small"))


def _finding(comparison: Comparison, leaders: list[str]) -> str:
    most = list(comparison.results.counts)[-1]
    where = f" with {most:,} labels" if most else ""
    if len(leaders) > 1:
        return f"{listed(leaders)} cannot be told apart{where}"
    second = comparison.ranked(most)[1].candidate
    pair = next(x for x in comparison.pairs if x.labels == most and x.other == second)
    gain = change(comparison.results.metric, pair.change.estimate.mean)
    return f"{leaders[0]} is best{where}: {gain} over {second}"


def _table(comparison: Comparison) -> Markup:
    results = comparison.results
    rows = []
    for name in (outcome.candidate for outcome in comparison.ranked(list(results.counts)[-1])):
        cells: list[str] = [name]
        for labels, score in comparison.scores(name).items():
            found = cell(results.metric, score)
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


def _differences(comparison: Comparison) -> Markup:
    results = comparison.results
    groups: dict[str, list[list[str]]] = {}
    unit = " in points" if results.metric.percent else ""
    for pair in comparison.pairs:
        estimate = pair.change.estimate
        gain, low, high = (
            points(x, results.metric) for x in (estimate.mean, estimate.low, estimate.high)
        )
        difference = join(f"{gain} ", tag("span", f"[{low}, {high}]", class_="range"))
        verdict = tag("strong", "clear") if pair.clear else "not clear"
        p_value = "below 0.001" if pair.p_value < 0.001 else f"{pair.p_value:.3f}"
        row = [f"{pair.one} over {pair.other}", difference, p_value, verdict]
        groups.setdefault(column(pair.labels, results.counts[pair.labels]), []).append(row)
    several = len(comparison.pairs) > 1
    adjusted = f" p is adjusted for all {len(comparison.pairs)} comparisons (Holm 1979)."
    words = (
        f"Differences are paired over draws of labels and test {results.unit}; each interval is "
        f"one of 95%.{adjusted if several else ''} A difference is called clear where p is 0.05 or "
        f"less. Labels were drawn {results.seeds} times at each number, the same for all runs; the "
        f"test is on {len(results.truth):,} {results.unit}."
    )
    return tag(
        "section",
        tag("h2", "Every difference", id="differences"),
        table(["", f"Difference{unit}", "p", ""], groups),
        tag("p", words, class_="small"),
    )


def _costs(comparison: Comparison) -> Markup:
    names = list(dict.fromkeys(name for cost in comparison.costs.values() for name in cost))
    rows = [
        [run, comparison.folders[run], *(cost.get(name, "") for name in names)]
        for run, cost in comparison.costs.items()
    ]
    head = ["Run", "Folder", *(name.capitalize() for name in names)]
    return tag("section", tag("h2", "What they cost", id="cost"), table(head, {"": rows}))
