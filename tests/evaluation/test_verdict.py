from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scored import outcome, results

from headstart.encoders.joined import OWN
from headstart.evaluation.equivalence import Equivalent
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import ACCURACY, Kind, Metric
from headstart.evaluation.verdict import (
    Gain,
    PairedComparison,
    details,
    gains,
    headline,
    label_name,
    points,
)


def comparison(mean: float, half: float, clear: bool, kind: Kind = "baseline") -> PairedComparison:
    other = outcome("TF-IDF", kind, 1, [0.5])
    return PairedComparison(other, Estimate(mean, mean - half, mean + half), 0.01 if clear else 0.3)


def gain(
    name: str,
    mean: float,
    half: float,
    *,
    start: float | None = None,
    worth: float | None = None,
    metric: Metric = ACCURACY,
) -> Gain:
    """Return a gain that is clear where its interval leaves out 0."""
    labels = int(name.split()[-1].replace(",", "")) if name != "no" else 0
    return Gain(
        labels,
        name,
        metric,
        outcome("pre-trained", "pretrained", labels, [0.5 + mean]),
        comparison(mean, half, abs(mean) > half),
        None if start is None else comparison(start, half, abs(start) > half, "start"),
        None if worth is None else Equivalent(labels, worth, 420, math.inf, 10, 25000),
        claims=3,
    )


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            [gain("10", 0.05, 0.01), gain("100", 0.031, 0.01), gain("all 500", 0.002, 0.01)],
            "Yes, up to 100 labels: pre-training gained 5.0 points with 10 labels and 3.1 with 100 "
            "over the best alternative; there is no clear difference with all 500 labels.",
        ),
        (
            [gain("10", 0.05, 0.06), gain("100", 0.04, 0.01), gain("all 500", 0.03, 0.01)],
            "Yes, from 100 labels on: pre-training gained 4.0 points with 100 labels and 3.0 with "
            "all 500 over the best alternative; there is no clear difference with 10 labels.",
        ),
        (
            [gain("10", 0.0, 0.01), gain("100", 0.04, 0.01), gain("all 500", 0.0, 0.01)],
            "Yes, with 100 labels: pre-training gained 4.0 points with 100 labels over the best "
            "alternative; there is no clear difference with 10 and all 500 labels.",
        ),
        (
            [gain("10", 0.05, 0.01), gain("100", 0.0, 0.01), gain("all 500", 0.05, 0.01)],
            "Yes, with 10 and all 500 labels: pre-training gained 5.0 points with 10 labels and "
            "5.0 with all 500 over the best alternative; there is no clear difference with 100 "
            "labels.",
        ),
        (
            [gain("10", 0.05, 0.01), gain("all 500", -0.02, 0.01)],
            "Partly, with 10 labels: pre-training gained 5.0 points with 10 labels over the best "
            "alternative; it lost 2.0 points with all 500 labels against the best alternative.",
        ),
        (
            [gain("10", -0.05, 0.01), gain("100", 0.05, 0.06)],
            "No: pre-training lost 5.0 points with 10 labels against the best alternative; there "
            "is no clear difference with 100 labels.",
        ),
        (
            [gain("10", 0.05, 0.06), gain("100", -0.05, 0.06)],
            "Not clear: neither pre-training nor the best alternative is clearly better with 10 "
            "and 100 labels.",
        ),
        (
            [gain("no", 0.041, 0.01, metric=Metric("Spearman", percent=False))],
            "Yes: pre-training gained 0.041 Spearman over the best alternative.",
        ),
        (
            [gain("no", 0.041, 0.01, metric=Metric("NMI", percent=True))],
            "Yes: pre-training gained 4.1 points of NMI over the best alternative.",
        ),
        ([], "No verdict: there is no alternative to compare with."),
    ],
)
def test_the_first_line_says_all_of_it(found: list[Gain], sentence: str) -> None:
    assert headline(found) == sentence


def test_below_stand_what_the_labels_are_worth_each_number_and_how_sure_it_is() -> None:
    found = [gain("10", 0.05, 0.01, worth=640), gain("100", 0.03, 0.01, worth=math.inf)]
    worth, first, second, _, runs, sure = details(found)
    assert worth == ("10 labels now do the work of 640 and 100 of more than 25,000.")
    assert first == (
        "10 labels: 55.0% against 50.0% (TF-IDF, logistic regression), +5.0 points [+4.0, +6.0]; "
        "worth 640 labels [420 to more than 25,000]"
    )
    assert second.startswith("100 labels: ")
    assert runs.startswith("One pre-training was measured")
    assert "all 3 comparisons (Holm)" in sure


