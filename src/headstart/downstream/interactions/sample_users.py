"""Some tested users: what they had, what came next, what was recommended, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.data.target_ranks import select
from headstart.downstream.interactions.ranked import CUT
from headstart.downstream.interactions.reasons import reasons_of
from headstart.downstream.interactions.split import NEVER, Division
from headstart.evaluation.ranking import ranks, top
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers import Ranker

#: Users that are shown, and the latest items of each history.
SHOWN, LATEST = 12, 8


def sample_users(
    ranker: Ranker, parts: Division, processor: ItemProcessor, keep_seen: bool
) -> list[dict[str, Any]]:
    """Return users from all over the tested ones, the last tested item of each.

    Each has ``user``, the ``history``, what came ``next`` (None for an item that training never
    saw), the ``recommended`` items, its ``rank`` (None where it is in no list) and, where it is
    recommended, the ``reasons``: items of the history. Items have their titles.
    """
    testing = parts.testing
    last = np.append(np.flatnonzero(np.diff(testing.users)), len(testing.users) - 1)
    chosen = last[np.unique(np.linspace(0, len(last) - 1, SHOWN).round().astype(int))]
    histories = select(testing.histories, chosen.tolist())
    scores = ranker.scores(histories)
    seen = None if keep_seen else histories
    lists, found = top(scores, seen, CUT), []
    at = ranks(scores, testing.items[chosen], seen)

    def titles(items: np.ndarray) -> list[str]:
        return [processor.title_of(processor.names[int(item)]) for item in items if item >= 0]

    for row, history, listed, rank in zip(chosen, histories, lists, at, strict=True):
        target = testing.items[row : row + 1]
        hit = rank <= CUT
        found.append(
            {
                "user": parts.users[int(testing.users[row])],
                "history": titles(history[-LATEST:]),
                "next": None if target[0] == NEVER else titles(target)[0],
                "recommended": titles(listed),
                "rank": float(rank) if np.isfinite(rank) else None,
                "reasons": titles(reasons_of(ranker, history, target)[0]) if hit else [],
            }
        )
    return found
