"""Tested records that pre-training saw as well: counted, and listed with the ids of both sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.content import Content

if TYPE_CHECKING:
    from datasets import Dataset

#: Pairs that are listed; all are counted.
EXAMPLES = 1000


@dataclass(frozen=True)
class Overlap:
    """What pre-training data and tested data have in common.

    Attributes:
        tested: how many tested records there are.
        exact: how many of them also lie in the pre-training data as they are.
        near: how many more nearly do.
        examples: (id of a tested record, id of the pre-training record), each tested one once.
        places: sorted places (m,) of all pre-training records that match a tested one.
        noun: what a record is, in the plural.
        notes: what was not looked at, in sentences.
    """

    tested: int
    exact: int
    near: int
    examples: list[tuple[str, str]]
    indices: np.ndarray
    noun: str
    notes: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return plain values, as an audit holds them under ``overlap``."""
        return {
            "tested": self.tested,
            "exact": self.exact,
            "near": self.near,
            "pretraining": len(self.indices),
            "examples": [list(pair) for pair in self.examples],
        }

    def sentences(self) -> list[str]:
        """Return what a reader must know; nothing where nothing was found."""
        found = self.exact + self.near
        if not found:
            return list(self.notes)
        ways = [
            f"{count:,} {way}"
            for count, way in ((self.exact, "exactly"), (self.near, "nearly"))
            if count
        ]
        one, other = self.examples[0]
        return [
            f"{found:,} of {self.tested:,} test {self.noun} also occur in the pre-training data, "
            f"without their labels ({', '.join(ways)}; {one} is {other}, for example); "
            "`--remove-overlap` of pretrain leaves them out.",
            *self.notes,
        ]


def overlap(
    background: Dataset, tested: Dataset, content: Content, *, thorough: bool = False
) -> Overlap:
    """Find the tested records that also occur in the background, exactly or nearly.

    The background is read once, some records at a time; of the tested records some 300 bytes
    each are held (of pictures a kilobyte).

    Args:
        content: what the records are.
        thorough: compare every picture of the background, however many there are.
    """
    notes: list[str] = []
    # Tested records that repeat each other share what is found.
    _, inverse = np.unique(content.digests(tested), return_inverse=True)
    groups: list[int] = inverse.tolist()
    indices: set[int] = set()
    matched: dict[int, tuple[bool, int]] = {}
    for index, twin, exact in content.matches(background, tested, notes, thorough):
        indices.add(index)
        group = groups[twin]
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
