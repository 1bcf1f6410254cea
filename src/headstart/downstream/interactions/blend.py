"""The network and a simple alternative together, where the items that validate say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.data.target_ranks import ndcg, ranks
from headstart.downstream.interactions.ranked import CUT

if TYPE_CHECKING:
    from headstart.downstream.interactions.split import Division
    from headstart.modalities.interactions.rankers import Ranker

#: Weights of the network beside the alternative that are tried.
WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
#: Users that choose the weight.
DECIDING = 5000
#: Users whose scores are in memory at once.
_AT_ONCE = 256


class Blend:
    """Scores of two rankers, each divided by its spread over the best items of a user.

    Args:
        weight: of the network's scores; those of the alternative weigh 1.
    """

    def __init__(self, network: Ranker, other: Ranker, weight: float) -> None:
        self._network, self._other, self.weight = network, other, weight
        self.name = f"pre-trained + {other.name}"
        self.settings: Mapping[str, Any] = {"weight of the network": weight}

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (B,I) of all items after each history."""
        ours = even(self._network.scores(histories))
        return even(self._other.scores(histories)) + np.float32(self.weight) * ours


def even(scores: np.ndarray, top: int = 100) -> np.ndarray:
    """Return scores (B,I) with mean 0 and deviation 1 over the ``top`` best items of each row."""
    count = min(top, scores.shape[1])
    best = np.partition(scores, -count, axis=1)[:, -count:]
    spread = best.std(1, keepdims=True)
    centred = scores - best.mean(1, keepdims=True)
    return (centred / np.where(spread > 0, spread, 1)).astype(np.float32)


def blended(
    network: Ranker, other: Ranker, parts: Division, *, seed: int, keep_seen: bool
) -> Blend | None:
    """Return the blend with the weight that ranks the items that validate best.

    None where neither alone is improved.
    """
    order = np.random.default_rng(seed).permutation(len(parts.users))
    chosen = np.sort(order[:DECIDING])
    scored = np.zeros(2 + len(WEIGHTS))
    for start in range(0, len(chosen), _AT_ONCE):
        some = chosen[start : start + _AT_ONCE]
        histories = [parts.histories[int(index)] for index in some]
        targets, seen = parts.validation[some], None if keep_seen else histories
        ours, theirs = even(network.scores(histories)), even(other.scores(histories))
        each = [ours, theirs, *(theirs + np.float32(weight) * ours for weight in WEIGHTS)]
        scored += [float(ndcg(ranks(scores, targets, seen), CUT).sum()) for scores in each]
    best = int(scored[2:].argmax())
    if scored[2 + best] <= scored[:2].max():
        return None
    return Blend(network, other, WEIGHTS[best])
