"""The labels of an audit: which there are, how many records have each, and how many have none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headstart.data.contradictions import QUANTITIES
from headstart.data.labels import or_regression, spelling_notes
from headstart.data.store import stream
from headstart.data.survey import NAMED, in_words
from headstart.pages.tables import Table

if TYPE_CHECKING:
    from datasets import Dataset

#: What stands for records without a label in a table.
NONE = "(no label)"


@dataclass(frozen=True)
class LabelCounts:
    """How often each label occurs.

    Attributes:
        classes: records by label, the most frequent first.
        missing: records without a label.
        contradicting: records that have a copy with another label.
    """

    classes: dict[str, int]
    missing: int
    contradicting: int

    def summary(self) -> dict[str, Any]:
        """Return plain values, for ``labels`` of an audit."""
        return {"classes": self.classes, "missing": self.missing}

    def table(self) -> Table:
        """Return the most frequent labels with their shares, and what is doubtful in a note."""
        rarest = list(self.classes)[NAMED:][-1:]
        rest = f"; the rarest, {rarest[0]!r}, has {self.classes[rarest[0]]:,}" if rarest else ""
        notes = [f"{len(self.classes):,} different labels{rest}."]
        if self.missing:
            notes.append(f"{self.missing:,} records have no label.")
        if self.are_quantities():
            notes.append("They are many different numbers, so they may be quantities.")
        else:
            told = f"{self.contradicting:,} records have" if self.contradicting else "No record has"
            notes.append(f"{told} a copy with another label.")
        total = sum(self.classes.values()) + self.missing
        shown = list(self.classes.items())[:NAMED]
        shown += [(NONE, self.missing)] if self.missing else []
        rows = [[name, f"{count:,}", in_words(count / total)] for name, count in shown]
        return Table("Labels", rows, ["", "records", "share"], " ".join(notes))

    def are_quantities(self) -> bool:
        """Return whether the labels are so many numbers that they hardly name classes."""
        return len(self.classes) > QUANTITIES and bool(or_regression(self.classes))


def label_counts(
    records: Dataset, contradicting: int, where: str, notes: list[str]
) -> LabelCounts | None:
    """Count the labels of records; None where none has one.

    Args:
        contradicting: number of records that have a copy with another label.
        where: the sources, for messages.
        notes: extended by a sentence on labels of two spellings.
    """
    if "label" not in records.column_names:
        return None
    labels = Counter(label for label in stream(records, "label") if label is not None)
    if not labels:
        return None
    missing = len(records) - labels.total()
    found = LabelCounts(dict(labels.most_common()), missing, contradicting)
    if not found.are_quantities():
        notes += spelling_notes(found.classes, where)
    return found
