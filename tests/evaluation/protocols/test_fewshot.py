from __future__ import annotations

import numpy as np
import pytest
from making import measuring, plan, records
from scipy import sparse

from headstart.errors import HeadstartError
from headstart.evaluation.outcomes import Candidate
from headstart.evaluation.protocols.fewshot import episodes, prototypes, regression

measure = measuring("fewshot")

POOLS = [np.arange(10 * k, 10 * k + 10) for k in range(6)]


def test_an_episode_tests_other_records_than_it_learns_from() -> None:
    found = list(episodes(POOLS, None, 4, 3, 20, 0))
    assert len(found) == 20
    for episode in found:
        assert not set(episode.support.tolist()) & set(episode.queries.tolist())
        assert np.bincount(episode.support_classes).tolist() == [3] * 4
        assert np.bincount(episode.query_classes).tolist() == [7] * 4
        pools = episode.support // 10
        assert len(set(pools.tolist())) == 4
        of_class = dict(zip(episode.support_classes.tolist(), pools.tolist(), strict=True))
        queried = [of_class[int(c)] for c in episode.query_classes]
        assert queried == (episode.queries // 10).tolist()
    again = episodes(POOLS, None, 4, 3, 20, 0)
    assert all((a.support == b.support).all() for a, b in zip(found, again, strict=True))
    assert (found[0].support != found[1].support).any()


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("classify", [prototypes, regression])
def test_a_query_gets_the_class_of_the_nearest_examples(cast, classify) -> None:
    support = cast(np.array([[0.0, 1], [0, 3], [4, 0], [6, 0], [0, -2], [0, -2.5]]))
    queries = cast(np.array([[5.0, 1], [0.5, 2], [0.1, -2]]))
    found = classify(support, np.array([0, 0, 1, 1, 2, 2]), queries)
    assert found.tolist() == [1, 0, 2]


@pytest.mark.parametrize("cast", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("alone", [True, False])
def test_clear_classes_are_recognised_after_one_example_and_noise_is_at_chance(cast, alone) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 12)
    clear = (np.eye(6, 16)[labels] + 0.1 * rng.random((72, 16))).astype(np.float32)
    noise = rng.random((72, 16), dtype=np.float32)
    data = records([f"class {label}" for label in labels])
    candidates = [
        Candidate(name, kind, cast(rows), None if alone else cast(rows[::-1].copy()))
        for name, kind, rows in (("ours", "pretrained", clear), ("chance", "untrained", noise))
    ]
    test = None if alone else data.select(range(71, -1, -1))
    results = measure(candidates, data, test, plan(episodes=30, shots=["1", "4"], ways=4))
    assert results.counts == {4: "4-way 1-shot", 16: "4-way 4-shot"}
    scores = {(o.candidate, o.labels, o.probe): o.mean for o in results.outcomes}
    assert scores["ours", 4, "prototypes"] > 0.95
    assert scores["ours", 4, "logistic regression"] > 0.95
    if alone:  # else a query's own vector may be among the examples
        assert abs(scores["chance", 16, "prototypes"] - 0.25) < 0.1
    assert [o.probe for o in results.judged(4)] == ["logistic regression"] * 2


def test_classes_with_too_few_records_are_left_out() -> None:
    data = records(["a"] * 5 + ["b"] * 5 + ["c"])
    ours = Candidate("ours", "pretrained", np.eye(11, dtype=np.float32))
    results = measure([ours], data, None, plan(episodes=10, shots=["2"]))
    assert results.counts == {4: "2-way 2-shot"}
    assert results.notes[0] == "1 class(es) have too few records for 2 shots."
    with pytest.raises(HeadstartError, match=r"0 class\(es\) have the 8 records that 7 shots need"):
        measure([ours], data, None, plan(episodes=10, shots=["7"]))
    with pytest.raises(HeadstartError, match="option 'shots': 'few'"):
        measure([ours], data, None, plan(shots=["few"]))
