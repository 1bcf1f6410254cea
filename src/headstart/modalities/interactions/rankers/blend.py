"""Weighted sums of the scores of several rankers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.data.target_ranks import ndcg, ranks, reached, select
from headstart.modalities.interactions.rankers import Ranker, Say
from headstart.modalities.interactions.rankers.tuning import CUT, Validation

#: Weights that a further ranker may get, beside 1 for the best one.
_WEIGHTS = (0.1, 0.2, 0.5, 1.0, 2.0)
#: A further ranker must raise the NDCG by this share, or it is not worth its time.
_LEAST = 0.01
#: Best items of a user by whose scores those of rankers are made comparable.
_TOP = 100
#: Maximum number of scores in memory at once.
_CELLS = 2**22


@dataclass(frozen=True)
class Blend:
    """Scores that are the weighted sum of those of several rankers, made comparable.

    Attributes:
        rankers: one or more.
        weights: of each.
    """

    rankers: tuple[Ranker, ...]
    weights: tuple[float, ...]

    @property
    def name(self) -> str:
        """The names of its rankers, the best one first."""
        return " + ".join(each.name for each in self.rankers)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The weights by name."""
        named = zip(self.rankers, self.weights, strict=True)
        return {each.name: weight for each, weight in named}

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I) float32 of all items after each of B histories."""
        found = self._part(0, histories)
        for number in range(1, len(self.rankers)):
            found += self._part(number, histories)
        return found

    def _part(self, number: int, histories: Sequence[np.ndarray]) -> np.ndarray:
        found = even(self.rankers[number].scores(histories))
        found *= np.float32(self.weights[number])
        return found

    def of(self, rankers: Mapping[str, Ranker]) -> Blend:
        """Return the same blend of rankers of the same names, fitted on other events."""
        return replace(self, rankers=tuple(rankers[each.name] for each in self.rankers))


def blended(
    rankers: Sequence[Ranker], validation: Validation, say: Say, *, seconds: float = 120.0
) -> Blend:
    """Return the best ranker on validation targets, blended with those that make it better.

    The others are tried in the order of how good they are; each stays, with the best of a few
    weights, where it raises the NDCG@10 by 1% at least.

    Args:
        rankers: of different names; all fitted on what came before the targets.
        seconds: the time limit; what was left out is said.
    """
    start = time.monotonic()
    scored = {each.name: (validation.score(each), each) for each in rankers}
    ordered = sorted(scored.values(), key=lambda pair: -pair[0])
    best, first = ordered[0]
    blend = Blend((first,), (1.0,))
    slowest = 0.0
    for number, (_, other) in enumerate(ordered[1:], 1):
        began = time.monotonic()
        if began - start + slowest > seconds:
            left = ", ".join(each.name for _, each in ordered[number:])
            say(f"blends with {left} were not tried: {seconds:.0f} s were up.")
            break
        tried = _tried(blend, other, validation)
        weight = max(tried, key=lambda each: tried[each])
        if tried[weight] > best * (1 + _LEAST):
            best = tried[weight]
            blend = Blend((*blend.rankers, other), (*blend.weights, weight))
        slowest = max(slowest, time.monotonic() - began)
    return blend


def even(scores: np.ndarray, top: int = _TOP) -> np.ndarray:
    """Return scores (B,I) with mean 0 and deviation 1 over the ``top`` best items of each row.

    So counts, weights and log-probabilities can be added.
    """
    count = min(top, scores.shape[1])
    spans = [
        _span(row, bound, count) for row, bound in zip(scores, reached(scores, count), strict=True)
    ]
    mean, spread = np.array(spans, dtype=np.float32).reshape(-1, 2).T[:, :, None]
    found = (scores - mean).astype(np.float32, copy=False)
    found /= np.where(spread > 0, spread, 1)
    return found


def _span(row: np.ndarray, bound: float, count: int) -> tuple[float, float]:
    """Return the mean and the deviation of the ``count`` best scores, which reach a bound."""
    best = row[row >= bound]
    if len(best) > count:
        best = np.partition(best, len(best) - count)[-count:]
    return float(best.mean()), float(best.std())


def _tried(blend: Blend, other: Ranker, validation: Validation) -> dict[float, float]:
    """Return the NDCG@10 of the blend with another ranker, for each weight."""
    found: dict[float, list[np.ndarray]] = {weight: [np.empty(0)] for weight in _WEIGHTS}
    at_once = max(1, _CELLS // max(1, validation.count))
    for start in range(0, len(validation.targets), at_once):
        targets = validation.targets[start : start + at_once]
        some = select(validation.histories, range(start, start + len(targets)))
        base, more = blend.scores(some), even(other.scores(some))
        for weight in _WEIGHTS:
            seen = None if validation.keep_seen else some
            ranked = ranks(base + np.float32(weight) * more, targets, seen)
            found[weight].append(ndcg(ranked, CUT))
    return {weight: float(np.concatenate(each).mean()) for weight, each in found.items()}
