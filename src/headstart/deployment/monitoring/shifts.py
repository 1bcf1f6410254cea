"""Shifts of what can be counted: labels, predictions, rules that fail, unknown tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.deployment.monitoring.mmd import BATCH, EXTREME, MOST, Tested, permuted

#: Classes that are named, and tokens.
NAMED = 8


@dataclass(frozen=True)
class Moved:
    """Something whose share has changed.

    Attributes:
        name: the class, the rule or the token.
        before, after: its share of the baseline and of the new records.
        score: standard errors between the two.
    """

    name: str
    before: float
    after: float
    score: float


def categories_test(
    baseline: Sequence[str], new: Sequence[str], level: float, generator: np.random.Generator
) -> Tested:
    """Return Pearson's chi-squared of two lists of classes, with its permutation p-value.

    Given the counts of both together, those of the new ones are hypergeometric, so that whole
    tables are drawn and no record is moved.
    """
    names = sorted({*baseline, *new})
    first, second = (np.array([Counter(each)[name] for name in names]) for each in (baseline, new))
    both, m = first + second, len(new)
    expected = both * (m / both.sum())
    rest = both * (len(baseline) / both.sum())

    def statistic(counts: np.ndarray) -> np.ndarray:
        apart = (counts - expected) ** 2
        found: np.ndarray = (apart / expected + apart / rest).sum(-1)
        return found

    observed = float(statistic(second))
    most, drawn, extreme = min(MOST, max(1000, int(4 / level))), 0, 0
    while drawn < most:
        count = min(BATCH, most - drawn)
        tables = generator.multivariate_hypergeometric(both, m, size=count, method="marginals")
        reached = np.flatnonzero(statistic(tables) >= observed - 1e-9)
        if extreme + len(reached) >= EXTREME:
            return Tested(observed, EXTREME / (drawn + int(reached[EXTREME - extreme - 1]) + 1))
        extreme += len(reached)
        drawn += count
    return Tested(observed, (extreme + 1) / (drawn + 1))


def means_test(
    baseline: np.ndarray, new: np.ndarray, level: float, generator: np.random.Generator
) -> Tested:
    """Return the difference of two means, without its sign, with its permutation p-value."""
    both = np.concatenate([baseline, new]).astype(np.float64)
    n, m = len(baseline), len(new)

    def statistic(drawn: np.ndarray) -> np.ndarray:
        inside = both[drawn].sum(1)
        found: np.ndarray = np.abs(inside / m - (both.sum() - inside) / n)
        return found

    return permuted(statistic, n + m, m, level, generator)


def moved_categories(baseline: Sequence[str], new: Sequence[str]) -> list[Moved]:
    """Return the classes whose shares have changed most, the surest change first."""
    before, after = Counter(baseline), Counter(new)
    return moved(
        [*dict.fromkeys([*before, *after])],
        np.array([before[name] for name in dict.fromkeys([*before, *after])]),
        np.array([after[name] for name in dict.fromkeys([*before, *after])]),
    )


def moved(names: Sequence[str], before: np.ndarray, after: np.ndarray) -> list[Moved]:
    """Return names whose share of all counts has changed, the surest change first.

    The score is the log-odds ratio in standard errors, with half a count added to each (Monroe,
    Colaresi and Quinn 2008, "Fightin' words"), so that what is rare does not come first.

    Args:
        before, after: (K,) counts of each name.
    """
    one, two = before + 0.5, after + 0.5
    odds = np.log(two / (two.sum() - two + 0.5)) - np.log(one / (one.sum() - one + 0.5))
    scores = odds / np.sqrt(1 / one + 1 / two)
    order = np.argsort(-np.abs(scores), kind="stable")[:NAMED]
    shares = [counts / max(1, counts.sum()) for counts in (before, after)]
    return [
        Moved(names[i], float(shares[0][i]), float(shares[1][i]), float(scores[i])) for i in order
    ]
