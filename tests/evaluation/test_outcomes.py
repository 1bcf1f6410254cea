from __future__ import annotations

from dataclasses import replace

import numpy as np
from scored import outcome, results

from headstart.evaluation.heads.chosen import Selection


def test_a_candidate_is_judged_by_its_first_probe_and_by_knn_only_if_alone() -> None:
    table = results(
        [
            outcome("a", "pretrained", 10, [0.9], probe="kNN"),
            outcome("a", "pretrained", 10, [0.8], probe="logistic regression"),
            outcome("a", "pretrained", 10, [0.7], probe="prototypes"),
            outcome("b", "baseline", 10, [0.6], probe="kNN"),
            outcome("c", "scratch", 20, [0.5], probe="own head"),
        ],
        {10: "10", 20: "20"},
    )
    judged = [(x.candidate, x.probe) for x in table.judged(10)]
    assert judged == [("a", "logistic regression"), ("b", "kNN")]
    assert [x.mean for x in table.judged(20)] == [0.5]


def test_where_nothing_was_held_out_the_labels_that_class_names_tell_decide() -> None:
    alone, beside = (outcome(name, "pretrained", 100, [0.5]) for name in "ab")

    def table(first: float, second: float):
        told = [
            replace(each, selections=(Selection("class names", "", by_names=share),))
            for each, share in ((alone, first), (beside, second))
        ]
        return results(told, {100: "100"}).ours(100).candidate

    assert table(0.3, 0.6) == "b"
    assert table(0.5, 0.6) == "a"  # a hundred labels cannot tell these apart
    assert table(0.6, 0.3) == "a"
    assert table(np.nan, np.nan) == "a"
