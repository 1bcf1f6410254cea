"""What sequences are like: lengths, the catalogue, and what distorts them. Imports no torch."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.content import Effort
from headstart.data.store import stream
from headstart.data.survey import NAMED, in_words, quantiles
from headstart.modalities.interactions.item_reading import table_of
from headstart.modalities.interactions.item_table import ItemTable, note_table
from headstart.modalities.interactions.lists import lists_of
from headstart.pages.tables import Table

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.audit import Audit

#: So many times the median length, and at least so many events, look like a program; and so do more
#: events in a minute.
_TIMES, _EVENTS, _A_MINUTE = 50, 500, 40
#: Times from here on are seconds since 1970, of other clocks the unit is not known.
_DATES = 1.5e8
#: Share of events that come back to an item from which the lists that leave it out are doubtful.
_BACK = 0.1
#: Users that are named in a note.
_SHOWN = 3


def survey(records: Dataset, audit: Audit, effort: Effort) -> None:
    """Note how long the sequences are, how many items there are, and which users are no people."""
    lengths = np.zeros(len(records), dtype=np.int64)
    counts: Counter[str] = Counter()
    names: list[str] = []
    median = 0.0
    again = 0
    for index, items in enumerate(stream(records, "items")):
        lengths[index] = len(items)
        counts.update(items)
        again += len(items) - len(set(items))
    if len(lengths):
        median = float(np.median(lengths))
        bound = max(_EVENTS, _TIMES * median)
        names = [records[int(index)]["id"] for index in np.flatnonzero(lengths > bound)]
    facts = audit.findings.setdefault("facts", {})
    facts["events in all"] = f"{int(lengths.sum()):,}"
    facts["items"] = f"{len(counts):,}"
    if span := _span(records):
        facts["from, to"] = span
    if counts:
        once = sum(1 for count in counts.values() if count == 1)
        facts["items with one event"] = f"{once:,} ({once / len(counts):.1%})"
        facts["users with one event"] = f"{int((lengths < 2).sum()):,} ({(lengths < 2).mean():.1%})"
        facts["events of the commonest tenth of items"] = f"{_share_of_top(counts):.1%}"
        back = again / lengths.sum()
        facts["events of an item that the user had before"] = f"{again:,} ({back:.1%})"
        if back >= _BACK and effort.options.seen == "remove":
            audit.notes.append(
                f"{back:.1%} of the events come back to an item that the user had before; lists "
                "leave such items out: pre-train with interactions.seen=keep to recommend them."
            )
    audit.findings["lengths"] = {"unit": "events", "quantiles": quantiles(lengths)}
    table = table_of(effort.options)
    if counts:
        audit.findings["tables"] = [
            *audit.findings.get("tables", []),
            _commonest(counts, table).plain(),
        ]
    if table is not None:
        note_table(table, counts, effort.options.item_table, audit)
    fast = _fast(records)
    if fast:
        audit.notes.append(
            f"{_listed(fast)}: more than {_A_MINUTE} events within a minute; such a user may be a "
            "program, or the events were written together."
        )
    if names:
        audit.notes.append(
            f"{_listed(names)}: more than {int(bound):,} events, {_TIMES} times the median and "
            "more; such a user may be a program or a shared account."
        )


def _listed(names: list[str]) -> str:
    """Return the first users, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _span(records: Dataset) -> str:
    """Return the days of the first and the last event; empty where these are no dates."""
    if "times" not in records.column_names or records.data.column("times").null_count:
        return ""
    when = np.asarray(lists_of(records, "times").values)
    if not len(when) or np.median(when) < _DATES:
        return ""
    first, last = np.array([when.min(), when.max()]).astype("datetime64[s]").astype("datetime64[D]")
    return f"{first}, {last}"


def _fast(records: Dataset) -> list[str]:
    """Return the users with more events within a minute than anybody can choose."""
    if "times" not in records.column_names or records.data.column("times").null_count:
        return []
    times = lists_of(records, "times")
    when = np.asarray(times.values)
    if not len(when) or np.median(when) < _DATES:
        return []
    apart = when[_A_MINUTE:] - when[:-_A_MINUTE] < 60
    owner = np.repeat(np.arange(len(records)), times.lengths)
    quick = apart & (owner[_A_MINUTE:] == owner[:-_A_MINUTE])
    return [records[int(row)]["id"] for row in np.unique(owner[_A_MINUTE:][quick])]


def _commonest(counts: Counter[str], table: ItemTable | None) -> Table:
    total, known = counts.total(), table or ItemTable([])
    rows = [
        [known.shown(name), f"{n:,}", in_words(n / total)] for name, n in counts.most_common(NAMED)
    ]
    return Table("Commonest items", rows, ["", "events", "share of all"])


def _share_of_top(counts: Counter[str]) -> float:
    ordered = np.sort(np.fromiter(counts.values(), np.int64))[::-1]
    return float(ordered[: max(1, len(ordered) // 10)].sum() / ordered.sum())
