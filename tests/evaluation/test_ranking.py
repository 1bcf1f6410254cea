"""Ranks, the measures made of them, and what the lists contain, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data.target_ranks import ranks_of, reached
from headstart.errors import HeadstartError
from headstart.evaluation.ranking import (
    difference,
    gini,
    measured,
    rank_all,
    ranks,
    top,
    variety,
)

INF = np.inf
NONE = np.array([], dtype=np.int64)


def test_the_rank_counts_what_scores_higher() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.3]] * 4, dtype=np.float32)
    assert ranks(scores, np.array([0, 1, 2, 3])).tolist() == [4, 1, 2, 3]


def test_equal_scores_share_the_mean_of_their_ranks() -> None:
    assert ranks(np.zeros((1, 101)), np.array([7])).tolist() == [51]
    assert ranks(np.array([[1.0, 2.0, 1.0, 1.0, 0.0]]), np.array([3])).tolist() == [3]


def test_constant_scores_are_no_hit() -> None:
    found = rank_all(lambda some: np.zeros((len(some), 100)), [NONE] * 5, np.arange(5), 100)
    assert {name: each.mean for name, each in measured(found.ranks, 0).items()} == dict.fromkeys(
        [f"{name}@{cut}" for cut in (5, 10, 20) for name in ("HR", "NDCG", "MRR")], 0.0
    )


def test_seen_items_are_removed_once_each() -> None:
    scores = np.array([[5.0, 4.0, 3.0, 3.0, 1.0]] * 4)
    seen = [np.array([0, 0, 1]), np.array([3]), NONE, np.array([0, 1, 2, 4])]
    assert ranks(scores, np.array([2, 2, 2, 3]), seen).tolist() == [1.5, 3, 3.5, 1]


def test_a_target_that_is_removed_is_in_no_list() -> None:
    scores = np.array([[5.0, 4.0, 3.0]])
    assert ranks(scores, np.array([0]), [np.array([0, 2])]).tolist() == [INF]
    assert ranks(scores, np.array([0])).tolist() == [1]


def test_a_user_who_has_seen_everything() -> None:
    found = rank_all(lambda some: np.ones((len(some), 3)), [np.arange(3)], np.array([1]), 3)
    assert found.ranks.tolist() == [INF]
    assert found.lists.tolist() == [[-1, -1, -1]]
    assert all(each.mean == 0 for each in measured(found.ranks, 0).values())


def test_one_item() -> None:
    found = rank_all(lambda some: np.ones((len(some), 1)), [NONE, np.array([0])], np.zeros(2), 1)
    assert found.ranks.tolist() == [1, INF]
    assert found.lists.tolist() == [[0], [-1]]


def test_a_target_outside_the_catalogue_is_in_no_list() -> None:
    assert ranks(np.ones((2, 3)), np.array([3, -1])).tolist() == [INF, INF]


def test_no_users() -> None:
    assert ranks(np.ones((0, 3)), NONE, []).tolist() == []
    assert rank_all(lambda some: np.ones((len(some), 3)), [], NONE, 3).lists.shape == (0, 3)


def test_minus_infinity_is_a_score_and_nan_is_none() -> None:
    scores = np.array([[-INF, 1.0, -INF, 0.0]])
    assert ranks(scores, np.array([0]), [np.array([1])]).tolist() == [2.5]
    assert top(scores, None, 3).tolist() == [[1, 3, -1]]
    with pytest.raises(HeadstartError, match="not numbers"):
        ranks(np.array([[1.0, np.nan]]), np.array([0]))


def test_a_seen_item_outside_the_catalogue_is_named() -> None:
    with pytest.raises(HeadstartError, match=r"not in 0\.\.2"):
        ranks(np.ones((1, 3)), np.array([0]), [np.array([3])])


def test_ranks_are_those_of_a_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 12, (40, 30)).astype(np.float32)
    histories = [rng.integers(0, 30, rng.integers(0, 20)) for _ in range(40)]
    targets = rng.integers(0, 30, 40)
    wanted = []
    for row, target, seen in zip(scores, targets, histories, strict=True):
        left = [item for item in range(30) if item not in seen]
        better = sum(row[item] > row[target] for item in left)
        equal = sum(row[item] == row[target] for item in left)
        wanted.append(better + (equal + 1) / 2 if target not in seen else INF)
    monkeypatch.setattr("headstart.evaluation.ranking._CELLS", 210)
    monkeypatch.setattr("headstart.data.target_ranks._CELLS", 210)
    rows = iter(scores)

    def scorer(some: list[np.ndarray]) -> np.ndarray:
        assert len(some) <= 7
        return np.array([next(rows) for _ in some])

    found = rank_all(scorer, histories, targets, 30)
    assert found.ranks.tolist() == wanted
    rows = iter(scores)
    assert ranks_of(scorer, histories, targets, 30).tolist() == wanted
    for row, shown, seen in zip(scores, found.lists, histories, strict=True):
        left = [item for item in range(30) if item not in seen]
        order = sorted(left, key=lambda item: (-row[item], item))[:10]
        assert shown.tolist() == order + [-1] * (10 - len(order))


def test_scores_are_left_as_they_were() -> None:
    scores = np.array([[3.0, 2.0, 1.0]])
    top(scores, [np.array([0])], 2)
    ranks(scores, np.array([1]), [np.array([0])])
    assert scores.tolist() == [[3, 2, 1]]


@pytest.mark.parametrize("count", [7, 1500, 5003])
@pytest.mark.parametrize("levels", [3, 10_000])
def test_lists_are_those_of_a_stable_sort(count: int, levels: int) -> None:
    rng = np.random.default_rng(count + levels)
    scores = rng.integers(0, levels, (9, count)).astype(np.float32)
    scores[1] = 1.0
    scores[2] = -np.inf
    scores[3, 4:] = -np.inf
    seen = [rng.integers(0, count, int(rng.integers(0, 30))) for _ in scores]
    for length in (1, 10, count):
        for removed in (None, seen):
            found = top(scores, removed, length)
            assert found.shape == (9, min(length, count))
            for row, each in enumerate(scores.copy()):
                if removed is not None:
                    each[removed[row]] = -np.inf
                best = np.argsort(-each, kind="stable")[:length]
                best = best[np.isfinite(each[best])]
                assert found[row, : len(best)].tolist() == best.tolist()
                assert (found[row, len(best) :] == -1).all()
    assert top(scores[:0], None, 5).shape == (0, min(5, count))


@pytest.mark.parametrize("length", [1, 10, 512, 2000])
def test_the_best_reach_the_bound_of_their_row(length: int) -> None:
    scores = np.random.default_rng(0).standard_normal((4, 2500)).astype(np.float32)
    least = reached(scores, length)
    assert ((scores >= least[:, None]).sum(1) >= length).all()


def test_measures_by_hand() -> None:
    found = measured(np.array([1.0, 3.0, 7.0, 11.0, INF]), seed=0)
    assert found["HR@5"].mean == pytest.approx(2 / 5)
    assert found["HR@10"].mean == pytest.approx(3 / 5)
    assert found["HR@20"].mean == pytest.approx(4 / 5)
    assert found["NDCG@5"].mean == pytest.approx((1 + 1 / 2) / 5)
    assert found["NDCG@10"].mean == pytest.approx((1 + 1 / 2 + 1 / 3) / 5)
    assert found["MRR@20"].mean == pytest.approx((1 + 1 / 3 + 1 / 7 + 1 / 11) / 5)
    assert found["HR@10"].low < 3 / 5 < found["HR@10"].high


def test_keeping_what_was_seen() -> None:
    scores = np.array([[3.0, 2.0, 1.0]])
    found = rank_all(lambda _: scores, [np.array([0])], np.array([0]), 3, keep_seen=True)
    assert found.ranks.tolist() == [1]
    assert found.lists.tolist() == [[0, 1, 2]]


def test_the_difference_is_of_pairs() -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(1, 30, 400).astype(float)
    same = difference(left, left, 0)
    assert (same.mean, same.low, same.high) == (0, 0, 0)
    worse = np.where(np.arange(400) < 40, left + 20, left)
    found = difference(left, worse, 0, "HR", 10)
    wanted = ((left[:40] <= 10) & (left[:40] + 20 > 10)).sum() / 400
    assert found.mean == pytest.approx(wanted)
    assert 0 < found.low < wanted < found.high
    reverse = difference(worse, left, 0, "HR", 10)
    assert reverse.mean == pytest.approx(-wanted)
    assert reverse.high < 0
    # in pairs it is far narrower than two intervals side by side
    apart = measured(left, 0)["HR@10"]
    assert found.high - found.low < 0.7 * (apart.high - apart.low)


def test_several_pretrainings_are_averaged() -> None:
    left = np.array([[1.0, 20.0], [20.0, 20.0]])
    assert difference(left, np.array([20.0, 20.0]), 0, "HR").mean == pytest.approx(0.25)


def test_users_of_one_group_are_resampled_together() -> None:
    found = np.repeat([1.0, 50.0], 200)
    alone = measured(found, 0)["HR@10"]
    together = measured(found, 0, groups=np.arange(400) // 100)["HR@10"]
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_variety_by_hand() -> None:
    counts = np.array([8, 3, 3, 0])
    found = variety(np.array([[0, 1], [0, -1], [0, 2]]), counts)
    assert found.coverage == 3 / 4
    assert found.gini == pytest.approx(gini(np.array([3, 1, 1, 0])))
    # percentiles .875 of item 0, .5 of items 1 and 2
    assert found.popularity == pytest.approx((3 * 0.875 + 2 * 0.5) / 5)
    shares = -np.log2(np.array([9, 4, 4, 1]) / 18)
    assert found.novelty == pytest.approx((3 * shares[0] + 2 * shares[1]) / 5)


def test_empty_lists_have_no_variety() -> None:
    found = variety(np.full((2, 3), -1), np.array([1, 2]))
    assert (found.coverage, found.gini, found.popularity, found.novelty) == (0, 0, 0, 0)


def test_gini_by_hand() -> None:
    assert gini(np.array([2, 2, 2])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    assert gini(np.array([1, 3])) == pytest.approx(1 / 4)
    assert gini(np.zeros(3)) == 0
