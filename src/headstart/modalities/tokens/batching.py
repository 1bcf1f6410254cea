"""Batches of sequences of similar length, with little padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import TypeVar

import numpy as np

#: Sequences that are read together, and sorted by their length.
WINDOW = 8192

Value = TypeVar("Value")
Row = TypeVar("Row", bound=Sized)


def by_length(
    values: Iterable[Value], read: Callable[[list[Value]], list[Row]], most: int
) -> Iterator[tuple[np.ndarray, list[Row]]]:
    """Yield the indices (n,) of values and their sequences, n of similar length at a time.

    In each window of :data:`WINDOW` values the longest come first, so that a lack of memory shows
    immediately.

    Args:
        values: the records of the sequences.
        read: turns values into sequences of ids.
        most: most ids in a batch, padding included; a single sequence may be longer.
    """
    remaining, first = iter(values), 0
    while window := list(islice(remaining, WINDOW)):
        rows = read(window)
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        order = np.argsort(-sizes, kind="stable")
        start = 0
        while start < len(order):
            longest = max(1, int(sizes[order[start]]))
            indices = order[start : start + max(1, most // longest)]
            yield first + indices, [rows[index] for index in indices]
            start += len(indices)
        first += len(window)
