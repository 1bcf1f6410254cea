"""Items that no event of the run has: their vectors, from what is said of them.

A ridge regression from features of items to the vectors of the network's output table. It learns
from the items that have events, and its penalty is chosen by cross-validation over items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from headstart.downstream.interactions.item_features import Reader, features_of, said_of
from headstart.errors import HeadstartError
from headstart.modalities.interactions.processor import FIRST
from headstart.seeding import derive

if TYPE_CHECKING:
    from headstart.downstream.interactions.network import NetworkRanker
    from headstart.modalities.interactions.item_table import ItemTable
    from headstart.modalities.interactions.processor import ItemProcessor

#: Penalties, as multiples of the mean variance of a feature; folds of items.
_PENALTIES = np.logspace(-2, 5, 15)
_FOLDS = 5
#: Events with which an item counts half as much as one with very many: its vector is uncertain.
_CERTAIN = 10.0
#: States that the scores of items are compared at, and most logits of all.
_STATES, _LOGITS = 512, 2 * 10**7
#: Fewest items with events that the map can be learned from, and most: the commonest.
FEWEST, _MOST = 20, 50_000


class Mapped(NamedTuple):
    """What is known of new items after the map.

    A state h scores them ``(h - centre) @ vectors.T + levels``, beside the logits of known ones.

    Attributes:
        vectors: (C,E).
        levels: (C,) the mean logit of each.
        centre: (E,) the mean state.
        explained: share of the variance of known items' logits, over states, that the map explains
            in items that it did not learn from.
    """

    vectors: np.ndarray
    levels: np.ndarray
    centre: np.ndarray
    explained: float


def mapped(
    network: NetworkRanker,
    counts: np.ndarray,
    known: np.ndarray,
    features: np.ndarray,
    new: np.ndarray,
    seed: int = 0,
) -> Mapped:
    """Map features of new items to vectors.

    Two things are learned apart, each with its penalty: whom an item suits (its vector), and how
    much it is taken in all (its mean logit). Then all mean logits are shifted by one number: by
    that with which known items, when they are mapped by folds that do not know them, together get
    the probability that they have. So new items get as much as such items on average.

    Args:
        counts: (I,) events of each item of the catalogue.
        known: (n,) indices of the items that are learned from.
        features: (n,F) of these.
        new: (C,F) of the new ones.

    Raises:
        HeadstartError: too few items are known.
    """
    if len(known) < FEWEST:
        raise HeadstartError(
            f"something is said of {len(known):,} items with events, and at least {FEWEST} are "
            "needed to learn from; give a table of the run's items, with the ids of its events."
        )
    every, every_bias = network.output()
    vectors, biases = every[known], every_bias[known]
    states = network.states(_histories(counts, seed))
    centre = states.mean(0)
    spread = states - centre
    levels = vectors @ centre + biases
    weights = counts[known] / (counts[known] + _CERTAIN)
    folds = np.random.default_rng(derive(seed, "folds")).permutation(len(known)) % _FOLDS
    # Errors of vectors count as they change scores, over the states.
    root = np.linalg.cholesky(spread.T @ spread / len(spread) + 1e-6 * np.eye(len(centre)))
    suits, guessed = _chosen(features, vectors, weights, folds, root)
    taken, level_guesses = _chosen(features, levels[:, None], weights, folds, np.eye(1))
    normaliser = _log_sum(states @ every.T + every_bias)
    have = _log_sum(spread @ vectors.T + levels) - normaliser
    get = _log_sum(spread @ guessed.T + level_guesses[:, 0]) - normaliser
    shift = np.logaddexp.reduce(have) - np.logaddexp.reduce(get)
    deviations = (vectors - np.average(vectors, axis=0, weights=weights)) @ root
    missed = weights @ (((vectors - guessed) @ root) ** 2).sum(1)
    return Mapped(
        suits(new).astype(np.float32),
        (taken(new)[:, 0] + shift).astype(np.float32),
        centre,
        float(1 - missed / max(float(weights @ (deviations**2).sum(1)), 1e-12)),
    )


def map_features(
    features: np.ndarray, targets: np.ndarray, weights: np.ndarray, new: np.ndarray
) -> np.ndarray:
    """Return what a ridge regression of targets (n,E) on features says of new features (C,E).

    Args:
        weights: (n,) events of each item.
    """
    folds = np.random.default_rng(0).permutation(len(features)) % _FOLDS
    certain = weights / (weights + _CERTAIN)
    root = np.eye(targets.shape[1])
    found: np.ndarray = _chosen(features, targets, certain, folds, root)[0](new)
    return found


class WithNew:
    """A network that ranks new items beside those of the catalogue; they come after these.

    The score of a new item is its logit less the normaliser of the known ones: beside a
    log-probability it is one, too, but for the little that the new ones add to the normaliser.
    """

    name = "pre-trained"

    def __init__(self, network: NetworkRanker, new: Mapped) -> None:
        self._network, self._new = network, new
        self.settings: Mapping[str, Any] = network.settings
        self._vectors, self._biases = network.output()

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I+C) of all items after each history."""
        states = self._network.states(histories)
        logits = states @ self._vectors.T + self._biases
        new = (states - self._new.centre) @ self._new.vectors.T + self._new.levels
        found: np.ndarray = np.hstack([logits, new]) - _log_sum(logits)[:, None]
        return found

    def vectors(self) -> np.ndarray:
        """Return the vectors (I+C,E) of all items."""
        return np.vstack([self._vectors, self._new.vectors])


