from __future__ import annotations

import numpy as np
import pytest
from making import measuring, pairs, plan
from scipy import sparse, stats

from headstart.data.vectors import Matrix
from headstart.errors import HeadstartError
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.outcomes import Candidate, Kind
from headstart.evaluation.protocols.similarity import cosines
from headstart.evaluation.verdict import certainty, gains
from headstart.modalities.text.content import TEXT

measure = measuring("similarity")

#: Pairs at angles of 0, 60, 90 and 180 degrees: cosines 1, 0.5, 0 and -1.
ANGLES = np.deg2rad([0, 60, 90, 180])
FEATURES = np.concatenate(
    [np.tile([2.0, 0.0], (4, 1)), 3 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)]
).astype(np.float32)
NAMES = list("abcd")


def test_cosines_are_of_each_pair_whether_dense_or_sparse() -> None:
    np.testing.assert_allclose(cosines(FEATURES), [1, 0.5, 0, -1], atol=1e-6)
    np.testing.assert_allclose(cosines(sparse.csr_matrix(FEATURES)), [1, 0.5, 0, -1], atol=1e-6)
    assert cosines(np.array([[1.0, 0.0], [0.0, 0.0]])).tolist() == [0.0]


def test_the_order_of_the_scores_is_what_counts() -> None:
    ours = Candidate("ours", "pretrained", FEATURES)
    outcome = measure([ours], pairs(NAMES, NAMES, [5, 4, 1, 0]), None, plan()).outcomes[0]
    assert outcome.scores["Spearman"].mean == pytest.approx(1)
    expected = stats.pearsonr([1, 0.5, 0, -1], [5, 4, 1, 0]).statistic
    assert outcome.scores["Pearson"].mean == pytest.approx(expected)
    turned = measure([ours], pairs(NAMES, NAMES, [0, 1, 4, 5]), None, plan()).outcomes[0]
    assert turned.mean == pytest.approx(-1)


def test_test_pairs_are_scored_and_training_pairs_are_not() -> None:
    ours = Candidate("ours", "pretrained", -FEATURES[::-1], FEATURES)
    train, test = pairs(NAMES, NAMES, [0, 1, 4, 5]), pairs(NAMES, NAMES, [5, 4, 1, 0])
    results = measure([ours], train, test, plan(test="test.csv"))
    assert results.outcomes[0].mean == pytest.approx(1)
    assert (results.counts, results.unit, results.metric.name) == (
        {0: "no labels"},
        "pairs",
        "Spearman",
    )
    np.testing.assert_array_equal(results.truth, [5, 4, 1, 0])


def test_training_pairs_choose_among_the_parts_of_a_run_and_among_alternatives() -> None:
    train, test = pairs(NAMES, NAMES, [5, 4, 1, 0]), pairs(NAMES, NAMES, [5, 4, 1, 0])
    wrong = np.roll(FEATURES, 2, axis=0)

    def candidate(name: str, kind: Kind, trained: Matrix, tested: Matrix) -> Candidate:
        return Candidate(name, kind, trained, tested, parts=(name,) if kind == "pretrained" else ())

    found = evaluate(
        [
            candidate("all parts", "pretrained", wrong, FEATURES),
            candidate("one part", "pretrained", FEATURES, wrong),
            candidate("weak", "baseline", wrong, FEATURES),
            candidate("strong", "baseline", FEATURES, FEATURES),
        ],
        train,
        test,
        plan(task="similarity", test="test.csv"),
        TEXT,
    )
    ours = found.ours(0)
    assert ours is not None
    assert ours.candidate == "one part"  # though the other is better on the tested ones
    assert ours.validation == pytest.approx(1)
    assert ours.mean < 0.9
    (gain,) = gains(found)
    assert gain.best.candidate == "strong"
    assert "the scores on the training pairs" in " ".join(certainty([gain]))


def test_training_pairs_that_cannot_be_ranked_choose_nothing_and_are_named() -> None:
    train, test = pairs(NAMES, NAMES, [5, 5, 5, 5]), pairs(NAMES, NAMES, [5, 4, 1, 0])
    ours = Candidate("ours", "pretrained", FEATURES, FEATURES)
    options = plan(task="similarity", test="test.csv")
    found = evaluate([ours], train, test, options, TEXT)
    assert found.outcomes[0].mean == pytest.approx(1)
    assert found.notes[-1].startswith("Training records chose nothing: train.csv: 4 pair(s)")


def test_an_encoder_that_says_the_same_of_all_scores_nothing() -> None:
    flat = Candidate("flat", "untrained", np.ones((8, 3), np.float32))
    outcome = measure([flat], pairs(NAMES, NAMES, [5, 4, 1, 0]), None, plan()).outcomes[0]
    assert {name: score.mean for name, score in outcome.scores.items()} == {
        "Spearman": 0.0,
        "Pearson": 0.0,
    }


def test_pairs_that_cannot_be_ranked_are_refused_in_a_sentence() -> None:
    ours = Candidate("ours", "pretrained", FEATURES)
    with pytest.raises(HeadstartError, match=r"train.csv: 4 pair\(s\) with 1 different score"):
        measure([ours], pairs(NAMES, NAMES, [5, 5, 5, 5]), None, plan())
