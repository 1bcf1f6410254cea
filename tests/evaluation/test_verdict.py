from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.evaluate import Outcome
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.verdict import Gain, details, headline, label_name, points


def gain(name: str, mean: float, half: float) -> Gain:
    def outcome(accuracy: float) -> Outcome:
        score = Estimate(accuracy, accuracy, accuracy)
        scores = {"accuracy": score}
        return Outcome("TF-IDF", "baseline", "logistic regression", 1, np.zeros((1, 1)), scores)

    change = Estimate(mean, mean - half, mean + half)
    return Gain(1, name, outcome(0.5 + mean), outcome(0.5), change)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            [gain("10", 0.05, 0.01), gain("100", 0.031, 0.01), gain("all 500", 0.002, 0.01)],
            "Yes: pre-training gained 5.0 points with 10 labels and 3.1 with 100 over the best "
            "alternative; there is no clear difference with all 500 labels.",
        ),
        (
            [gain("10", 0.05, 0.01), gain("all 500", -0.02, 0.01)],
            "Partly: pre-training gained 5.0 points with 10 labels over the best alternative; it "
            "lost 2.0 points with all 500 labels against the best alternative.",
        ),
        (
            [gain("10", -0.05, 0.01), gain("100", 0.05, 0.06)],
            "No: pre-training lost 5.0 points with 10 labels against the best alternative; there "
            "is no clear difference with 100 labels.",
        ),
        (
            [gain("10", 0.05, 0.06), gain("100", -0.05, 0.06)],
            "No: neither pre-training nor the best alternative is clearly better with 10 and 100 "
            "labels.",
        ),
    ],
)
def test_the_first_line_says_all_of_it(found: list[Gain], sentence: str) -> None:
    assert headline(found) == sentence


def test_an_interval_that_touches_zero_is_no_gain() -> None:
    assert gain("10", 0.25, 0.25).sign == 0
    assert gain("10", 0.25, 0.24).sign == 1


def test_each_number_of_labels_has_its_line() -> None:
    line = "10 labels: 55.0 % against 50.0 % (TF-IDF), +5.0 points [+4.0, +6.0]"
    assert details([gain("10", 0.05, 0.01)]) == [line]
    assert points(-0.0001) == "+0.0"
    assert label_name(1250, "5%") == "1,250 (5%)"
    assert label_name(25000, "all") == "all 25,000"
