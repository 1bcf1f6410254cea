"""Formatting of scores: in percent and points, or as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.evaluation.metrics import Estimate
from headstart.evaluation.verdict import points, score
from headstart.pages.markup import Markup, join, tag

if TYPE_CHECKING:
    from headstart.evaluation.outcomes import Metric, Outcome, Results


def scaled(metric: Metric, value: float) -> float:
    """Return the value in the unit of charts."""
    return 100 * value if metric.percent else value


def change(metric: Metric, value: float) -> str:
    """Format a difference with its sign and unit: ``+4.2 points``, or ``+0.042``."""
    return f"{points(value, metric)}{' points' if metric.percent else ''}"


def within(metric: Metric, estimate: Estimate) -> str:
    """Format an estimate with its interval: ``87.3% [86.1, 88.5]``."""
    low, high = (f"{scaled(metric, x):.{_digits(metric)}f}" for x in (estimate.low, estimate.high))
    return f"{score(estimate.mean, metric)} [{low}, {high}]"


def cell(metric: Metric, estimate: Estimate) -> Markup:
    """Return a table cell: the mean, with its interval in smaller type."""
    digits = _digits(metric)
    low, high = (f"{scaled(metric, x):.{digits}f}" for x in (estimate.low, estimate.high))
    edges = tag("span", f"{low}–{high}", class_="range")  # noqa: RUF001 (a range)
    return join(f"{scaled(metric, estimate.mean):.{digits}f} ", edges)


def axis(metric: Metric) -> str:
    """Return the name of a chart's axis."""
    return f"{metric.name} in %" if metric.percent else metric.name


def ours(results: Results) -> Outcome | None:
    """Return the outcome that the verdict is about with the most labels, if measured."""
    return results.ours(max(results.counts))


def _digits(metric: Metric) -> int:
    return 1 if metric.percent else 3
