"""The page of a look at new data: the answer, the course of the windows, and what has moved."""

from __future__ import annotations

import math

from headstart.deployment.monitoring.measures import ABOUT
from headstart.deployment.monitoring.monitor import Findings
from headstart.pages.cards import card
from headstart.pages.charts import Series, line_chart
from headstart.pages.markup import Markup, table, tag
from headstart.pages.page import page
from headstart.pages.sections import method, section, small
from headstart.pages.top import tile, top

#: The smallest p-value that a chart shows, as its power of ten.
_DEEPEST = 5.0


def drift_page(answer: str, findings: Findings) -> str:
    """Return the whole document, which works offline."""
    looked = [window for window in findings.windows if window.p_values]
    tone = "loss" if findings.alarms else "gain" if looked else "level"
    tiles = [
        tile("Baseline", f"{findings.baseline:,}", findings.noun),
        tile("New", f"{sum(each.records for each in looked):,}", findings.noun),
        tile("Windows", f"{len(looked):,}", f"of a watch of {findings.planned:,}"),
        tile("Alarms", f"{len(findings.alarms):,}", f"p at most {findings.level:.2g}"),
    ]
    header = top(
        "Is the data still what this run was made for?", [answer], tone, tiles, (), findings.notes
    )
    sections = [_course(findings), _alarms(findings), *_moved(findings), _foreign(findings)]
    about = {
        "test of features": "maximum mean discrepancy of the encoder's vectors, Gaussian kernel of "
        "the median distance; p by permutations",
        "other tests": "chi-squared of classes and of failing rules, difference of the mean share "
        "of unseen tokens; p by permutations",
        "level": f"{findings.level:.2g} for each of all tests of a watch of {findings.planned:,} "
        "windows, those of runs of 2, 4, 8, ... windows included (Bonferroni), so that a whole "
        "watch raises a false alarm with a chance of 5% at most",
        "what it takes for granted": "without a drift, new records are drawn as those of the "
        "baseline were; a baseline of one season calls every other season a drift",
    }
    parts = [part for part in [*sections, method(about)] if part]
    return page(header, parts, title="headstart: has the data moved?", script=False)


def _course(findings: Findings) -> Markup:
    looked = [window for window in findings.windows if window.p_values]
    if len(looked) < 2:
        return Markup("")
    series = [
        Series(
            kind,
            [
                (float(index), min(_DEEPEST, -math.log10(window.p_values[kind])))
                for index, window in enumerate(looked)
            ],
            strong=kind == "features",
        )
        for kind in findings.kinds
    ]
    bound = min(_DEEPEST, -math.log10(findings.level))
    last = float(len(looked) - 1)
    series.append(Series("alarm", [(0.0, bound), (last, bound)]))
    step = max(1, len(looked) // 6)
    marks = [(float(index), looked[index].name) for index in range(0, len(looked), step)]
    chart = line_chart(
        "How surprising each window is by itself",
        series,
        x_label="window",
        y_label="-log10 p",
        x_ticks=marks,
    )
    rows = [
        [window.name, f"{window.records:,}", *(_p(window.p_values.get(k)) for k in findings.kinds)]
        for window in findings.windows
    ]
    head = ["Window", "Records", *(f"p of {kind}" for kind in findings.kinds)]
    every = tag("details", tag("summary", "All windows"), table(head, {"": rows}))
    return section("The course", "course", chart, every)


def _alarms(findings: Findings) -> Markup:
    if not findings.alarms:
        rows = [
            [kind, _p(window.p_values.get(kind)), ABOUT[kind]]
            for window in findings.windows[-1:]
            for kind in findings.kinds
        ]
        words = small("p-values of the last window; below the level of the watch is an alarm.")
        return section("What was looked at", "figures", table(["", "p", ""], {"": rows}), words)
    rows = [
        [
            alarm.last if alarm.windows == 1 else f"{alarm.first} to {alarm.last}",
            alarm.kind,
            _p(alarm.p_value),
            ABOUT[alarm.kind],
        ]
        for alarm in findings.alarms
    ]
    head = ["When", "What", "p", "That is"]
    if not any(row[0] for row in rows):  # of one window, which has no time
        head, rows = head[1:], [row[1:] for row in rows]
    return section("Alarms", "figures", table(head, {"": rows}))


def _moved(findings: Findings) -> list[Markup]:
    parts = []
    for kind, shifts in findings.moved.items():
        rows = [
            [each.name, f"{each.before:.2%}", f"{each.after:.2%}", f"{each.score:+.1f}"]
            for each in shifts
        ]
        if rows:
            head = ["", "Share of the baseline", "Now", "Standard errors"]
            parts += [tag("h3", kind.capitalize()), table(head, {"": rows})]
    if not parts:
        return []
    words = small("The surest changes in the windows of the alarms. They explain; none is a test.")
    return [section("What has moved", "differences", *parts, words)]


def _foreign(findings: Findings) -> Markup:
    if not findings.foreign:
        return Markup("")
    words = (
        f"Left the new {findings.noun} that speak most for a difference (the witness function of "
        "the discrepancy), beside each the nearest of the baseline."
    )
    rows = [
        tag(
            "div",
            tag("ul", card(each.preview, each.id), class_="query"),
            tag("ol", card(each.near, f"{each.near_id}, of the baseline"), class_="row"),
            class_="neighbours",
        )
        for each in findings.foreign
    ]
    return section("The most foreign records", "examples", small(words), *rows)


def _p(value: float | None) -> str:
    if value is None:
        return "too few"
    return "less than 0.0001" if value < 0.0001 else f"{value:.4f}"
