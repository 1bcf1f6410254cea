"""Is an explanation faithful? The units it ranks first are deleted, and as many random ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Shares of a record that are deleted (DeYoung et al. 2020, https://arxiv.org/abs/1911.03429,
#: section 4).
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
#: The share that is reported in words, and that decides: its index.
REPORTED = SHARES.index(0.1)
#: Number of random orders of deletion.
DRAWS = 20

#: From sets of deleted units to the log-odds of the class without each set.
Score = Callable[[Sequence[set[int]]], np.ndarray]


@dataclass(frozen=True)
class Deletion:
    """The log-odds of a class as more and more units of a record are deleted.

    Attributes:
        before: the log-odds with nothing deleted.
        counts: numbers of deleted units, one per share in :data:`SHARES`.
        named: the log-odds after each, deleting in the order of the explanation.
        random: the mean over :data:`DRAWS` random orders; ``low`` and ``high`` are their 5% and 95%
            quantiles.
    """

    before: float
    counts: tuple[int, ...]
    named: tuple[float, ...]
    random: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def named_drop(self) -> float:
        """The mean drop over the shares: area over the perturbation curve (comprehensiveness)."""
        return self.before - float(np.mean(self.named))

    @property
    def random_drop(self) -> float:
        """The same for random deletions."""
        return self.before - float(np.mean(self.random))

    @property
    def holds(self) -> bool:
        """Whether a tenth that is named lowers the log-odds more than 19 of 20 random tenths."""
        return self.named[REPORTED] < self.low[REPORTED]

    def summary(self) -> dict[str, Any]:
        """Return plain values, with the two areas."""
        drops = {"named_drop": self.named_drop, "random_drop": self.random_drop}
        return {**asdict(self), **drops, "holds": self.holds}


def deletion(score: Score, order: Sequence[int], seed: int, draws: int = DRAWS) -> Deletion | None:
    """Delete the units of a record in ``order`` and in random orders; None without units."""
    count = len(order)
    if not count:
        return None
    counts = [max(1, round(share * count)) for share in SHARES]
    random = np.random.Generator(np.random.PCG64(seed))
    orders = [list(order), *(random.permutation(count).tolist() for _ in range(draws))]
    sets: list[set[int]] = [set(), *(set(units[:n]) for units in orders for n in counts)]
    found = score(sets)
    curves = found[1:].reshape(len(orders), len(counts))
    drawn = curves[1:]

    def plain(row: np.ndarray) -> tuple[float, ...]:
        return tuple(float(value) for value in row)

    return Deletion(
        before=float(found[0]),
        counts=tuple(counts),
        named=plain(curves[0]),
        random=plain(drawn.mean(0)),
        low=plain(np.quantile(drawn, 0.05, axis=0)),
        high=plain(np.quantile(drawn, 0.95, axis=0)),
    )
