"""Verification: trials of one label and of two, and their equal error rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from making import measuring, plan, records

from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.trials import draw_trials, equal_error
from headstart.evaluation.protocols.verification import PLAIN, STANDARD, WHITENED

measure = measuring("verification")


def voices(people: int, each: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Return labels and features: a person in two dimensions, and what is said in a loud third."""
    rng = np.random.default_rng(seed)
    who = rng.standard_normal((people, 2)).repeat(each, 0)
    said = rng.standard_normal((people * each, 1)) * 8
    rows = np.hstack([who + 0.1 * rng.standard_normal(who.shape), said + who[:, :1]])
    names = [f"{seed}-{index // each}" for index in range(people * each)]
    return names, rows.astype(np.float32)


def test_the_equal_error_rate_by_hand() -> None:
    same = np.array([True, True, True, False, False, False])
    once = np.ones((1, 6))
    apart = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    assert equal_error(apart, same, once)[0] == 0
    assert equal_error(-apart, same, once)[0] == 1
    assert equal_error(np.zeros(6), same, once)[0] == 0.5
    # One of three is refused, and one of three accepted, at a threshold between 0.4 and 0.6.
    mixed = np.array([0.9, 0.8, 0.4, 0.6, 0.2, 0.1])
    assert equal_error(mixed, same, once)[0] == pytest.approx(1 / 3)
    # A weight of two is a trial that is there twice.
    weights = np.array([[1, 1, 2, 1, 1, 3]])
    twice = np.repeat(np.arange(6), weights[0])
    again = equal_error(mixed[twice], same[twice], np.ones((1, 9)))
    np.testing.assert_allclose(equal_error(mixed, same, weights), again)


def test_it_is_that_of_the_roc_of_scikit_learn() -> None:
    from sklearn.metrics import roc_curve

    rng = np.random.default_rng(0)
    same = rng.random(4000) < 0.5
    scores = (rng.standard_normal(4000) + 1.2 * same).round(2)
    accepted, hit, _ = roc_curve(same, scores, drop_intermediate=False)
    at = np.argmin(np.abs(accepted - (1 - hit)))
    expected = (accepted[at] + 1 - hit[at]) / 2
    assert equal_error(scores, same, np.ones((1, 4000)))[0] == pytest.approx(expected, abs=2e-3)


def test_each_label_has_as_many_trials_and_copies_none() -> None:
    labels = np.array([0] * 50 + [1] * 10 + [2] * 10 + [3])
    files = np.arange(71)
    files[60:70] = 60  # label 2 is one file, ten times
    trials = draw_trials(labels, files, 240, 0)
    assert np.bincount(trials.left[trials.same]).tolist() == [30, 30]
    assert np.bincount(trials.left[~trials.same]).tolist() == [30, 30]
    assert (trials.first != trials.second).all()
    pairs = {
        frozenset(pair)
        for pair in zip(trials.first[trials.same], trials.second[trials.same], strict=True)
    }
    assert len(pairs) == 60
    weights = trials.resampled(0)
    assert (weights > 0).all()
    alike = weights[:, trials.same & (trials.left == 0)]
    assert (alike == alike[:, :1]).all()


def test_random_features_err_half_the_time_and_good_ones_do_not() -> None:
    names, rows = voices(12, 10, 1)
    chance = np.random.default_rng(0).standard_normal((120, 8)).astype(np.float32)
    candidates = [
        Candidate("ours", "pretrained", rows[:, :2]),
        Candidate("chance", "untrained", chance),
    ]
    results = measure(candidates, records(names), None, plan())
    found = {(each.candidate, each.probe): each.scores for each in results.outcomes}
    assert set(found) == {(each, by) for each in ("ours", "chance") for by in (STANDARD, PLAIN)}
    assert found["chance", PLAIN]["EER"].mean == pytest.approx(0.5, abs=0.05)
    ours = found["ours", PLAIN]
    assert ours["EER"].mean < 0.25
    assert ours["EER"].low < ours["EER"].mean < ours["EER"].high
    assert ours["1 - EER"].mean == pytest.approx(1 - ours["EER"].mean)
    assert any("12 labels are few" in note for note in results.notes)


def test_what_differs_within_a_label_is_learned_from_others() -> None:
    trained, before = voices(20, 10, 1)
    tested, rows = voices(10, 10, 2)
    ours = Candidate("ours", "pretrained", np.vstack([before, rows[:5]]), rows)
    train = records([*trained, *tested[:5]])
    results = measure([ours], train, records(tested), plan(test="test.csv"))
    found = {each.probe: each for each in results.outcomes}
    assert found[WHITENED].mean > found[STANDARD].mean + 0.05
    assert found[WHITENED].validation > 0.7
    assert any("5 training record(s) are of labels that are tested" in n for n in results.notes)


def test_labels_that_are_tested_teach_nothing() -> None:
    names, rows = voices(5, 8, 1)
    ours = Candidate("ours", "pretrained", rows, rows)
    results = measure([ours], records(names), records(names), plan(test="test.csv"))
    assert {each.probe for each in results.outcomes} == {STANDARD, PLAIN}
    assert any("the same labels, so nothing is fitted" in note for note in results.notes)
    few, before = voices(3, 8, 4)  # too few to part in two, so nothing chooses it
    train, ours = records(few), Candidate("ours", "pretrained", before, rows)
    results = measure([ours], train, records(names), plan(test="test.csv"))
    assert math.isnan(results.outcomes[-1].validation)


@pytest.mark.parametrize(
    ("names", "texts", "message"),
    [
        (["a"] * 6, None, "every record has the label 'a'"),
        (list("abcdef"), None, "no two different records have the same label"),
        (["a", "a", "b", "b"], ["x", "x", "y", "y"], "no two different records"),
    ],
)
def test_what_has_no_trials_is_refused(names, texts, message) -> None:
    ours = Candidate("ours", "pretrained", np.eye(len(names), dtype=np.float32))
    with pytest.raises(HeadstartError, match=message):
        measure([ours], records(names, texts), None, plan())
