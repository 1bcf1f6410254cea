"""Histories whose times are known: for rankers that look at the items alone, lists of items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np


class TimedHistories(Sequence[np.ndarray]):
    """The items (H,) of each history, and when each was.

    Example::

        histories = TimedHistories([np.array([3, 1])], [np.array([50.0, 60.0])])
        histories[0]  # array([3, 1])
        histories.times[0]  # array([50., 60.])

    Args:
        items: of each history, in the order of time.
        times: in seconds, as many for each history as it has items.
    """

    def __init__(self, items: Sequence[np.ndarray], times: Sequence[np.ndarray]) -> None:
        self.items, self.times = items, times

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> TimedHistories: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | TimedHistories:
        if isinstance(index, slice):
            return TimedHistories(self.items[index], self.times[index])
        return self.items[index]

    def select(self, rows: Iterable[int]) -> TimedHistories:
        """Return those of the rows."""
        chosen = list(rows)
        return TimedHistories(
            [self.items[row] for row in chosen], [self.times[row] for row in chosen]
        )


def times_within(histories: Sequence[np.ndarray]) -> Sequence[np.ndarray | None]:
    """Return the times of each history; None for each where they are not known."""
    if isinstance(histories, TimedHistories):
        return histories.times
    return [None] * len(histories)
