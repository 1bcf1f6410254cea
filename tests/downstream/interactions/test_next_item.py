"""The verdict on what comes next: who is compared, on what, and what is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from datasets import Dataset

import headstart as hs
from headstart.downstream.interactions.choice import described, restored
from headstart.downstream.interactions.measuring import worth_of_order
from headstart.downstream.interactions.ranked import NextItem, Order, RankedCandidate
from headstart.downstream.interactions.split import NEVER, divided
from headstart.errors import HeadstartError
from headstart.modalities.interactions.options import InteractionOptions
from headstart.modalities.interactions.processor import ItemProcessor
from headstart.modalities.interactions.rankers.blend import Blend, even
from headstart.modalities.interactions.sequences import Sequences


def candidate(name: str, ranks: list[float], kind: str, validation: float) -> RankedCandidate:
    return RankedCandidate(name, {}, validation, np.array(ranks), {}, 0.1, kind)


def found(*candidates: RankedCandidate) -> NextItem:
    users = len(candidates[0].ranks)
    return NextItem(list(candidates), users=users, items=9, order=Order(0.5, 0.4, 3))


def test_figures_by_hand() -> None:
    figures = candidate("a", [1, 3, 11, np.inf], "network", 0.0).figures()
    assert figures["HR@10"] == 0.5
    assert figures["HR@20"] == 0.75
    assert figures["NDCG@10"] == pytest.approx((1 + 0.5) / 4)
    assert figures["MRR@10"] == pytest.approx((1 + 1 / 3) / 4)


def test_the_best_alternative_is_chosen_by_what_validates_and_a_gain_counts_over_each() -> None:
    ours = candidate("pre-trained", [1] * 60 + [2] * 40, "network", 0.9)
    weak = candidate("popularity", [9] * 100, "alternative", 0.9)
    strong = candidate("mix", [1] * 100, "alternative", 0.1)
    result = found(ours, weak, strong)
    assert result.best.name == "popularity"
    assert result.gain.mean == pytest.approx(result.difference(ours, strong).mean)
    assert result.sign == -1
    assert result.verdict.startswith("No: ")
    first = candidate("pre-trained", [1] * 100, "network", 0.9)
    assert found(first, weak).verdict.startswith("Yes: ")


def test_an_untrained_network_leaves_the_lists_to_an_alternative(
    bought: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "run")
    hs.pretrain(str(bought), out=out, budget="1steps", tracker="none")
    result = hs.evaluate(out, alternatives_budget="2s").to_dict()
    kept = json.loads((tmp_path / "run" / "ranking.json").read_text())
    assert result["served"] != "pre-trained"
    assert "pre-trained" not in json.dumps(kept)
    assert all(one["kind"] != "blend" for one in result["candidates"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"ranks by {result['served']} alone" in page
    listed = hs.recommend(out, history="i4,i5", count=3)
    assert "as the network did not improve on it" in str(listed)
    again = hs.pretrain(str(bought), out=out, budget="1steps", tracker="none", overwrite=True)
    assert again.finished, "what evaluate writes is no foreign file"


def test_it_is_said_where_an_alternative_serves_alone() -> None:
    ours = candidate("pre-trained", [2] * 100, "network", 0.5)
    other = candidate("mix", [1] * 100, "alternative", 0.9)
    result = replace(found(ours, other), served="mix")
    assert "does not improve on mix, by which `headstart recommend` ranks" in result.verdict
    assert result.to_dict()["served"] == "mix"
    assert "improve" not in replace(result, served="pre-trained").verdict


def test_the_run_is_judged_by_what_it_never_saw_and_beats_its_own_start(
    run: Path, bought: Path, tmp_path: Path
) -> None:
    result = hs.evaluate(str(run), out=str(tmp_path / "report.html"), alternatives_budget="5s")
    summary = result.to_dict()
    names = [one["name"] for one in summary["candidates"]]
    assert names[0] == "pre-trained"
    assert {"popularity", "item-kNN", "lagged Markov mix", "EASE", "SLIT"} <= {*names}
    ours = summary["candidates"][0]
    assert ours["HR@10"] > 0.7  # 10 of 30 items at random: a third
    popularity = next(one for one in summary["candidates"] if one["name"] == "popularity")
    assert ours["NDCG@10"] > 2 * popularity["NDCG@10"]
    assert summary["order"]["as_is"] > summary["order"]["shuffled"] + 0.1
    page = (tmp_path / "report.html").read_text()
    assert "Some users" in page
    assert json.loads((tmp_path / "report.json").read_text())["task"] == "next_item"
    assert "NDCG@10" in str(result)


def records(*items: list[str]) -> Dataset:
    return Dataset.from_dict({"id": [f"u{n}" for n in range(len(items))], "items": list(items)})


def test_what_tests_comes_after_what_validates_and_unknown_items_are_misses() -> None:
    every = records(["a", "b", "c", "d"], ["a", "new", "b", "never"], ["a", "b"])
    processor = ItemProcessor(["a", "b", "c", "d"])
    parts = divided(every, processor, InteractionOptions())
    assert parts.users == ["u0", "u1"]
    assert [each.tolist() for each in parts.validating.histories] == [[0, 1], [0]]
    assert parts.validating.items.tolist() == [2, 1]
    assert parts.testing.items.tolist() == [3, NEVER]
    assert [each.tolist() for each in parts.testing.histories] == [[0, 1, 2], [0, 1]]
    assert parts.testing.users.tolist() == [0, 1]
    assert parts.train.items.tolist() == [0, 1, 0, 0, 1]
    assert parts.later.items.tolist() == [0, 1, 2, 0, 1, 0, 1]


def test_too_short_sequences_and_a_run_on_everything_are_refused() -> None:
    processor = ItemProcessor(["a", "b"])
    with pytest.raises(HeadstartError, match="no sequence has 3 items"):
        divided(records(["a", "b"]), processor, InteractionOptions())
    with pytest.raises(HeadstartError, match="trained on all items"):
        divided(records(["a", "b", "a"]), processor, InteractionOptions(hold_out="none"))


class Fixed:
    settings: ClassVar[dict[str, float]] = {}

    def __init__(self, name: str, scores: np.ndarray) -> None:
        self.name, self._scores = name, scores

    def scores(self, histories: list[np.ndarray]) -> np.ndarray:
        return np.tile(self._scores, (len(histories), 1))


def test_a_blend_adds_scores_of_equal_spread_and_is_described_whole() -> None:
    one, two = np.array([1.0, 2, 3, 4], np.float32), np.array([400.0, 100, 200, 300], np.float32)
    network = Fixed("pre-trained", one)
    inner = Blend((Fixed("popularity", two), network), (1.0, 2.0))
    mixed = Blend((network, inner), (1.0, 0.5))
    expected = even(one[None])[0] + 0.5 * even(inner.scores([np.array([0])]))[0]
    np.testing.assert_allclose(mixed.scores([np.array([0])])[0], expected, rtol=1e-5)
    assert even(np.ones((2, 5), np.float32)).tolist() == np.zeros((2, 5)).tolist()
    parts = list(described(mixed))
    assert [part["weight"] for part in parts] == [1.0, 0.5]
    again = restored(parts, network, Sequences.of([[0, 1, 2, 3]], 4), print)
    assert again.name == mixed.name
    assert list(described(again))[1]["parts"][0]["name"] == "popularity"


def test_users_with_labels_are_classified_beside_bags_of_items(run: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = ["items,label"]
    for user in range(120):
        half = user % 2
        rows.append(
            " ".join(f"i{int(rng.integers(15)) + 15 * half}" for _ in range(5)) + f",{half}"
        )
    labeled = tmp_path / "labeled.csv"
    labeled.write_text("\n".join(rows) + "\n")
    report = hs.evaluate(str(run), train=str(labeled), quick=True, out=str(tmp_path / "r.html"))
    names = {score["candidate"] for score in report.to_dict()["scores"]}
    assert {"pre-trained", "bag of items", "reduced bag of items"} <= names


def test_records_in_which_users_have_other_items_are_refused(
    run: Path, bought: Path, tmp_path: Path
) -> None:
    lines = bought.read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(HeadstartError, match="what is tested may have been seen"):
        hs.evaluate(str(run), test=str(other), out=str(tmp_path / "report.html"))


class Counting:
    """Scores by which of the latest items a history has, and not by their order."""

    name, window = "counting", 3

    def scores(self, histories: list[np.ndarray]) -> np.ndarray:
        found = np.zeros((len(histories), 9), np.float32)
        for row, history in zip(found, histories, strict=True):
            for item in history[-self.window :]:
                row[(item + 1) % 9] += 1
        return found


def test_order_is_worth_nothing_to_what_counts_the_items_that_it_reads() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.permutation(9).tolist() for _ in range(60)]
    records = Dataset.from_dict(
        {"id": [f"u{n}" for n in range(60)], "items": [[str(i) for i in row] for row in rows]}
    )
    processor = ItemProcessor([str(n) for n in range(9)])
    parts = divided(records, processor, InteractionOptions())
    counting: Any = Counting()
    found = worth_of_order(counting, counting, parts, 0, keep_seen=True)
    assert found.as_is == pytest.approx(found.shuffled)
    assert found.as_is > 0
    assert (found.gain, found.without) == (pytest.approx(0), pytest.approx(0))


def test_sessions_of_one_user_are_resampled_together() -> None:
    names = [f"{user}#{visit}" for user in "ab" for visit in (1, 2, 3)]
    records = Dataset.from_dict({"id": names, "items": [["1", "2", "3", "4"]] * 6})
    processor = ItemProcessor(["1", "2", "3", "4"])
    parts = divided(records, processor, InteractionOptions(session_gap=10))
    assert parts.users == ["a", "b"]
    assert parts.testing.users.tolist() == [0, 0, 0, 1, 1, 1]
    assert parts.unit == "users"
    alone = divided(records, processor, InteractionOptions())
    assert len(alone.users) == 6
