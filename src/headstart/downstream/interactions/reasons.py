"""Why an item is recommended: the items of the history without which it would score less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from headstart.modalities.interactions.rankers import Ranker

#: Latest items of a history among which reasons are looked for, and reasons of an item.
_RECENT, _REASONS = 100, 2
#: Histories whose scores of all items are in memory at once.
_AT_ONCE = 16


def reasons_of(ranker: Ranker, history: np.ndarray, items: np.ndarray) -> Sequence[np.ndarray]:
    """Return for each item the items of the history without which it would score less.

    Args:
        items: (k,) those that are explained.
    """
    history = history[-_RECENT:]
    own = np.array(list(dict.fromkeys(history.tolist())), dtype=history.dtype)
    if len(own) < 2:
        return [own] * len(items)
    # All without the times of events, as a pause has no item of its own.
    each = [history, *(history[history != item] for item in own)]
    scores = [
        ranker.scores(each[at : at + _AT_ONCE])[:, items] for at in range(0, len(each), _AT_ONCE)
    ]
    whole, without = np.concatenate(scores)[:1], np.concatenate(scores)[1:]
    lost = whole - without  # (H,k), H different items
    order = np.argsort(-lost, axis=0)[:_REASONS]
    return [own[order[lost[order[:, item], item] > 0, item]] for item in range(len(items))]
