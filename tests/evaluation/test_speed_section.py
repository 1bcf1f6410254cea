"""The report plots what a point costs, for candidates whose features were computed here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scored import outcome, results

from headstart.evaluation.outcomes import Candidate, Cost
from headstart.evaluation.report.speed import section
from headstart.modalities import Baseline

COSTS = {"pre-trained": Cost(9000, 31), "published": Cost(300, 90.7), "TF-IDF": Cost(4000)}


def found(costs=COSTS):
    scores = {"pre-trained": 0.8, "published": 0.82, "TF-IDF": 0.7, "scratch": 0.9}
    kinds = ("pretrained", "other", "baseline", "scratch")
    outcomes = [
        outcome(name, kind, labels, [score - 0.1 * (labels == 10)])
        for labels in (10, 100)
        for (name, score), kind in zip(scores.items(), kinds, strict=True)
    ]
    return replace(results(outcomes, {10: "10", 100: "all"}), costs=costs)


def test_it_names_speed_and_size_at_the_largest_number_of_labels():
    page = str(section(found()))
    assert "pre-trained is 30 times as fast as published, for -2.0 points" in page.replace("−", "-")
    assert "pre-trained, 31 MB: 80.0%" in page
    assert "published, 91 MB" in page
    assert ">TF-IDF<" in page
    assert "scratch" not in page  # its features were not timed
    assert "all 100 labels" in page


def test_the_best_that_is_also_the_fastest_is_called_so():
    page = str(section(found({**COSTS, "published": Cost(10_000, 90)})))
    assert "published is the best, and the fastest" in page


def test_what_is_not_clearly_faster_is_not_called_so():
    page = str(section(found({**COSTS, "published": Cost(8900, 90), "TF-IDF": Cost(100)})))
    assert "published is the best, and none is clearly faster" in page


def test_a_single_one_is_no_chart():
    assert not section(found({"TF-IDF": Cost(10)}))


def test_what_stands_side_by_side_takes_the_time_of_both():
    both = Cost(100, 5) + Cost(50, 1)
    assert np.isclose(both.speed, 1 / (1 / 100 + 1 / 50))
    assert both.megabytes == 6
    assert (Cost(100, 5) + Cost()).speed == 0


def test_the_speed_of_a_simple_alternative_is_that_of_all_its_records():
    features = np.zeros((30, 2))
    assert Candidate.of(Baseline("a", features, features[:10], seconds=2.0)).cost.speed == 20
    assert Candidate.of(Baseline("a", features)).cost.speed == 0
