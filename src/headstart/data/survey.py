"""Tools for surveys: samples, quantiles, and tables of counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headstart.data.content import Effort
from headstart.pages.tables import Table
from headstart.seeding import derive

#: Most rows of a table of counts.
NAMED = 10
#: Most pairs of near duplicates that are listed; all are counted.
EXAMPLES = 100
#: Names of quantiles, and the share of the records below each.
QUANTILES = {
    **{"shortest": 0, "5%": 0.05, "25%": 0.25, "median": 0.5},
    **{"75%": 0.75, "95%": 0.95, "longest": 1},
}


def sample(count: int, effort: Effort) -> np.ndarray:
    """Return sorted indices (m,) of a sample of the records."""
    if not effort.sample or effort.sample >= count:
        return np.arange(count)
    random = np.random.default_rng(derive(effort.seed, "survey"))
    return np.sort(random.choice(count, effort.sample, replace=False))


def spread(count: int, most: int | None) -> np.ndarray:
    """Return an even sample of at most ``most`` indices below ``count``; None is all."""
    return np.unique(np.linspace(0, count - 1, min(count, most or count)).astype(int))


def quantiles(values: np.ndarray) -> dict[str, int]:
    """Return quantiles by name: shortest, 5%, median and so on."""
    if not len(values):
        return {}
    found = np.quantile(values, list(QUANTILES.values()), method="lower")
    return {name: int(value) for name, value in zip(QUANTILES, found, strict=True)}


def counted(title: str, counts: Mapping[str, int]) -> Table:
    """Return a table of counts, with the first :data:`NAMED` of them."""
    of = max(1, sum(counts.values()))
    rows = [
        [name, f"{count:,}", in_words(count / of)] for name, count in list(counts.items())[:NAMED]
    ]
    return Table(title, rows, ["", "records", "share"])


def in_words(share: float) -> str:
    """Return a share in percent; a positive share is never 0.0%."""
    return "less than 0.1%" if 0 < share < 0.001 else f"{share:.1%}"
