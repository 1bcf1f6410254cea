"""The strong simple alternative to a language model: n-grams with modified Kneser-Ney smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from headstart.evaluation.ngram_counts import Corpus, Grams, Matches, counted

#: What is subtracted from counts of 1, of 2, and of 3 or more.
Discounts = tuple[float, float, float]


@dataclass(frozen=True)
class _Level:
    """The smoothed n-grams of one order.

    Attributes:
        keys: (G,) uint64, sorted, as in :class:`headstart.evaluation.ngram_counts.Grams`.
        kept: (G,) float32, the probability of each after its context that the discount leaves.
        spare: (C,) float32, the probability that each context leaves to the lower order.
        discounts: of this order.
    """

    keys: np.ndarray
    kept: np.ndarray
    spare: np.ndarray
    discounts: Discounts


class NgramModel:
    """Interpolated modified Kneser-Ney (Kneser & Ney 1995; Chen & Goodman 1998).

    The highest order counts occurrences. The lower ones count distinct tokens before an n-gram, and
    its occurrences at the start of documents. Order 1 is interpolated with the uniform
    distribution. The first token of a document is given, not predicted.

    Args:
        corpus: training documents.
        size: number of entries in the vocabulary.
        order: n, the length of the longest n-gram; less if no document is as long.
        discounts: of each order from 1; by :func:`closed_form` if None.

    Attributes:
        order: n.
        discounts: of each order from 1.

    Example::

        model = NgramModel(Corpus.of([np.array([0, 1, 0, 2])]), size=3, order=2)
        model.nats(Corpus.of([np.array([0, 1])]))[1]  # -log p(1 | 0)
    """

    def __init__(
        self,
        corpus: Corpus,
        size: int,
        order: int,
        discounts: Sequence[Discounts] | None = None,
    ) -> None:
        def add(grams: Grams, counts: np.ndarray) -> None:
            given = discounts[len(self._levels)] if discounts else closed_form(counts)
            self._levels.append(_smoothed(grams, counts, given, size))

        self.size = size
        self._levels: list[_Level] = []
        grams: Grams | None = None
        for longer, continuations in islice(counted(corpus, size), order):
            if grams is not None:
                add(grams, continuations)
            grams = longer
        if grams is not None:
            add(grams, grams.counts)
        self.order = len(self._levels)
        self.discounts = [level.discounts for level in self._levels]

    def nats(self, corpus: Corpus) -> np.ndarray:
        """Return ``-log p`` (N,) of each token given those before it in its document."""
        probability = np.full(len(corpus), 1 / self.size)
        matches = Matches.unigrams(corpus)
        for number, level in enumerate(self._levels):
            if number:
                matches = matches.extended(corpus, level.keys, self.size)
            kept = np.where(matches.grams >= 0, level.kept[matches.grams], 0)
            mixed = kept + level.spare[matches.contexts] * probability
            probability = np.where(matches.contexts >= 0, mixed, probability)
        return -np.log(probability)


def closed_form(counts: np.ndarray) -> Discounts:
    """Return the discounts that Chen & Goodman estimate from how many counts (G,) are 1 to 4.

    Where there is no estimate, as for few characters that are all frequent: 1/2, 1 and 3/2.
    """
    n1, n2, n3, n4 = (int((counts == number).sum()) for number in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) > 0:
        share = n1 / (n1 + 2 * n2)
        found = 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3
        if all(0 < value < limit for value, limit in zip(found, (1, 2, 3), strict=True)):
            return found
    return 0.5, 1.0, 1.5


def _smoothed(grams: Grams, counts: np.ndarray, discounts: Discounts, size: int) -> _Level:
    """Discount counts (G,): those of occurrences, or of continuations."""
    removed = np.array([0, *discounts])[np.minimum(counts, 3)]
    owners = grams.owners(size)
    totals = np.bincount(owners, weights=counts, minlength=grams.contexts)
    spare = np.bincount(owners, weights=removed, minlength=grams.contexts)
    # What stands only at the end of documents is a context of nothing.
    spare = np.divide(spare, totals, out=np.ones_like(spare), where=totals > 0)
    kept = (counts - removed) / np.maximum(totals, 1)[owners]
    return _Level(grams.keys, kept.astype(np.float32), spare.astype(np.float32), discounts)
