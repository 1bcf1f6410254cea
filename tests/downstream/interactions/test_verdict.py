"""The verdict as statistics: pairs, luck among several alternatives, users with several items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

import headstart as hs
from headstart.downstream.interactions.ranked import NextItem, Order, RankedCandidate
from headstart.downstream.interactions.split import divided
from headstart.modalities.interactions.options import InteractionOptions
from headstart.modalities.interactions.processor import ItemProcessor


def candidate(name: str, ranks: np.ndarray, kind: str = "alternative") -> RankedCandidate:
    return RankedCandidate(name, {}, 0.1, ranks, {}, 0.1, kind)


def found(*candidates: RankedCandidate) -> NextItem:
    users = len(candidates[0].ranks)
    return NextItem(list(candidates), users=users, items=99, order=Order(0.5, 0.4, 3))


def test_a_small_difference_of_every_user_is_clear_in_pairs_alone() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 60, 400).astype(float)
    ours = candidate("pre-trained", np.maximum(1, ranks - 1), "network")
    result = found(ours, candidate("mix", ranks))
    one, other = result.score(result.network), result.score(result.closest)
    assert one.low < other.high  # intervals of each alone overlap
    assert result.sign == 1


def test_the_luckiest_of_many_equal_alternatives_is_no_proof() -> None:
    """Among twenty that are as good as the network, one is better by chance at the usual level."""
    rng = np.random.default_rng(3)

    def drawn() -> np.ndarray:
        return rng.integers(1, 40, 300).astype(float)

    said = []
    for _ in range(12):
        ours = candidate("pre-trained", drawn(), "network")
        result = found(ours, *(candidate(f"a{n}", drawn()) for n in range(20)))
        said.append((result.sign, result.gain.high < 0))
    assert sum(lucky for _, lucky in said) >= 4  # what one interval would have claimed
    assert sum(sign < 0 for sign, _ in said) <= 1


def test_a_network_has_to_be_better_than_each_alternative() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.integers(1, 5, 200).astype(float), rng.integers(20, 60, 200).astype(float)
    ours = candidate("pre-trained", good, "network")
    assert found(ours, candidate("a", bad), candidate("b", good)).sign == 0
    assert found(ours, candidate("a", bad), candidate("b", bad)).sign == 1


def test_items_of_one_session_are_no_independent_evidence() -> None:
    ranks = np.repeat([1.0, 30.0], 50).repeat(4)  # each session is hit or missed as a whole
    ours = candidate("pre-trained", ranks, "network")
    alone = found(ours, candidate("a", np.full(400, 9.0)))
    grouped = replace(alone, groups=np.arange(100).repeat(4))
    widths = [each.gain.high - each.gain.low for each in (alone, grouped)]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.2)


def test_a_tied_time_of_the_test_is_counted() -> None:
    items = [["a", "b", "c"], ["b", "c", "a"]]
    times = [[1.0, 2.0, 2.0], [1.0, 2.0, 3.0]]
    records = Dataset.from_dict({"id": ["u", "v"], "items": items, "times": times})
    assert divided(records, ItemProcessor(["a", "b", "c"]), InteractionOptions()).tied == 0.5


def test_what_a_hard_reader_asks_is_said(tmp_path: Path) -> None:
    rows = ["user_id,item_id,timestamp"]
    for user in range(40):
        times = [*range(5), 5 + user % 2]
        rows += [f"u{user},i{(user + n) % 4},{time}" for n, time in enumerate(times)]
        rows.append(f"u{user},i{user % 4},{times[-1]}")
    path = tmp_path / "events.csv"
    path.write_text("\n".join(rows) + "\n")
    small: dict[str, Any] = {"encoder_options": {"width": 16, "layers": 1, "heads": 2}}
    options = {"interactions": {"least_users": 2}}
    hs.pretrain(
        str(path), out=str(tmp_path / "run"), budget="1steps", tracker="none",
        modality_options=options, **small,
    )  # fmt: skip
    result = hs.evaluate(
        str(tmp_path / "run"), out=str(tmp_path / "r.html"), alternatives_budget="1s"
    )
    notes = " ".join(result.to_dict()["notes"])
    assert "stand in the history before them already" in notes
    assert "of the tested items have the time of the item before them" in notes
    assert "those that are tested included" in notes
