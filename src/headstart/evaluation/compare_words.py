"""A comparison in words: the answer in a sentence, and a table for the console."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headstart.evaluation.report.figures import within
from headstart.evaluation.verdict import label_name

if TYPE_CHECKING:
    from headstart.evaluation.compared_runs import ComparedRuns

#: Costs of a run in the table, where known.
COSTS = ("minutes", "parameters", "records")


def answer(comparison: ComparedRuns) -> str:
    """Return which run is best, and at which numbers of labels; ties are named together."""
    counts = comparison.results.counts
    groups: dict[tuple[str, ...], list[int]] = {}
    for labels in counts:
        groups.setdefault(tuple(comparison.leaders(labels)), []).append(labels)
    clauses = []
    for names, where in groups.items():
        at = _where(where, counts)
        if len(names) == 1:
            clauses.append(f"{names[0]} is best{at}")
        else:
            at = at.replace(" at every", " at any")
            clauses.append(f"{listed(list(names))} cannot be told apart{at}")
    # Clear winners first, then ties.
    clauses.sort(key=lambda clause: "cannot be told apart" in clause)
    behind = [name for name in comparison.folders if not any(name in names for names in groups)]
    if behind and any(len(names) > 1 for names in groups):
        clauses.append(f"{listed(behind)} {'is' if len(behind) == 1 else 'are'} clearly behind")
    return "; ".join(clauses) + "."


def _where(found: list[int], counts: dict[int, str]) -> str:
    """Return ``from 100 labels on``, ``with 10 and 100 labels``, or nothing for everywhere."""
    every = list(counts)
    if every == [0]:
        return ""
    if len(found) == len(every) > 1:
        return " at every number of labels"
    if len(found) > 1 and found == every[-len(found) :]:
        return f" from {label_name(found[0], counts[found[0]])} labels on"
    return f" with {listed([label_name(labels, counts[labels]) for labels in found])} labels"


def column(labels: int, name: str) -> str:
    """Return the column heading for a number of labels."""
    return f"{label_name(labels, name)} labels" if labels else "score"


def console_table(comparison: ComparedRuns) -> str:
    """Return a table with a row per run; runs not clearly below the best are marked with a star."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    results = comparison.results
    costs = [name for name in COSTS if any(name in cost for cost in comparison.costs.values())]
    table = Table(box=SIMPLE_HEAD)
    table.add_column("run", overflow="fold")
    for labels, name in results.counts.items():
        table.add_column(column(labels, name), justify="right")
    for name in costs:
        table.add_column(name, justify="right")
    most = list(results.counts)[-1]
    for first in comparison.ranked(most):
        name = first.candidate
        cells = []
        for labels in results.counts:
            outcome = next(x for x in results.judged(labels) if x.candidate == name)
            star = " *" if name in comparison.leaders(labels) else "  "
            cells.append(within(results.metric, outcome.scores[results.metric.name]) + star)
        cost = comparison.costs[name]
        table.add_row(name, *cells, *(cost.get(what, "") for what in costs))
    text = io.StringIO()
    width = 24 + 26 * len(results.counts) + 13 * len(costs)
    Console(file=text, width=max(80, width), color_system=None).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
    key = f"{results.metric.name} [95% interval]; * = best, or not clearly below the best"
    return "\n".join([*lines, key])


def listed(parts: list[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
