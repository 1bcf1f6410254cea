"""Test records that also occur in the pre-training data: counts, and pairs of ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.content import Content

if TYPE_CHECKING:
    from datasets import Dataset

#: Share of the test records that were seen before from which the first line of a result says so.
LEAK = 0.01
#: Most pairs that are listed; all are counted.
EXAMPLES = 1000


@dataclass(frozen=True)
class Overlap:
    """The overlap of pre-training data and test data.

    Attributes:
        tested: number of test records.
        exact: number of them with an exact duplicate in the pre-training data.
        near: number of others with a near duplicate.
        examples: (id of a test record, id of the pre-training record), each test record once.
        indices: sorted indices (m,) of all pre-training records that match a test record.
        noun: records in the plural.
        notes: sentences on what was not searched.
    """

    tested: int
    exact: int
    near: int
    examples: list[tuple[str, str]]
    indices: np.ndarray
    noun: str
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return plain values, for ``overlap`` of an audit."""
        return {
            "tested": self.tested,
            "exact": self.exact,
            "near": self.near,
            "pretraining": len(self.indices),
            "examples": [list(pair) for pair in self.examples],
        }

    @property
    def share(self) -> float:
        """The share of the test records with an exact or near duplicate."""
        return (self.exact + self.near) / max(1, self.tested)

    def counted(self, where: str) -> str:
        """Return how many test records have duplicates; near ones need not be the same thing.

        Args:
            where: ``in the pre-training data``, for example.
        """
        of_all = f" of {self.tested:,} test {self.noun}"
        occur, are = "occurs" if self.exact == 1 else "occur", "is" if self.near == 1 else "are"
        if not self.near:
            return f"{self.exact:,}{of_all} also {occur} {where}"
        if not self.exact:
            return f"{self.near:,}{of_all} {are} nearly like one {where}"
        return (
            f"{self.exact:,}{of_all} also {occur} {where} and {self.near:,} more {are} nearly like "
            "one there"
        )

    def sentences(self) -> list[str]:
        """Return warnings and notes; none where no overlap was found."""
        if not self.exact + self.near:
            return list(self.notes)
        one, other = self.examples[0]
        return [
            f"{self.counted('in the pre-training data')}, without their labels ({one} is {other}, "
            "for example); `--remove-overlap` of pretrain leaves them out.",
            *self.notes,
        ]


def leaked(found: Mapping[str, Overlap], tested: str = "test") -> list[str]:
    """Return a clause for the first line of a result; [] where few were seen before.

    Args:
        found: overlaps of the same tested records, by ``in the pre-training data``, for example.
        tested: what the tested records are called.
    """
    many = [(where, each) for where, each in found.items() if each.share >= LEAK]
    if not many:
        return []
    clauses = [f"{each.share:.1%} {where}" for where, each in many]
    clauses[0] = clauses[0].replace(" ", f" of the {tested} {many[0][1].noun} occur ", 1)
    return [f"{' and '.join(clauses)}, exactly or nearly"]


def overlap(
    background: Dataset, tested: Dataset, content: Content, *, thorough: bool = False
) -> Overlap:
    """Find the test records with an exact or near duplicate in the background.

    The background is read once, in chunks; memory is about 300 bytes per test record (a kilobyte
    per image).

    Args:
        content: the kind of the records.
        thorough: compare all images of a very large background.
    """
    notes: list[str] = []
    # Duplicates among the test records share their matches.
    _, inverse = np.unique(content.digests(tested), return_inverse=True)
    groups: list[int] = inverse.tolist()
    indices: set[int] = set()
    matched: dict[int, tuple[bool, int]] = {}
    for index, match, exact in content.find_matches(background, tested, notes, thorough):
        indices.add(index)
        group = groups[match]
        if group not in matched or (exact and not matched[group][0]):
            matched[group] = exact, index
    sizes = Counter(groups)
    same = sum(sizes[group] for group, (exact, _) in matched.items() if exact)
    both = sum(sizes[group] for group in matched)
    found = [index for index, group in enumerate(groups) if group in matched]
    listed = sorted(found, key=lambda index: (not matched[groups[index]][0], index))[:EXAMPLES]
    return Overlap(
        tested=len(tested),
        exact=same,
        near=both - same,
        examples=[
            (tested[index]["id"], background[matched[groups[index]][1]]["id"]) for index in listed
        ],
        indices=np.array(sorted(indices), dtype=np.int64),
        noun=content.noun,
        notes=notes,
    )
