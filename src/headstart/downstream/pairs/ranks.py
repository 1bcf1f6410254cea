"""Where the right answer stands: pictures among captions, and captions among pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.data.vectors import Matrix

#: Lists in which the right answer may be.
CUTS = (1, 5, 10)
#: Most scores in memory at once.
_CELLS = 2**24


@dataclass(frozen=True)
class Answers:
    """Which captions are right for which pictures.

    Attributes:
        pictures, captions: (P,) index of a picture and of a caption of it; a pair once.
        shape: numbers of pictures and of distinct captions.
    """

    pictures: np.ndarray
    captions: np.ndarray
    shape: tuple[int, int]

    @property
    def turned(self) -> Answers:
        """The same from captions to pictures."""
        return Answers(self.captions, self.pictures, (self.shape[1], self.shape[0]))

    def of(self, start: int, stop: int) -> np.ndarray:
        """Return which answers are right for the queries from ``start`` to ``stop``, as bool."""
        found = np.zeros((stop - start, self.shape[1]), dtype=bool)
        chosen = (self.pictures >= start) & (self.pictures < stop)
        found[self.pictures[chosen] - start, self.captions[chosen]] = True
        return found


def ranks_of(queries: Matrix, candidates: Matrix, answers: Answers) -> np.ndarray:
    """Return the rank (Q,), from 1, of the best right answer of each query among the wrong ones.

    A wrong answer of the same score counts half, so that a network that scores all alike stands
    where chance does. Several right answers do not push each other down.

    Args:
        queries, candidates: (Q,D) and (N,D), compared by their products.
        answers: from queries to candidates.
    """
    found = np.empty(answers.shape[0])
    at_once = max(1, _CELLS // max(1, answers.shape[1]))
    for start in range(0, len(found), at_once):
        stop = min(start + at_once, len(found))
        product = queries[start:stop] @ candidates.T
        scores = np.asarray(product.todense() if hasattr(product, "todense") else product)
        right = answers.of(start, stop)
        best = np.where(right, scores, -np.inf).max(1, keepdims=True)
        wrong = ~right
        above, level = (wrong & (scores > best)).sum(1), (wrong & (scores == best)).sum(1)
        found[start:stop] = 1 + above + level / 2
    return found


def recall(ranks: np.ndarray, cut: int) -> np.ndarray:
    """Return 1 (Q,) where the right answer is among the first ``cut``, else 0."""
    return (ranks <= cut).astype(np.float64)


def by_chance(answers: Answers, cut: int) -> float:
    """Return the mean recall of answers in a random order.

    Of N answers with R right ones, none of these is among the first k with the probability
    ``C(N-R, k) / C(N, k)``.
    """
    count, wrong = (
        answers.shape[1],
        answers.shape[1] - np.bincount(answers.pictures, minlength=answers.shape[0]),
    )
    missed = np.ones(answers.shape[0])
    for place in range(min(cut, count)):
        missed *= np.maximum(wrong - place, 0) / (count - place)
    return float(1 - missed.mean())
