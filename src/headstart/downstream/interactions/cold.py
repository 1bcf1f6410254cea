"""Items that no event of the run has: their vectors, from what is said of them.

A ridge regression from features of items to the vectors of the network's output table. It learns
from the items that have events, and its penalty is chosen by cross-validation over items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from headstart.data.vectors import unit_length
from headstart.downstream.interactions.item_features import Reader, features_of, is_described
from headstart.errors import HeadstartError
from headstart.modalities.interactions.processor import FIRST
from headstart.modalities.interactions.timed import TimedHistories
from headstart.seeding import derive

if TYPE_CHECKING:
    from headstart.modalities.interactions.item_table import ItemTable
    from headstart.modalities.interactions.processor import ItemProcessor
    from headstart.modalities.interactions.rankers import Ranker

#: Penalties, as multiples of the mean variance of a feature; folds of items.
_PENALTIES = np.logspace(-2, 4, 13)
_FOLDS = 5
#: Events with which an item counts half as much as one with very many: its vector is uncertain.
_CERTAIN = 10.0
#: Largest difference between new items that have the same place among the known.
_NEXT = 1e-5
#: Fewest items with events that the map can be learned from, and most: the commonest.
FEWEST, _MOST = 20, 50_000


class Mapped(NamedTuple):
    """What is known of new items after the map.

    Attributes:
        vectors: (C,E) of the new items, of length 1.
        known: (n,) codes of the items that were learned from.
        guesses: (n,E) of length 1, what maps say of these that do not know them.
        explained: share of the variance of the vectors that those maps explain.
        rows: (C,) which of the new items that were given these are: something is known of them.
    """

    vectors: np.ndarray
    known: np.ndarray
    guesses: np.ndarray
    explained: float
    rows: np.ndarray


def mapped(
    vectors: np.ndarray,
    counts: np.ndarray,
    known: np.ndarray,
    features: np.ndarray,
    new: np.ndarray,
    seed: int = 0,
) -> Mapped:
    """Map features of new items to vectors.

    Args:
        vectors: (I,E) of all items of the catalogue.
        counts: (I,) events of each.
        known: (n,) codes of the items that are learned from.
        features: (n,F) of these.
        new: (C,F) of the new ones.

    Raises:
        HeadstartError: too few items are known.
    """
    if len(known) < FEWEST:
        items = "1 item" if len(known) == 1 else f"{len(known):,} items"
        raise HeadstartError(
            f"something is said of {items} with events, and at least {FEWEST} are needed to learn "
            "from; give a table of the run's items, with the ids of its events and titles, texts, "
            "categories or prices, or pictures and what reads them with --items-encoder RUN."
        )
    guesses, chosen, explained = _learned(features, vectors[known], counts[known], new, seed)
    return Mapped(unit_length(chosen), known, unit_length(guesses), explained, np.arange(len(new)))


def map_features(
    features: np.ndarray, targets: np.ndarray, counts: np.ndarray, new: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Return what a ridge regression of targets (n,E) on features says of new features (C,E).

    Args:
        counts: (n,) events of each item.
    """
    return _learned(features, targets, counts, new, seed)[1]


class WithNew:
    """A ranker with new items beside those of the catalogue, whose codes follow these.

    How well an item fits a user is the product of its vector and the mean vector of the items of
    the history. A new item that fits better than, say, 99 of 100 known items do when they are
    mapped as if they were new, gets the score that is higher than those of 99 of 100 known items.
    So new items have the share of the lists that as many known ones have: they neither drown nor
    flood. Items of the history do not count in either.

    Args:
        ranker: of the known items.
        vectors: (I,E) of these.
    """

    def __init__(self, ranker: Ranker, vectors: np.ndarray, new: Mapped) -> None:
        self._ranker, self._new, self._known = ranker, new, len(vectors)
        self.name, self.settings = ranker.name, ranker.settings
        # New vectors have length 1, and in a mean they should weigh as much as others.
        length = float(np.linalg.norm(vectors, axis=1).mean())
        self.vectors = np.vstack([vectors, length * new.vectors])

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I+C) of all items after each history."""
        known = self._ranker.scores(_below(histories, self._known))
        likes = _means(self.vectors, histories)
        fits = likes @ self._new.vectors.T
        usual = likes @ self._new.guesses.T
        new = np.empty_like(fits)
        for row, history in enumerate(histories):
            unseen = np.ones(len(self.vectors), dtype=bool)
            unseen[history] = False
            others = usual[row][unseen[self._new.known]]
            new[row] = _placed(fits[row], others, known[row][unseen[: self._known]])
        return np.hstack([known, new])


def _below(histories: Sequence[np.ndarray], edge: int) -> Sequence[np.ndarray]:
    """Return histories without codes from an edge on, with their times where these are known."""
    kept = [history < edge for history in histories]
    if all(each.all() for each in kept):
        return histories
    items = [history[each] for history, each in zip(histories, kept, strict=True)]
    if not isinstance(histories, TimedHistories):
        return items
    both = zip(histories.times, kept, strict=True)
    return TimedHistories(items, [times[each] for times, each in both])


def _placed(fits: np.ndarray, usual: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the scores (C,) that stand among ``scores`` where ``fits`` stand among the usual."""
    ordered = np.sort(usual)
    before = np.searchsorted(ordered, fits, side="left")
    up_to = np.searchsorted(ordered, fits, side="right")
    share = (before + up_to + 1) / 2 / (len(ordered) + 1)
    found: np.ndarray = np.quantile(scores, share) if len(scores) else np.zeros(len(fits))
    # Of several that fit better than all others, the best is first.
    return found + _NEXT * fits.argsort().argsort() / max(1, len(fits))


