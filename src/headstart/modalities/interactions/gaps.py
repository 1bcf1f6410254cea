"""The time between an item and the one before it, in classes that an encoder has vectors of.

Time-aware self-attention (Li et al. 2020, "Time Interval Aware Self-Attention for Sequential
Recommendation", WSDM) has a vector for each pair's interval. Here each item has one for the time
since the item before it, so that nothing grows with the square of the length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.batch import GAPS
from headstart.modalities.interactions.lists import lists_of

if TYPE_CHECKING:
    from datasets import Dataset

    from headstart.modalities.interactions.lists import Lists


def gap_classes(times: np.ndarray) -> np.ndarray:
    """Return the class (H,) uint8 of the time before each item, from the times of one history.

    Example::

        gap_classes(np.array([50.0, 50.0, 53.0]))  # array([0, 1, 3])
    """
    return classes_of(times, np.array([0, len(times)]))


def classes_of(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the classes (N,) uint8 of many histories, one after the other.

    0 where the time is not known, else 1 + the logarithm to base 2 of 1 + seconds.

    Args:
        times: (N,) in seconds; NaN where one is not known.
        offsets: (U+1,) where each history begins.
    """
    found = np.zeros(len(times), dtype=np.uint8)
    if not len(times):
        return found
    seconds = np.maximum(np.diff(times), 0.0)
    known = np.isfinite(seconds)
    steps = np.log2(1 + np.where(known, seconds, 0.0)).astype(np.int64)
    found[1:] = np.where(known, 1 + np.minimum(steps, GAPS - 2), 0)
    found[offsets[:-1][offsets[:-1] < len(times)]] = 0
    return found


def times_of(records: Dataset, items: Lists) -> np.ndarray | None:
    """Return the time (N,) of each item of records, NaN where none is known; None if none is."""
    if "times" not in records.column_names:
        return None
    times = lists_of(records, "times")
    if not len(times.values):
        return None
    found = np.full(len(items.values), np.nan)
    whole = times.lengths == items.lengths
    kept = np.repeat(whole, times.lengths)
    found[np.repeat(whole, items.lengths)] = np.asarray(times.values, dtype=np.float64)[kept]
    return found


def is_timed(records: Dataset) -> bool:
    """Whether any record has times."""
    return "times" in records.column_names and bool(len(lists_of(records, "times").values))
