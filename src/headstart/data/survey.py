"""A look at many records: a sample of them, and the spread of a number."""

from __future__ import annotations

import numpy as np

from headstart.data.content import Effort
from headstart.seeding import derive

#: Pairs of near duplicates that are listed; all are counted.
EXAMPLES = 100
_QUANTILES = {"shortest": 0, "5%": 0.05, "25%": 0.25, "median": 0.5, "75%": 0.75}


def sample(count: int, effort: Effort) -> np.ndarray:
    """Return sorted places (m,) of the records that are looked at closely."""
    if not effort.sample or effort.sample >= count:
        return np.arange(count)
    random = np.random.default_rng(derive(effort.seed, "survey"))
    return np.sort(random.choice(count, effort.sample, replace=False))


def quantiles(values: np.ndarray) -> dict[str, int]:
    """Return the shortest, the median and so on, by plain names."""
    if not len(values):
        return {}
    found = np.quantile(values, list(_QUANTILES.values()), method="lower")
    return {name: int(value) for name, value in zip(_QUANTILES, found, strict=True)}
