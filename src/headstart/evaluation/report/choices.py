"""What the head ``auto`` chose at each number of labels, and what its candidates had."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.evaluation.report.scores import group
from headstart.pages.markup import Markup, table, tag

if TYPE_CHECKING:
    from headstart.evaluation.heads.chosen import Selection
    from headstart.evaluation.outcomes import Results

#: Candidates that are shown with their losses.
_SHOWN = 4


def section(results: Results) -> Markup:
    """Return a table of the choices; nothing where none was made."""
    groups = {
        group(labels, name): [
            [each.candidate, *_cells(each.selections)]
            for each in results.outcomes
            if each.labels == labels and each.selections
        ]
        for labels, name in results.counts.items()
    }
    groups = {name: rows for name, rows in groups.items() if rows}
    if not groups:
        return Markup("")
    clauses = {
        clause
        for outcome in results.outcomes
        for selection in outcome.selections
        for clause in selection.left_out
    }
    left_out = [tag("p", f"Not tried: {'; '.join(sorted(clauses))}.")] if clauses else []
    return tag(
        "section",
        tag("h2", "What the labels were turned into", id="choices"),
        tag(
            "p",
            "The head auto takes what has the lowest log loss on labels held out inside the drawn "
            "ones, a mean over the draws; with one label a class it follows a rule.",
            class_="small",
        ),
        table(["", "Chosen (draws)", "Log loss, share right"], groups),
        *left_out,
    )


def summary(selections: Sequence[Selection]) -> list[dict[str, Any]]:
    """Return how often each candidate was chosen, and its means over the draws."""
    chosen = Counter(each.name for each in selections)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for selection in selections:
        for name, loss, accuracy in selection.trials:
            found[name].append((loss, accuracy))
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "chosen": chosen[name],
            "log_loss": round(float(np.mean([loss for loss, _ in of])), 4),
            "accuracy": round(float(np.mean([right for _, right in of])), 4),
        }
        for name, of in found.items()
    ]
    rows += [{"name": name, "chosen": times} for name, times in chosen.items() if name not in found]
    return sorted(rows, key=lambda row: row.get("log_loss", 0.0))


def _cells(selections: Sequence[Selection]) -> list[str]:
    rows = summary(selections)
    taken = sorted((row for row in rows if row["chosen"]), key=lambda row: -row["chosen"])
    tried = [
        f"{row['name']} {row['log_loss']:.2f}, {row['accuracy']:.0%}"
        for row in rows
        if "log_loss" in row
    ]
    names = "; ".join(f"{row['name']} ({row['chosen']})" for row in taken)
    return [names, "; ".join(tried[:_SHOWN]) or selections[0].reason]
