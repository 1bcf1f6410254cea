from __future__ import annotations

from dataclasses import replace

import pytest
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

    def taken(first: list[int], second: list[int]) -> str:
        told = [
            replace(each, selections=(Selection("class names", "", by_names=tuple(labels)),))
            for each, labels in ((alone, map(bool, first)), (beside, map(bool, second)))
        ]
        ours = results(told, {100: "100"}).ours(100)
        assert ours is not None
        return ours.candidate

    half = [1, 0] * 50
    assert taken(half, [1] * 5 + half[5:]) == "a"  # two labels more may be luck
    assert taken(half, [1] * 20 + half[20:]) == "b"  # ten more and none fewer are not
    # Twelve more and ten fewer: the shares are apart by as little as two labels.
    assert taken(half, [1] * 24 + [0] * 20 + half[44:]) == "a"
    assert taken([1] * 20 + half[20:], half) == "a"
    assert taken([], []) == "a"


def test_where_nothing_tells_the_encoder_stands_beside_simple_features() -> None:
    alone = outcome("a", "pretrained", 100, [0.5])
    beside = replace(outcome("a + LSA", "pretrained", 100, [0.5]), joined_with="LSA")
    without = results([alone, beside], {100: "100"}).ours(100)
    chosen = results(
        [replace(alone, validation=0.6), replace(beside, validation=0.5)], {100: "100"}
    )
    assert (without.candidate, chosen.ours(100).candidate) == ("a + LSA", "a")


@pytest.mark.parametrize(("first", "second"), [(0.4, 0.6), (0.6, 0.4)])
def test_an_alternative_without_validation_is_judged_by_the_head_with_a_rule(
    first: float, second: float
) -> None:
    table = results(
        [
            outcome("ours", "pretrained", 100, [0.5]),
            outcome("LSA", "baseline", 100, [first], probe="logistic regression"),
            outcome("LSA", "baseline", 100, [second], probe="auto"),
        ],
        {100: "100"},
    )
    # The scores on the tested units take no part in it.
    assert [(each.candidate, each.probe) for each in table.alternatives(100)] == [("LSA", "auto")]
