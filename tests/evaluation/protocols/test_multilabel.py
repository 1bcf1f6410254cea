from __future__ import annotations

import numpy as np
import pytest
from making import measuring, plan, records
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.multilabel import draw, solve

measure = measuring("multilabel")


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
def test_regressions_solved_together_are_those_of_sklearn(cast) -> None:
    rng = np.random.default_rng(0)
    rows = cast(rng.standard_normal((80, 5)))
    targets = rng.random((80, 3)) < 0.4
    weights, bias = solve(rows, targets, 0.7)
    for label in range(3):
        known = LogisticRegression(C=0.7, tol=1e-8).fit(rows, targets[:, label])
        np.testing.assert_allclose(weights[label], known.coef_[0], atol=2e-3)
        assert bias[label] == pytest.approx(known.intercept_[0], abs=2e-3)


def test_a_label_that_all_or_none_have_is_as_likely_everywhere() -> None:
    targets = np.array([[True, False, True], [True, False, False]])
    weights, bias = solve(np.eye(2), targets, 1.0)
    assert (weights[:2] == 0).all()
    np.testing.assert_allclose(bias[:2], [np.log(3), -np.log(3)])


def test_a_draw_holds_every_rare_label_and_the_shares_of_the_common() -> None:
    rng = np.random.default_rng(0)
    targets = np.zeros((1000, 6), dtype=bool)
    targets[:, 0] = rng.random(1000) < 0.5
    targets[:, 1] = rng.random(1000) < 0.2
    for rare, size in enumerate((2, 3, 5, 8), 2):
        targets[rng.choice(1000, size, replace=False), rare] = True
    indices = draw(targets, 50, 0)
    assert len(indices) == len(set(indices.tolist())) == 50
    drawn = targets[indices]
    assert drawn.any(0).all()
    assert abs(drawn[:, 0].sum() - 25) <= 4
    assert abs(drawn[:, 1].sum() - 10) <= 4
    assert abs((~drawn.any(1)).sum() - 50 * (~targets.any(1)).mean()) <= 4
    assert not np.array_equal(indices, draw(targets, 50, 1))
    np.testing.assert_array_equal(draw(targets, 1000, 0), np.arange(1000))


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
def test_labels_that_features_determine_are_found(cast) -> None:
    rng = np.random.default_rng(1)
    names = np.array(["red", "round", "sweet"])
    truth = rng.random((180, 3)) < (0.5, 0.3, 0.2)
    lists = [names[row].tolist() for row in truth]
    informative = (truth + 0.1 * rng.random((180, 3))).astype(np.float32)
    noise = rng.random((180, 3)).astype(np.float32)
    candidates = [
        Candidate("ours", "pretrained", cast(informative[:120]), cast(informative[120:])),
        Candidate("chance", "untrained", cast(noise[:120]), cast(noise[120:])),
    ]
    train, test = records(lists[:120]), records(lists[120:])
    results = measure(candidates, train, test, plan(labels=["12", "all"], seeds=2))
    found = {(o.candidate, o.labels): o.scores for o in results.outcomes}
    assert results.classes == ["red", "round", "sweet"]
    # Sparse rows are brought to length 1: one of several labels stands out less there.
    least = 0.95 if cast is np.asarray else 0.8
    assert found["ours", 120]["mAP"].mean > least
    assert found["ours", 120]["micro F1"].mean > least - 0.1
    share = float(truth[120:].mean(0).mean())
    assert found["chance", 120]["mAP"].mean < share + 0.25
    assert found["ours", 12]["mAP"].mean > found["chance", 12]["mAP"].mean


def test_what_cannot_be_tested_is_excluded_and_noted() -> None:
    train = records([["a", "rare"], ["b"], ["a"], ["b"], ["a", "b"], []] * 2)
    test = records([["a"], ["b"], ["new"]])
    ours = Candidate("ours", "pretrained", np.eye(12), np.eye(3, 12))
    results = measure([ours], train, test, plan(labels=["all"], test="test.csv"))
    assert results.classes == ["a", "b"]
    assert "such as 'new'" in results.notes[0]
    assert results.notes[1].startswith("1 label(s) that no test record has")
    with pytest.raises(HeadstartError, match=r"test.csv: 1 label\(s\) can be tested"):
        measure([ours], train, records([["a"], [], []]), plan(test="test.csv"))