def test_a_difference_that_only_its_own_interval_bears_is_called_unclear() -> None:
    made = gain("10", 0.05, 0.01)
    weak = Gain(10, "10", ACCURACY, made.ours, comparison(0.05, 0.04, clear=False), claims=4)
    assert weak.sign == 0
    assert headline([weak]).startswith("Not clear: neither")
    assert details([weak])[0].endswith(
        "[+1.0, +9.0], not clear after the correction for 4 comparisons"
    )


def test_continued_pre_training_is_compared_with_its_starting_checkpoint() -> None:
    found = [
        gain("10", 0.05, 0.01, start=0.06),
        gain("100", 0.03, 0.01, start=0.0),
        gain("all 500", 0.03, 0.01, start=-0.04),
    ]
    assert details(found)[0] == (
        "Continuing made the checkpoint better by 6.0 points with 10 labels; worse by 4.0 points "
        "with all 500 labels; neither clearly better nor clearly worse with 100 labels."
    )


def contest(ours: float, *others: float, kind: Kind = "baseline") -> Gain:
    """Return the gain at 10 labels of candidates whose draws have some spread of their own."""
    spread = [-0.010, 0.004, 0.0, 0.002, 0.004]
    made = [outcome("ours", "pretrained", 10, [ours] * 5)]
    for index, mean in enumerate(others):
        draws = [mean + each for each in spread[index:] + spread[:index]]
        made.append(outcome(f"other {index}", kind, 10, draws))
    return gains(results(made, {10: "10"}))[0]


def test_a_gain_must_hold_against_every_alternative() -> None:
    assert contest(0.80, 0.75, 0.70).sign == 1
    assert contest(0.80, 0.75, 0.799).sign == 0
    assert contest(0.80, 0.75, 0.799).best.candidate == "other 1"


def test_a_loss_pays_for_the_choice_among_many_alternatives() -> None:
    """Among many equals the best is a little better by chance."""
    alone, among = contest(0.80, 0.8095), contest(0.80, 0.8095, *[0.79] * 9)
    assert alone.sign == -1
    assert among.sign == 0
    assert among.difference == alone.difference


def test_the_starting_checkpoint_is_compared_with_by_itself() -> None:
    found = contest(0.80, 0.70, kind="start")
    assert found.start is not None
    assert found.start.sign == 1
    assert found.claims == 2


def test_of_parts_side_by_side_only_the_pretrained_one_was_continued() -> None:
    joined, own = (
        outcome(name, "pretrained", 10, [x] * 5) for name, x in (("all", 0.8), ("own", 0.7))
    )
    made = [
        replace(joined, parts=(OWN, "tiny"), validation=0.8),
        replace(own, parts=(OWN,), validation=0.7),
        outcome("starting checkpoint", "start", 10, [0.7] * 5),
    ]
    (found,) = gains(results(made, {10: "10"}))
    assert found.ours.candidate == "all"
    assert found.start is not None
    assert found.start.difference.mean == 0


def test_what_the_pre_training_took_no_part_in_is_the_runs() -> None:
    few, many = gain("10", 0.05, 0.01), gain("100", -0.03, 0.01)
    without = replace(few, ours=replace(few.ours, parts=("tiny", "LSA")))
    assert ": the run gained 5.0 points" in headline([without])
    with_it = replace(many, ours=replace(many.ours, parts=(OWN, "tiny")))
    assert "the run gained 5.0 points with 10 labels" in headline([without, with_it])
    assert "pre-training lost 3.0 points with 100 labels" in headline([without, with_it])
    level = replace(without, comparison=comparison(0.001, 0.01, False))
    assert "neither the run nor the best alternative" in headline([level])


def test_differences_and_numbers_are_written_plainly() -> None:
    assert points(-0.0001) == "+0.0"
    assert points(0.0414, Metric("R2", percent=False)) == "+0.041"
    assert label_name(1250, "5%") == "1,250 (5%)"
    assert label_name(25000, "all") == "all 25,000"
    assert label_name(10, "5-way 2-shot") == "10 (5-way 2-shot)"