def _histories(counts: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return histories of one to three items, by their shares of the events."""
    rng = np.random.default_rng(derive(seed, "states"))
    number = int(min(_STATES, max(_STATES // 8, _LOGITS // len(counts))))
    shares = counts / counts.sum()
    return [rng.choice(len(counts), size=1 + row % 3, p=shares) for row in range(number)]


def _log_sum(logits: np.ndarray) -> np.ndarray:
    """Return the log of the sum of the exponentials of each row (B,)."""
    top = logits.max(1)
    found: np.ndarray = top + np.log(np.exp(logits - top[:, None]).sum(1))
    return found


def _chosen(
    features: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    folds: np.ndarray,
    root: np.ndarray,
) -> tuple[Any, np.ndarray]:
    """Return the map with the best penalty, and what it says of items that it did not see (I,E)."""
    guesses = np.zeros((len(_PENALTIES), *targets.shape))
    for fold in range(_FOLDS):
        inside, outside = folds != fold, folds == fold
        fitted = _Ridge(features[inside], targets[inside], weights[inside])
        for number, penalty in enumerate(_PENALTIES):
            guesses[number][outside] = fitted.at(penalty)(features[outside])
    errors = [(weights * (((targets - each) @ root) ** 2).sum(1)).sum() for each in guesses]
    best = int(np.argmin(errors))
    return _Ridge(features, targets, weights).at(_PENALTIES[best]), guesses[best]


class _Ridge:
    """A weighted ridge regression, solved once for all penalties."""

    def __init__(self, features: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        self._mean = np.average(features, axis=0, weights=weights)
        self._level = np.average(targets, axis=0, weights=weights)
        own = (features - self._mean) * np.sqrt(weights)[:, None]
        values, self._axes = np.linalg.eigh((own.T @ own).astype(np.float64))
        self._values = np.maximum(values, 0)
        wanted = (targets - self._level) * np.sqrt(weights)[:, None]
        self._along = self._axes.T @ (own.T @ wanted)

    def at(self, penalty: float) -> Any:
        """Return the map with a penalty, a multiple of the mean variance of a feature."""
        shrunk = self._values + penalty * max(float(self._values.mean()), 1e-12)
        weights = self._axes @ (self._along / shrunk[:, None])
        return lambda features: (features - self._mean) @ weights + self._level


def with_new(
    network: NetworkRanker,
    processor: ItemProcessor,
    table: ItemTable,
    names: Sequence[str],
    reader: Reader | None = None,
) -> tuple[WithNew, Mapped]:
    """Return the network with new items, whose rows are in the table.

    Args:
        names: of the new items.
        reader: an encoder of texts, see :func:`.item_features.features_of`.

    Raises:
        HeadstartError: too little is said of the items that have events.
    """
    counts = processor.vocabulary.counts
    assert counts is not None
    events = np.maximum(counts[FIRST:], 1)
    known = [
        code
        for code in np.argsort(-events, kind="stable").tolist()
        if processor.names[code] in table and said_of(table.items[processor.names[code]])
    ][:_MOST]
    rows = [table.items[processor.names[code]] for code in known]
    rows += [table.items[name] for name in names]
    fitted = np.arange(len(rows)) < len(known)
    if len(known) < FEWEST:
        features = np.zeros((len(rows), 1), np.float32)  # it is refused with the number
    else:
        features = features_of(rows, fitted, reader)
    codes, edge = np.array(known, dtype=np.int64), len(known)
    found = mapped(network, events, codes, features[:edge], features[edge:])
    return WithNew(network, found), found
