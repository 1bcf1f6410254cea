"""Robustness of the candidates: scores on corrupted records and on another domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.evaluation.report.figures import cell, change
from headstart.evaluation.verdict import score
from headstart.pages.markup import Markup, cut, table, tag

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Metric, Results, Shift

_LETTERS = 60


def section(results: Results) -> Markup:
    """Return tables of scores by shift and severity, with those of the original records."""
    shifts = list(results.shifts)
    if not shifts:
        return Markup("")
    metric = results.metric
    first = shifts[0]
    labels = f"Probes learned from {first.labels:,} labels. " if first.labels else ""
    tested = {shift.shift: shift.tested for shift in shifts if not shift.severity}
    elsewhere = "".join(f", {count:,} of {cut(name, _LETTERS)}" for name, count in tested.items())
    if first.severity:
        elsewhere = f", {first.tested:,} of those as they are and corrupted" + elsewhere
    words = (
        f"{labels}Tested {results.unit}: {elsewhere[2:]}. Severity 1 is light and 3 is heavy. "
        f"{metric.name[:1].upper()}{metric.name[1:]}{' in %' if metric.percent else ''}, with 95% "
        "intervals."
    )
    names = list(dict.fromkeys(shift.shift for shift in shifts))
    corrupted = [name for name in names if any(s.severity for s in shifts if s.shift == name)]
    domains = [name for name in names if name not in corrupted]
    parts = [tag("p", tag("strong", finding(metric, shifts))), tag("p", words, class_="small")]
    for listed in (corrupted, domains):
        if listed:
            parts.append(
                _table(metric, [s for s in shifts if s.shift in listed], bool(domains is listed))
            )
    return tag("section", tag("h2", "Robustness", id="robustness"), *parts)


def finding(metric: Metric, shifts: Sequence[Shift]) -> str:
    """Return the shift that hurts the pre-trained encoder most, compared with the alternatives."""
    ours = [shift for shift in shifts if shift.kind == "pretrained"]
    if not ours:
        return "What the shifts do to each candidate"
    name = max(ours, key=lambda shift: shift.clean.mean).candidate
    ours = [shift for shift in ours if shift.candidate == name]
    worst = max(ours, key=lambda shift: shift.drop.mean)
    if worst.drop.low <= 0:
        return "No shift that was tried clearly lowers the score of the pre-trained encoder"
    severity = f" of severity {worst.severity}" if worst.severity else ""
    candidates = [
        shift
        for shift in shifts
        if shift.kind not in ("pretrained", "repeated")
        and (shift.shift, shift.severity) == (worst.shift, worst.severity)
    ]
    lead = ""
    if candidates:
        best = max(candidates, key=lambda shift: shift.score.mean)
        word = "still ahead of" if worst.score.mean > best.score.mean else "behind"
        lead = f", {word} {best.candidate} ({score(best.score.mean, metric)})"
    return (
        f"{cut(worst.shift, _LETTERS)}{severity} hurts most: {change(metric, -worst.drop.mean)}, "
        f"to {score(worst.score.mean, metric)}{lead}"
    )


def _table(metric: Metric, shifts: Sequence[Shift], domain: bool) -> Markup:
    severities = sorted({shift.severity for shift in shifts})
    head = [
        "",
        "As they are",
        *("There" if domain else f"Severity {n}" for n in severities),
        "Loss",
    ]
    groups: dict[str, list[list[str]]] = {}
    for name in dict.fromkeys(shift.shift for shift in shifts):
        of_name = [shift for shift in shifts if shift.shift == name]
        rows = []
        for candidate in dict.fromkeys(shift.candidate for shift in of_name):
            found = {s.severity: s for s in of_name if s.candidate == candidate}
            last = found[max(found)]
            mark = tag("strong", candidate) if last.kind == "pretrained" else candidate
            cells = [cell(metric, found[n].score) if n in found else "" for n in severities]
            rows.append([mark, cell(metric, last.clean), *cells, cell(metric, last.drop)])
        groups[cut(name, _LETTERS)] = rows
    return table(head, groups)
