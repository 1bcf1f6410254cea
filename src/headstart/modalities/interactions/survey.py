"""What sequences are like: lengths, the catalogue, and what distorts them. Imports no torch."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.content import Effort
from headstart.data.store import stream
from headstart.data.survey import NAMED, in_words, quantiles
from headstart.modalities.interactions.item_table import ItemTable, note_table, table_of
from headstart.pages.tables import Table

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit

#: So many times the median length, and at least so many events, look like a program.
_TIMES, _EVENTS = 50, 500


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Note how long the sequences are, how many items there are, and which users are no people."""
    lengths = np.zeros(len(records), dtype=np.int64)
    counts: Counter[str] = Counter()
    names: list[str] = []
    median = 0.0
    for index, items in enumerate(stream(records, "items")):
        lengths[index] = len(items)
        counts.update(items)
    if len(lengths):
        median = float(np.median(lengths))
        bound = max(_EVENTS, _TIMES * median)
        names = [records[int(index)]["id"] for index in np.flatnonzero(lengths > bound)[:3]]
    facts = audit.findings.setdefault("facts", {})
    facts["events in all"] = f"{int(lengths.sum()):,}"
    facts["items"] = f"{len(counts):,}"
    if counts:
        once = sum(1 for count in counts.values() if count == 1)
        facts["items with one event"] = f"{once:,} ({once / len(counts):.1%})"
        facts["users with one event"] = f"{int((lengths < 2).sum()):,} ({(lengths < 2).mean():.1%})"
        facts["events of the commonest tenth of items"] = f"{_share_of_top(counts):.1%}"
    audit.findings["lengths"] = {"unit": "events", "quantiles": quantiles(lengths)}
    table = table_of(effort.options)
    if counts:
        audit.findings["tables"] = [
            *audit.findings.get("tables", []),
            _commonest(counts, table).plain(),
        ]
    if table is not None:
        note_table(table, counts, effort.options.item_table, audit)
    if names:
        audit.notes.append(
            f"{', '.join(names)}: more than {int(bound):,} events, {_TIMES} times the median and "
            "more; such a user may be a program or a shared account."
        )


def _commonest(counts: Counter[str], table: ItemTable | None) -> Table:
    total, known = counts.total(), table or ItemTable([])
    rows = [
        [known.shown(name), f"{n:,}", in_words(n / total)] for name, n in counts.most_common(NAMED)
    ]
    return Table("Commonest items", rows, ["", "events", "share of all"])


def _share_of_top(counts: Counter[str]) -> float:
    ordered = np.sort(np.fromiter(counts.values(), np.int64))[::-1]
    return float(ordered[: max(1, len(ordered) // 10)].sum() / ordered.sum())
