from __future__ import annotations

import numpy as np
import pytest
import torch
from making import measuring, pairs, plan, records
from scipy import sparse
from torchmetrics.functional import retrieval as known

from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.retrieval import rank_scores

measure = measuring("retrieval")


def test_scores_are_those_of_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.random((20, 30))  # torchmetrics takes no similarity below 0 for relevant
    relevant = rng.random((20, 30)) < 0.15
    relevant[np.arange(20), rng.integers(0, 30, 20)] = True
    scores = rank_scores(similarity, relevant)
    for row in range(20):
        given = torch.from_numpy(similarity[row]), torch.from_numpy(relevant[row])
        for cut in (1, 5, 10):
            expected = known.retrieval_recall(*given, top_k=cut)
            assert scores[f"recall@{cut}"][row] == pytest.approx(float(expected))
        assert scores["MRR"][row] == pytest.approx(float(known.retrieval_reciprocal_rank(*given)))
        expected = known.retrieval_normalized_dcg(*given, top_k=10)
        assert scores["nDCG@10"][row] == pytest.approx(float(expected), rel=1e-5)


def test_recall_by_label_asks_whether_any_was_found() -> None:
    similarity = np.array([[0.9, 0.8, 0.7, 0.6]])
    relevant = np.array([[False, True, True, True]])
    assert rank_scores(similarity, relevant, exact=True)["recall@5"].tolist() == [1.0]
    found = rank_scores(similarity, relevant, exact=False)
    assert (found["recall@1"][0], found["recall@5"][0], found["MRR"][0]) == (0.0, 1.0, 0.5)


def test_ties_are_ranked_in_the_order_of_the_documents() -> None:
    relevant = np.array([[False, False, True]])
    assert rank_scores(np.ones((1, 3)), relevant)["MRR"].tolist() == [1 / 3]


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
def test_every_query_is_to_find_its_documents(cast) -> None:
    """Query b asks twice, for two documents; of them one is the nearest, one the farthest."""
    data = pairs(["a", "b", "b", "c"], ["A", "B", "B2", "C"])
    firsts = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    seconds = np.array([[1, 0, 0], [0, 1, 0], [0.5, -1, 0.5], [0, 0, 1]])
    features = cast(np.concatenate([firsts, seconds]).astype(np.float32))
    results = measure([Candidate("ours", "pretrained", features)], data, None, plan())
    scores = {name: score.mean for name, score in results.outcomes[0].scores.items()}
    assert len(results.truth) == 3
    assert scores["MRR"] == 1
    assert scores["recall@1"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert scores["recall@5"] == 1
    assert results.notes == ["3 queries were searched for among 4 records."]


def test_a_record_is_no_answer_to_itself() -> None:
    labels = ["x", "y", "x", "y"]
    spread = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    outcome = measure(
        [Candidate("ours", "pretrained", spread)], records(labels), None, plan()
    ).outcomes[0]
    assert outcome.scores["recall@1"].mean == 0
    assert outcome.scores["MRR"].mean == pytest.approx((1 / 3 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert outcome.scores["recall@5"].mean == 1


def test_test_records_search_the_training_records() -> None:
    train, test = records(["x", "y", "y"]), records(["y", "x", "unknown"])
    ours = Candidate(
        "ours",
        "pretrained",
        np.array([[1, 0], [0, 1], [0.1, 1]], np.float32),
        np.array([[0, 1], [1, 0], [1, 1]], np.float32),
    )
    results = measure([ours], train, test, plan(test="test.csv"))
    assert len(results.truth) == 2
    assert results.outcomes[0].scores["nDCG@10"].mean == 1


def test_ties_are_broken_at_random_and_not_by_the_order_of_the_file() -> None:
    flat = Candidate("flat", "untrained", np.ones((200, 2), np.float32))
    labels = sorted(["x", "y"] * 100)
    outcome = measure([flat], records(labels), None, plan()).outcomes[0]
    assert outcome.scores["nDCG@10"].mean == pytest.approx(0.5, abs=0.2)


def test_labels_that_occur_once_are_refused_in_a_sentence() -> None:
    ours = Candidate("ours", "pretrained", np.eye(3, dtype=np.float32))
    with pytest.raises(HeadstartError, match="no record has another that is relevant to it"):
        measure([ours], records(["a", "b", "c"]), None, plan())


def test_records_that_are_the_same_but_for_their_case_are_one_query() -> None:
    data = pairs(["what is it", "What  is it", "who"], ["A thing", "a thing", "They"])
    features = np.eye(3, dtype=np.float32)[[0, 0, 1, 0, 0, 1]]
    results = measure([Candidate("ours", "pretrained", features)], data, None, plan())
    assert results.notes == ["2 queries were searched for among 2 records."]
    assert results.outcomes[0].mean == 1
