"""Copies of one record with different labels: how many, which, and what follows for a score."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.groups import identities
from headstart.data.labels import or_regression
from headstart.data.store import stream

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.data.content import Content

#: Share of the labeled records from which the first line of a result says so.
MATTERS = 0.01
#: Examples that are kept, and that a sentence gives.
_KEPT, _NAMED = 100, 3
#: More different numbers than this are quantities and no names of classes.
QUANTITIES = 20


@dataclass(frozen=True)
class Contradictions:
    """Records that have a copy with another label.

    Attributes:
        records: number of them.
        labeled: number of labeled records.
        examples: (id of a record, its label, id of its first copy of another label, its label).
        noun: records in the plural.
    """

    records: int
    labeled: int
    examples: list[tuple[str, str, str, str]]
    noun: str

    @property
    def share(self) -> float:
        """Their share of the labeled records."""
        return self.records / max(1, self.labeled)

    def summary(self) -> dict[str, Any]:
        """Return plain values, for ``contradictions`` of an audit."""
        return {
            "records": self.records,
            "labeled": self.labeled,
            "examples": [list(each) for each in self.examples],
        }

    def caution(self) -> list[str]:
        """Return a clause for the first line of a result; [] where they are few."""
        if self.share < MATTERS:
            return []
        return [f"{self.share:.1%} of the labeled {self.noun} have a copy with another label"]

    def sentences(self) -> list[str]:
        """Return a sentence with examples; [] if there is no contradiction."""
        if not self.records:
            return []
        named = "; ".join(
            f"{one} is {label!r} and {other} {another!r}"
            for one, label, other, another in self.examples[:_NAMED]
        )
        return [
            f"{self.records:,} of {self.labeled:,} labeled {self.noun} ({self.share:.1%}) have a "
            f"copy with another label: {named}. Correct the labels, or leave such records out."
        ]


def contradictions(records: Dataset, content: Content) -> Contradictions:
    """Find the records that have a copy with another label.

    Records without a label do not count, and labels that are quantities contradict nothing.
    """
    labels = list(stream(records, "label")) if "label" in records.column_names else []
    known = np.array([index for index, label in enumerate(labels) if label is not None], np.int64)
    names = {labels[index] for index in known}
    if len(known) < 2 or (len(names) > QUANTITIES and or_regression(names)):
        return Contradictions(0, len(known), [], content.noun)
    records = records if len(known) == len(labels) else records.select(known)
    labels = [labels[index] for index in known]
    ids = records.select_columns(["id"])
    found = 0
    examples: list[tuple[str, str, str, str]] = []
    for copies in _contradicting(identities(records, content), labels):
        found += len(copies)
        first = copies[0]
        other = next(index for index in copies if labels[index] != labels[first])
        pair = (ids[first]["id"], labels[first], ids[other]["id"], labels[other])
        if len(examples) < _KEPT:
            examples.append(pair)
    return Contradictions(found, len(labels), examples, content.noun)


def contradictory(train: Dataset, test: Dataset | None, content: Content) -> Contradictions:
    """Find the contradictions among training and test records together."""
    if test is None:
        return contradictions(train, content)
    from datasets import concatenate_datasets

    columns = ["id", *content.columns, "label"]
    return contradictions(
        concatenate_datasets([part.select_columns(columns) for part in (train, test)]), content
    )


def ceiling(tested: Dataset, content: Content) -> float | None:
    """Return the highest possible accuracy on records whose copies contradict each other.

    Whatever sees a record alone gives its copies one answer, so that at best the most frequent
    label of each is right. Only copies whose stored content is the same in every byte count: of
    others, such as texts that differ in case, an encoder may see the difference. None for 1.
    """
    labels = list(stream(tested, "label"))
    wrong = 0
    columns = tested.select_columns(content.columns)
    for copies in _contradicting(identities(tested, content), labels):
        by_value: dict[str, Counter[str]] = defaultdict(Counter)
        for index in copies:
            by_value[repr(columns[index])][labels[index]] += 1
        wrong += sum(counts.total() - max(counts.values()) for counts in by_value.values())
    return 1 - wrong / len(labels) if wrong else None


def _contradicting(codes: np.ndarray, labels: list[str]) -> list[list[int]]:
    """Return the indices of the records of each code (N,) that has several labels, in order."""
    order = np.argsort(codes, kind="stable")
    ends = np.flatnonzero(np.diff(codes[order])) + 1
    several = [part.tolist() for part in np.split(order, ends) if len(part) > 1]
    return sorted(part for part in several if len({labels[index] for index in part}) > 1)
