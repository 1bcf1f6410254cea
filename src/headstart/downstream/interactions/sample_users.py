"""Some tested users: what they had, what came next, what was recommended, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.data.target_ranks import select
from headstart.downstream.interactions.ranked import CUT
from headstart.downstream.interactions.reasons import reasons_of
from headstart.downstream.interactions.split import NEVER, Division
from headstart.evaluation.ranking import top
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers import Ranker

#: Hits that are shown, and misses, and the latest items of each history.
SHOWN, LATEST = 4, 8


def sample_users(
    ranker: Ranker, at: np.ndarray, parts: Division, processor: ItemProcessor, keep_seen: bool
) -> list[dict[str, Any]]:
    """Return some hits and as many misses, from all over the tested users.

    Args:
        at: (M,) the ranks of the tested items.

    Returns:
        of each the ``user``, the ``history``, what came ``next`` (None for an item that training
        never saw), the ``recommended`` items, its ``rank`` (None where it is in no list), whether
        the user ``had`` it before, which takes it from the list, and, where it is recommended, the
        ``reasons``: items of the history. Items have their titles.
    """
    testing = parts.testing
    chosen = np.concatenate([_spread(np.flatnonzero(at <= CUT)), _spread(np.flatnonzero(at > CUT))])
    histories = select(testing.histories, chosen.tolist())
    scores = ranker.scores(histories)
    seen = None if keep_seen else histories
    lists, found = top(scores, seen, CUT), []

    def titles(items: np.ndarray) -> list[str]:
        return [processor.title_of(processor.names[int(item)]) for item in items if item >= 0]

    for row, history, listed, rank in zip(chosen, histories, lists, at[chosen], strict=True):
        target = testing.items[row : row + 1]
        hit = rank <= CUT
        found.append(
            {
                "user": parts.users[int(testing.users[row])],
                "history": titles(history[-LATEST:]),
                "next": None if target[0] == NEVER else titles(target)[0],
                "recommended": titles(listed),
                "rank": float(rank) if np.isfinite(rank) else None,
                "had": bool((history == target[0]).any()),
                "reasons": titles(reasons_of(ranker, history, target)[0]) if hit else [],
            }
        )
    return found


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return some rows from the first to the last."""
    if len(rows) <= SHOWN:
        return rows
    return rows[np.linspace(0, len(rows) - 1, SHOWN).round().astype(int)]
