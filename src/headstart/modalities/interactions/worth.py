"""Do high values stand for what users like? Evidence from the values alone. Imports no torch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Most different values of a scale; more are counts or prices.
_SCALE = 21
#: Items with fewer values say nothing.
_FEWEST = 5
#: Items that have to be there, and the correlation from which it is said.
_ITEMS, _CLEAR = 50, -0.1


def upside_down(items: pa.ChunkedArray, values: pa.ChunkedArray) -> bool:
    """Return whether the lowest value seems to be the best one.

    Users choose what they expect to like, so that most values of a scale are in its better half,
    and items that many choose have better values (Marlin and Zemel 2009, "Collaborative Prediction
    and Ranking with Non-Random Missing Data"). It is said only where both speak for the lower half.
    """
    there = pc.and_(pc.is_valid(items), pc.is_valid(values))
    numbers = np.asarray(pc.filter(values, there))
    scale = np.unique(numbers)
    if not 2 < len(scale) <= _SCALE or numbers.mean() >= (scale[0] + scale[-1]) / 2:
        return False
    coded = pc.filter(items, there).combine_chunks()
    codes = np.asarray(coded.dictionary_encode().indices)
    counts = np.bincount(codes)
    means = np.bincount(codes, numbers) / np.maximum(counts, 1)
    enough = counts >= _FEWEST
    if enough.sum() < _ITEMS or not means[enough].std():
        return False
    found = np.corrcoef(np.log(counts[enough]), means[enough])[0, 1]
    return bool(found < min(_CLEAR, -2 / np.sqrt(enough.sum())))
