"""Trials of a verification: pairs of records of one label or of two, and their equal error rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headstart.seeding import derive

#: Resamples of the labels.
RESAMPLES = 500
#: Weights of trials in memory at once.
_CELLS = 2**20


class Trials(NamedTuple):
    """Pairs of records.

    Attributes:
        first, second: (T,) indices of the records.
        left, right: (T,) their labels, 0..L-1.
        labels: L.
    """

    first: np.ndarray
    second: np.ndarray
    left: np.ndarray
    right: np.ndarray
    labels: int

    @property
    def same(self) -> np.ndarray:
        """Whether the two records of each trial have one label, (T,) bool."""
        return self.left == self.right

    @property
    def paired(self) -> int:
        """How many labels have a trial of their own."""
        return len(np.unique(self.left[self.same]))

    def resampled(self, seed: int) -> np.ndarray:
        """Return the weight (R,T) of each trial when whole labels are resampled.

        Each label gets an exponential weight (the Bayesian bootstrap, Rubin 1981), a trial of two
        labels the product of both: trials that share a speaker are no independent evidence. No
        label is ever lost, as one would be among few by drawing.
        """
        rng = np.random.Generator(np.random.PCG64(derive(seed, "labels")))
        weights = rng.exponential(size=(RESAMPLES, self.labels)).astype(np.float32)
        other = np.where(self.same, 1.0, weights[:, self.right])
        return np.asarray(weights[:, self.left] * other, dtype=np.float32)


def draw_trials(labels: np.ndarray, identities: np.ndarray, count: int, seed: int) -> Trials:
    """Return up to ``count`` trials, half of one label.

    Each label has as many trials with itself as with others, and up to an equal share of all.

    Args:
        labels: (N,) int of the records, 0..L-1.
        identities: (N,) of the records: two that are the same are no trial of one label.
        count: of the trials.
        seed: of the draw.
    """
    rng = np.random.Generator(np.random.PCG64(derive(seed, "trials")))
    members = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
    share = max(1, count // (2 * len(members)))
    firsts, seconds = [], []
    for label, own in enumerate(members):
        possible = len(own) * (len(own) - 1) // 2
        drawn = (
            np.arange(possible)
            if possible <= share
            else rng.choice(possible, share, replace=False, shuffle=False)
        )
        high = ((1 + np.sqrt(1 + 8 * drawn)) / 2).astype(np.int64)  # 0: (1,0), 1: (2,0), 2: (2,1)
        low = drawn - high * (high - 1) // 2
        one, other = own[high], own[low]
        distinct = identities[one] != identities[other]
        one, other = one[distinct], other[distinct]
        others = rng.integers(0, len(members) - 1, len(one))
        others += others >= label
        firsts += [one, rng.choice(own, len(one))]
        seconds += [other, np.array([rng.choice(members[each]) for each in others], dtype=int)]
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    return Trials(first, second, labels[first], labels[second], len(members))


def equal_error(scores: np.ndarray, same: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the rate (R,) at which as many trials of one label are refused as of two accepted.

    Between two thresholds both rates are taken as straight lines.

    Args:
        scores: (T,), higher where the two records are more alike.
        same: (T,) bool, whether they have one label; both occur.
        weights: (R,T) of the trials.
    """
    order = np.argsort(scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) > 0, True))  # equal scores go together
    found = np.empty(len(weights))
    at_once = max(1, _CELLS // len(scores))
    for start in range(0, len(weights), at_once):
        rows = weights[start : start + at_once, order].astype(np.float64)
        below = [np.cumsum(rows * of, axis=1) for of in (same[order], ~same[order])]
        # The share of trials at or below each threshold, which are refused; none at the first.
        one, two = (np.pad((each / each[:, -1:])[:, ends], ((0, 0), (1, 0))) for each in below)
        gap = one - (1 - two)  # from -1 to 1
        after = np.argmax(gap >= 0, axis=1)
        at = np.arange(len(rows))
        low, high = gap[at, after - 1], gap[at, after]
        share = -low / (high - low)
        found[start : start + at_once] = one[at, after - 1] * (1 - share) + one[at, after] * share
    return found
