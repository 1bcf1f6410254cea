"""What would decide a comparison that is not clear."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from headstart.evaluation.deciding import more_to_decide
from headstart.evaluation.intervals import Change
from headstart.evaluation.metrics import Estimate


def change(mean: float, within: float = 0.0, between: float = 0.0, rest: float = 0.0) -> Change:
    return Change(Estimate(mean, mean, mean), 0.5, 0.5, within, between, rest)


def test_few_draws_ask_for_more_draws() -> None:
    found = more_to_decide(change(0.02, within=1e-6, between=2e-4), 5, 1000, 0.05)
    assert found is not None
    kind, count = found
    assert kind == "draws"
    # At that number the interval leaves out 0, and one draw fewer is not enough.
    for number, enough in ((count, True), (count - 1, False)):
        error = math.sqrt(1e-6 + 2e-4 * 5 / number)
        assert (stats.t.ppf(0.975, number - 1) * error < 0.02) == enough


def test_few_tested_records_ask_for_more_records() -> None:
    found = more_to_decide(change(0.02, within=4e-4), 1, 500, 0.05)
    # z = 1.96: the variance must be 1.04e-4, a quarter of what it is.
    assert found == ("units", 2000)


@pytest.mark.parametrize("hopeless", [change(1e-5, within=1e-4, between=1e-4), change(0.0)])
def test_a_difference_of_next_to_nothing_is_not_worth_deciding(hopeless: Change) -> None:
    assert more_to_decide(hopeless, 5, 1000, 0.05) is None


def test_what_neither_reduces_counts() -> None:
    assert more_to_decide(change(0.02, within=1e-6, between=1e-6, rest=1e-3), 5, 1000, 0.05) is None
