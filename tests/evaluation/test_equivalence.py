from __future__ import annotations

import numpy as np
import pytest
from scored import outcome, results

from headstart.evaluation.equivalence import Equivalent, equivalents
from headstart.evaluation.outcomes import Results

COUNTS = {10: "10", 100: "100", 1000: "1000", 10000: "all"}


def table(
    ours: list[float], *others: list[float], noise: float = 0.0, spread: float = 0.0
) -> Results:
    """Return results in which the curves have these means, and draws differ by ``spread``."""
    outcomes = []
    for index, curve in enumerate((ours, *others)):
        for labels, mean in zip(COUNTS, curve, strict=True):
            draws = [mean + spread * step for step in (-1, 0, 1)] if labels < 10000 else [mean]
            if index:
                draws = draws[::-1]
            kind = "baseline" if index else "pretrained"
            outcomes.append(outcome(f"c{index}", kind, labels, draws, noise, seed=index))
    return results(outcomes, COUNTS, training=10000)


def test_labels_are_interpolated_on_the_logarithm_of_their_number() -> None:
    found = equivalents(table([0.75, 0.85, 0.9, 0.9], [0.6, 0.7, 0.8, 0.9]))
    assert found[10].needed == pytest.approx(10**2.5)
    assert found[100].needed == pytest.approx(10**3.5)
    assert found[1000].needed == found[10000].needed == pytest.approx(10000)
    assert str(found[10]) == "320"
    assert found[10].interval == "320 to 320"


def test_the_first_alternative_that_gets_there_counts() -> None:
    found = equivalents(table([0.8, 0.8, 0.8, 0.8], [0.6, 0.7, 0.8, 0.9], [0.5, 0.8, 0.8, 0.8]))
    assert found[10].needed == pytest.approx(100)


def test_what_is_never_reached_is_more_than_all() -> None:
    found = equivalents(table([0.95, 0.95, 0.95, 0.95], [0.6, 0.7, 0.8, 0.9]))
    assert np.isinf(found[10].needed)
    assert str(found[10]) == "more than 10,000"
    low = equivalents(table([0.1, 0.1, 0.1, 0.1], [0.6, 0.7, 0.8, 0.9]))
    assert str(low[1000]) == "10 or fewer"
    tried = Equivalent(10, np.inf, 40, np.inf, 10, 1000)
    assert tried.interval == "40 to more than 1,000"


def test_an_alternative_that_falls_by_chance_is_made_to_rise() -> None:
    found = equivalents(table([0.8, 0.8, 0.8, 0.8], [0.5, 0.7, 0.66, 0.9]))
    middle = 0.68  # the two in the middle are pooled
    expected = 10 ** (3 + (0.8 - middle) / (0.9 - middle))
    assert found[10].needed == pytest.approx(expected)


@pytest.mark.parametrize("chance", ["noise", "spread"])
def test_variance_widens_the_interval_around_the_number(chance: str) -> None:
    found = equivalents(table([0.75] * 4, [0.6, 0.7, 0.8, 0.9], **{chance: 0.01}))[10]
    assert 10**2 < found.low < 10**2.5 < found.high < 10**3
    assert found.high / found.low > 1.3


def test_one_number_of_labels_or_no_alternative_gives_nothing() -> None:
    assert equivalents(table([0.5] * 4)) == {}
    only = [outcome("a", "pretrained", 10, [0.8]), outcome("b", "baseline", 10, [0.7])]
    assert equivalents(results(only, {10: "10"})) == {}
    free = [outcome("a", "pretrained", 0, [0.8]), outcome("b", "baseline", 0, [0.7])]
    assert equivalents(results(free, {0: "no labels"})) == {}
