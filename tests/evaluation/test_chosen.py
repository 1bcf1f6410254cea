"""The best alternative is chosen on training labels, never on the tested records."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headstart.evaluation.equivalence import equivalents
from headstart.evaluation.metrics import Estimate
from headstart.evaluation.outcomes import ACCURACY, Kind, Outcome, Results
from headstart.evaluation.verdict import Gain, details, gains


def outcome(
    name: str, kind: Kind, score: float, validation: float, labels: int = 50, probe: str = "head"
) -> Outcome:
    rng = np.random.default_rng(0)  # the same resamples for all: differences are exact
    by_draw = score + 0.001 * rng.standard_normal(5)
    return Outcome(
        candidate=name,
        kind=kind,
        probe=probe,
        labels=labels,
        predictions=None,
        scores={"accuracy": Estimate(score, score, score)},
        by_draw=by_draw,
        by_resample=by_draw[:, None] + 0.001 * rng.standard_normal(500),
        validation=validation,
    )


def results(*outcomes: Outcome, counts: dict[int, str] | None = None) -> Results:
    return Results(
        task="classification",
        metric=ACCURACY,
        truth=np.zeros(1000),
        training=1000,
        outcomes=list(outcomes),
        counts=counts or {50: "50"},
        seeds=5,
    )


OURS = outcome("ours", "pretrained", 0.80, 0.8)


def only(*outcomes: Outcome) -> Gain:
    (gain,) = gains(results(OURS, *outcomes))
    return gain


def test_the_cross_validated_score_chooses_and_not_the_test() -> None:
    found = only(outcome("lucky", "baseline", 0.85, 0.60), outcome("sound", "baseline", 0.81, 0.82))
    assert found.best.candidate == "sound"
    assert found.difference.mean == pytest.approx(-0.01)


def test_a_gain_is_counted_over_what_did_better_on_the_tested() -> None:
    found = only(outcome("lucky", "baseline", 0.79, 0.60), outcome("sound", "baseline", 0.75, 0.76))
    assert found.best.candidate == "lucky"
    assert found.difference.mean == pytest.approx(0.01)
    assert found.sign == 1


def test_a_gain_must_hold_against_what_was_not_chosen_too() -> None:
    found = only(outcome("lucky", "baseline", 0.81, 0.60), outcome("sound", "baseline", 0.75, 0.76))
    assert found.sign == 0
    (line,) = (line for line in details([found]) if line.startswith("50 labels"))
    assert "against 81.0% (lucky, head)" in line
    assert "would decide" not in line


def test_of_a_simple_alternative_the_probe_is_chosen_too_and_of_encoders_it_is_the_first() -> None:
    tfidf = [
        outcome("TF-IDF", "baseline", 0.70, 0.70, probe="logistic regression"),
        outcome("TF-IDF", "baseline", 0.72, 0.73, probe="linear SVM"),
    ]
    fresh = [
        outcome("untrained", "untrained", 0.5, 0.5, probe="logistic regression"),
        outcome("untrained", "untrained", 0.6, 0.6, probe="kNN"),
    ]
    judged = results(OURS, *tfidf, *fresh).judged(50)
    assert [each.probe for each in judged] == ["head", "linear SVM", "logistic regression"]


def test_with_one_label_a_class_the_next_larger_number_decides() -> None:
    few = [outcome("a", "baseline", 0.4, math.nan, 5), outcome("b", "baseline", 0.3, math.nan, 5)]
    many = [outcome("a", "baseline", 0.5, 0.5), outcome("b", "baseline", 0.6, 0.6)]
    ours = outcome("ours", "pretrained", 0.2, math.nan, 5)
    found = results(ours, OURS, *few, *many, counts={5: "5", 50: "50"})
    assert [gain.best.candidate for gain in gains(found)] == ["b", "b"]


def test_what_cannot_be_cross_validated_takes_part_by_its_test_score() -> None:
    sound = outcome("sound", "baseline", 0.70, 0.76)
    assert only(sound, outcome("net", "scratch", 0.6, math.nan)).best.candidate == "sound"
    assert only(sound, outcome("net", "scratch", 0.75, math.nan)).best.candidate == "net"


def test_what_was_cut_short_still_counts_in_what_labels_are_worth() -> None:
    """With 10 labels the strong one has 0.7, which the weak one reaches with 1,000 only."""
    ours = [outcome("ours", "pretrained", 0.65 + n / 1e4, 0.7, n) for n in (10, 100, 1000)]
    weak = [outcome("weak", "baseline", 0.5 + n / 5000, 0.5 + n / 5000, n) for n in (10, 100, 1000)]
    strong = [outcome("strong", "baseline", 0.7, 0.7, 10)]
    counts = {10: "10", 100: "100", 1000: "1000"}
    worth = equivalents(results(*ours, *weak, *strong, counts=counts))
    assert worth[10].needed == pytest.approx(10)