def map_to_items(
    vectors: np.ndarray,
    processor: ItemProcessor,
    table: ItemTable,
    names: Sequence[str],
    readers: Sequence[Reader] = (),
) -> Mapped:
    """Map new items, whose rows are in the table, to vectors such as those of the known.

    Args:
        vectors: (I,E) of the known items.
        names: of the new ones.
        readers: encoders of what is said of items, or of their pictures.

    Raises:
        HeadstartError: too little is known of the items that have events, or nothing of new ones.
    """
    counts = processor.vocabulary.counts
    assert counts is not None
    events = np.maximum(counts[FIRST:], 1)
    commonest = np.argsort(-events, kind="stable").tolist()
    codes = np.array([code for code in commonest if processor.names[code] in table], dtype=np.int64)
    codes = codes[:_MOST]
    rows = [table.items[processor.names[code]] for code in codes]
    rows += [table.items[name] for name in names]
    read = [reader(rows) for reader in readers]
    useful = np.array([is_described(row) for row in rows], dtype=bool)
    for found in read:
        useful[found.rows] = True
    fitted = useful & (np.arange(len(rows)) < len(codes))
    if fitted.sum() < FEWEST:
        features = np.zeros((len(rows), 1), np.float32)  # it is refused with the number
    else:
        features = features_of(rows, fitted, read)
    inside, asked = fitted[: len(codes)], np.flatnonzero(useful[len(codes) :])
    if not len(asked):
        raise HeadstartError(
            "nothing is known of any new item; give a table with their titles, texts, categories "
            "or prices, or pictures and what reads them with --items-encoder RUN."
        )
    known, new = features[: len(codes)][inside], features[len(codes) :][asked]
    return mapped(vectors, events, codes[inside], known, new)._replace(rows=asked)


def _means(vectors: np.ndarray, histories: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean vector (B,E) of the items of each history; 0 where it has none.

    Against the state after the latest items, this is what a user likes in the long run, and what
    is said of an item tells little of anything else.
    """
    found = np.zeros((len(histories), vectors.shape[1]), np.float32)
    for row, history in enumerate(histories):
        if len(history):
            found[row] = vectors[history].mean(0)
    return found


def _learned(
    features: np.ndarray, targets: np.ndarray, counts: np.ndarray, new: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the known items as mapped by maps that do not know them (n,E), and the new (C,E).

    Both are mapped with the penalty that is best for the former; last comes the share of their
    variance that is explained.
    """
    folds = np.random.default_rng(derive(seed, "folds")).permutation(len(features)) % _FOLDS
    weights = counts / (counts + _CERTAIN)
    errors, parts = np.zeros(len(_PENALTIES)), []
    for fold in range(_FOLDS):
        inside, outside = folds != fold, folds == fold
        fitted = _Ridge(features[inside], targets[inside], weights[inside])
        parts.append((outside, fitted))
        for number, penalty in enumerate(_PENALTIES):
            missed = (targets[outside] - fitted.at(penalty, features[outside])) ** 2
            errors[number] += weights[outside] @ missed.sum(1)
    best = _PENALTIES[int(errors.argmin())]
    guesses = np.zeros(targets.shape, np.float32)
    for outside, fitted in parts:
        guesses[outside] = fitted.at(best, features[outside])
    around = targets - np.average(targets, axis=0, weights=weights)
    variance = float(weights @ (around**2).sum(1))
    found = _Ridge(features, targets, weights).at(best, new)
    return guesses, found, 1 - float(errors.min()) / max(variance, 1e-12)


class _Ridge:
    """A weighted ridge regression, solved once for all penalties."""

    def __init__(self, features: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        self._mean = np.average(features, axis=0, weights=weights)
        self._level = np.average(targets, axis=0, weights=weights)
        root = np.sqrt(weights)[:, None]
        own = (features - self._mean) * root
        values, self._axes = np.linalg.eigh((own.T @ own).astype(np.float64))
        self._values = np.maximum(values, 0)
        self._along = self._axes.T @ (own.T @ ((targets - self._level) * root))

    def at(self, penalty: float, features: np.ndarray) -> np.ndarray:
        """Return what it says of features, with a multiple of their mean variance as penalty."""
        shrunk = self._values + penalty * max(float(self._values.mean()), 1e-12)
        weights = self._axes @ (self._along / shrunk[:, None])
        found: np.ndarray = (features - self._mean) @ weights + self._level
        return found
