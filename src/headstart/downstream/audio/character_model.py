"""How likely a character is after those before it: counts of n-grams, interpolated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

#: Opens a text, as often as an n-gram is long, and ends it.
EDGE = "\n"


class CharacterModel:
    """An n-gram model of characters with Witten-Bell's interpolation.

    ``p(c|h) = (n(h,c) + t(h) p(c|h')) / (n(h) + t(h))``, where t(h) is the number of different
    characters after h, and h' is h without its first character; below the empty history all are
    alike (Chen & Goodman 1998, section 2.3).

    Args:
        order: n, with the character itself.
        counts: of the n-grams of texts with ``order - 1`` edges before and one behind each.
    """

    def __init__(self, order: int, counts: Mapping[str, int]) -> None:
        self.order, self.counts = order, dict(counts)
        #: From a history of any length to the counts of what follows, and their sum.
        self._after: dict[str, Counter[str]] = {}
        for gram, count in counts.items():
            for start in range(order):
                self._after.setdefault(gram[start:-1], Counter())[gram[-1]] += count
        self._sums = {history: sum(found.values()) for history, found in self._after.items()}
        self._size = len(self._after.get("", ())) + 1
        self._known = lru_cache(maxsize=2**16)(self._probability)

    @classmethod
    def of(cls, texts: Iterable[str], order: int) -> CharacterModel:
        """Count the n-grams of texts."""
        counts: Counter[str] = Counter()
        for text in texts:
            padded = EDGE * (order - 1) + text + EDGE
            counts.update(padded[at : at + order] for at in range(len(text) + 1))
        return cls(order, counts)

    def log_probability(self, before: str, character: str) -> float:
        """Return the natural logarithm of the probability of a character after a text.

        Args:
            before: the text so far; its last ``order - 1`` characters count.
            character: a single one; :data:`EDGE` for the end of the text.
        """
        history = (EDGE * (self.order - 1) + before)[len(before) :]
        return math.log(self._known(history, character))

    def log_symbol(self, before: str, symbol: str) -> float:
        """Return the same for a symbol of several characters."""
        return sum(
            self.log_probability(before + symbol[:at], each) for at, each in enumerate(symbol)
        )

    def _probability(self, history: str, character: str) -> float:
        found = 1.0 / self._size
        for start in range(len(history), -1, -1):
            after = self._after.get(history[start:])
            if after is None:
                break
            kinds, total = len(after), self._sums[history[start:]]
            found = (after[character] + kinds * found) / (total + kinds)
        return found
