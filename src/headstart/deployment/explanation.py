"""What an explanation says: the record, what mattered in it, the check, and the records like it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from headstart.deployment.alike import Alike
from headstart.deployment.deletion import Deletion
from headstart.deployment.explained_words import Word

if TYPE_CHECKING:
    from torch import Tensor

#: Place in :data:`headstart.deployment.deletion.SHARES` that is told in words: a tenth.
TOLD = 2


def percent(share: float) -> str:
    """Return a probability in words; near certainty, with the decimals that still tell."""
    if 0.01 <= share < 0.995:
        return f"{share:.0%}"
    return f"{share:.1%}" if 0.001 <= share < 0.9995 else ("> 99.9%" if share > 0.5 else "< 0.1%")


@dataclass(frozen=True)
class TextEvidence:
    """The words of a text with their weights; ``end`` is the first character that was not read."""

    text: str
    words: list[Word]
    end: int
    unit: ClassVar[str] = "words"

    def strongest(self, count: int, sign: int) -> list[Word]:
        """Return up to ``count`` words of one sign, the strongest first."""
        chosen = [word for word in self.words if word.weight * sign > 0]
        return sorted(chosen, key=lambda word: -abs(word.weight))[:count]

    def shown(self, word: Word) -> str:
        """Return the characters of a word."""
        return self.text[word.start : word.end]

    def summary(self) -> dict[str, Any]:
        """Return ``words``, each with its text, place and weight, and ``read``, what was read."""
        words = [
            {
                "text": self.shown(word),
                "start": word.start,
                "end": word.end,
                "weight": round(word.weight, 6),
            }
            for word in self.words
        ]
        return {"words": words, "read": self.end}


@dataclass(frozen=True)
class PictureEvidence:
    """The weights of the pixels (S,S) and, averaged, of cells (G,G); the struct of the picture."""

    image: dict[str, Any]
    heat: Tensor
    cells: Tensor
    unit: ClassVar[str] = "cells"

    def summary(self) -> dict[str, Any]:
        """Return ``cells``, a square of weights, row by row."""
        cells = [[round(value, 6) for value in row] for row in self.cells.tolist()]
        return {"cells": cells}


@dataclass(frozen=True)
class Explanation:
    """Why one record was taken for one class.

    Attributes:
        predicted: the class that the run predicts; explained: the one asked about.
        scores: the probability of each class.
        method: how the weights were found, in words.
        signed: whether a weight below 0 speaks against the class.
        unexplained: what the weights' sum misses of the evidence; None where it is no sum.
        check: what deleting the named words or cells does, beside random ones.
        alike: the labeled records most like it.
        notes: what a reader should know, in sentences.
    """

    id: str
    predicted: str
    explained: str
    scores: dict[str, float]
    method: str
    signed: bool
    evidence: TextEvidence | PictureEvidence
    unexplained: float | None
    check: Deletion | None
    alike: list[Alike] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def headline(self) -> str:
        """Return the prediction in words."""
        told = f"{self.predicted} ({percent(self.scores[self.predicted])})"
        if self.explained == self.predicted:
            return told
        return f"{told}; asked: why {self.explained} ({percent(self.scores[self.explained])})?"

    def checked(self) -> str:
        """Return what the check found, in words; empty without one."""
        if self.check is None:
            return ""
        check, unit = self.check, self.evidence.unit
        count = check.counts[TOLD]
        named = f"the {count} {unit} it names" if count > 1 else f"the {unit[:-1]} it names first"
        drawn = f"{count} random ones" if count > 1 else "a random one"
        before, after, random, low, high = (
            percent(share)
            for share in (
                check.before,
                check.named[TOLD],
                check.random[TOLD],
                check.low[TOLD],
                check.high[TOLD],
            )
        )
        return (
            f"Deleting {named} ({count} of {self.units}) takes the probability of "
            f"{self.explained!r} from {before} to {after}; deleting {drawn}, to {random} (nine of "
            f"ten draws: {low} to {high})."
        )

    @property
    def units(self) -> int:
        """How many words or cells there are."""
        found = self.evidence
        return len(found.words) if isinstance(found, TextEvidence) else found.cells.numel()

    def summary(self) -> dict[str, Any]:
        """Return plain values."""
        alike = [
            {k: v for k, v in asdict(a).items() if k != "content" or isinstance(v, str)}
            for a in self.alike
        ]
        return {
            "id": self.id,
            "predicted": self.predicted,
            "explained": self.explained,
            "scores": self.scores,
            "method": self.method,
            **self.evidence.summary(),
            "unexplained": self.unexplained,
            "check": self.check.summary() if self.check else None,
            "alike": alike,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class Explanations:
    """Explanations of several records, and the file that they were written to, if any."""

    found: list[Explanation]
    out: Path | None = None

    def summary(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        return {
            "explanations": [one.summary() for one in self.found],
            "out": str(self.out) if self.out else None,
        }

    def __str__(self) -> str:
        from headstart.deployment.explained_console import rendered

        told = rendered(self.found)
        return f"{told}\nwrote {self.out}" if self.out else told
