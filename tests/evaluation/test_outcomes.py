from __future__ import annotations

from scored import outcome, results


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
