"""Sequences of items, one a user, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from headstart.errors import HeadstartError


@dataclass(frozen=True)
class Sequences:
    """The items of each user in the order of time, in one array.

    Example::

        train = Sequences.of([[3, 1, 4], [1, 5]], count=6)
        train[0]  # array([3, 1, 4])
        train.without_last(1)[1]  # array([1])

    Attributes:
        items: (N,) integers, 0..count-1, one user after the other.
        offsets: (U+1,) where the items of each user begin; the last one is N.
        count: I, number of items of the catalogue, those without an event included.
        times: (N,) when each event was, in any unit; None where only the order is known.
    """

    items: np.ndarray
    offsets: np.ndarray
    count: int
    times: np.ndarray | None = None

    def __post_init__(self) -> None:
        ends = self.offsets[[0, -1]].tolist() if len(self.offsets) else None
        if ends != [0, len(self.items)] or bool((np.diff(self.offsets) < 0).any()):
            raise HeadstartError(
                f"the offsets of {len(self.items)} items are not ascending from 0 to "
                f"{len(self.items)}: give each user's first index, and the number of items."
            )
        if len(self.items) and not (self.items.min() >= 0 and self.items.max() < self.count):
            raise HeadstartError(
                f"an item is not in 0..{self.count - 1}: number the items of the catalogue from 0, "
                "and give their number."
            )
        if self.times is not None and len(self.times) != len(self.items):
            raise HeadstartError(
                f"{len(self.items)} events have {len(self.times)} times: give one for each."
            )

    @classmethod
    def of(cls, users: Iterable[Iterable[int]], count: int) -> Sequences:
        """Return sequences from the items of each user, out of ``count`` items."""
        arrays = [np.asarray(list(user), dtype=np.int32) for user in users]
        offsets = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
        items = np.concatenate([np.empty(0, dtype=np.int32), *arrays])
        return cls(items, offsets, count)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, user: int) -> np.ndarray:
        if not -len(self) <= user < len(self):
            raise IndexError(user)
        user %= len(self)
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[user] for user in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Number of events of each user (U,)."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> np.ndarray:
        """The user of each event (N,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def from_end(self) -> np.ndarray:
        """How many events of the same user come after each event (N,)."""
        return np.repeat(self.offsets[1:], self.lengths) - 1 - np.arange(len(self.items))

    def counts(self) -> np.ndarray:
        """Return the number of events of each item (I,) int64."""
        return np.bincount(self.items, minlength=self.count)

    def without_last(self, number: int) -> Sequences:
        """Return the sequences without the last events of each user.

        Users with no more than ``number`` events stay, without any.
        """
        lengths = np.maximum(self.lengths - number, 0)
        return self._of_rows(np.flatnonzero(self.from_end >= number), lengths)

    def last(self, number: int) -> Sequences:
        """Return the last events of each user, ``number`` at most."""
        return self._of_rows(
            np.flatnonzero(self.from_end < number), np.minimum(self.lengths, number)
        )

    def take(self, indices: np.ndarray) -> Sequences:
        """Return the sequences of the users ``indices`` (n,), in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        lengths = self.lengths[indices]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self._of_rows(np.repeat(self.offsets[indices], lengths) + within, lengths)

    def _of_rows(self, rows: np.ndarray, lengths: np.ndarray) -> Sequences:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        times = None if self.times is None else self.times[rows]
        return Sequences(self.items[rows], offsets, self.count, times)
