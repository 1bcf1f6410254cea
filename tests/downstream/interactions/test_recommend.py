"""Recommending to new users and known ones: lists, filters, reasons."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.downstream.interactions.recommend import _best
from headstart.errors import HeadstartError


@pytest.fixture(scope="module")
def run(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run of the shop that was never evaluated."""
    copy = tmp_path_factory.mktemp("recommend") / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("ranking.json"))
    return copy


def items(found: object, user: str | None = None) -> list[str]:
    rows = found.to_dict()["recommendations"]  # type: ignore[attr-defined]
    return [row["item"] for row in rows if user in (None, row["user"])]


def test_a_new_user_has_a_list_at_once_without_what_is_seen(run: Path) -> None:
    found = hs.recommend(str(run), history=["i3,i4", "i5"], top=5)
    listed = items(found)
    assert len(listed) == len(set(listed)) == 5
    assert listed[0] == "i6"
    assert not {"i3", "i4", "i5"} & {*listed}
    every = items(hs.recommend(str(run), history="i3,i4,i5", seen="keep", top=100))
    assert len(every) == 30


def test_lists_of_items_allow_and_deny(run: Path, tmp_path: Path) -> None:
    allow, deny = tmp_path / "allow.txt", tmp_path / "deny.txt"
    allow.write_text("i6\ni7\ni20\nunknown\n")
    deny.write_text("i6\n")
    found = hs.recommend(str(run), history="i4,i5", allow=str(allow), deny=str(deny))
    assert {*items(found)} == {"i7", "i20"}
    deny.write_text("i6\ni7\ni20\n")
    with pytest.raises(HeadstartError, match="no item is left"):
        hs.recommend(str(run), history="i4,i5", allow=str(allow), deny=str(deny))
    allow.write_text("nothing known\n")
    with pytest.raises(HeadstartError, match="names no item that the run knows"):
        hs.recommend(str(run), history="i4,i5", allow=str(allow))


def test_reasons_are_the_items_without_which_it_would_score_less(run: Path) -> None:
    rows = hs.recommend(str(run), history="i20,i4,i5", top=1, reasons=True).to_dict()
    assert rows["recommendations"][0]["item"] == "i6"
    assert "i5" in rows["recommendations"][0]["reasons"]


def test_users_of_the_sources_and_of_a_file(run: Path, bought: Path, tmp_path: Path) -> None:
    one = hs.recommend(str(run), user="u7", top=3)
    out = tmp_path / "all.jsonl"
    hs.recommend(str(run), users=str(bought), top=3, out=str(out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 3 * 240
    assert [row["item"] for row in rows if row["user"] == "u7"] == items(one)
    with pytest.raises(HeadstartError, match=r"no user 'u9999'.*did you mean 'u99'"):
        hs.recommend(str(run), user="u9999")


def test_whom_it_is_for_is_named_once(run: Path) -> None:
    with pytest.raises(HeadstartError, match="no user is named"):
        hs.recommend(str(run))
    with pytest.raises(HeadstartError, match="several ways"):
        hs.recommend(str(run), user="u1", history="i1")


def test_unknown_items_of_a_history_are_told(run: Path) -> None:
    with pytest.raises(HeadstartError, match="none of the items of"):
        hs.recommend(str(run), history="zzz")
    assert items(hs.recommend(str(run), history=" i4 , i5", top=1)) == ["i6"]
    found = hs.recommend(str(run), history="i4,no such item,i5", top=1)
    assert items(found) == ["i6"]
    assert "1 item of the histories not in the catalogue" in str(found)


def test_what_stands_beside_the_network_ranks_with_it(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with pytest.raises(HeadstartError, match="nothing stands beside it"):
        hs.recommend(str(copy), history="i4,i5", by="both")
    parts: list[dict[str, object]] = [
        {"name": "pre-trained", "settings": {}, "weight": 1.0},
        {"name": "lagged Markov mix", "settings": {"recency": 0.3}, "weight": 0.5},
    ]
    (copy / "ranking.json").write_text(json.dumps({"parts": parts}))
    both = hs.recommend(str(copy), history="i4,i5", top=5)
    alone = hs.recommend(str(copy), history="i4,i5", top=5, by="network")
    assert items(both)[0] == items(alone)[0] == "i6"
    scores = [each.to_dict()["recommendations"][0]["score"] for each in (both, alone)]
    assert scores[0] != scores[1]
    (copy / "ranking.json").write_text(json.dumps({"parts": []}))
    with pytest.raises(HeadstartError, match="names no ranker"):
        hs.recommend(str(copy), history="i4,i5")
    parts[1]["settings"] = {"no such": 1}
    (copy / "ranking.json").write_text(json.dumps({"parts": parts}))
    with pytest.raises(HeadstartError, match=r"ranking.json.*evaluate"):
        hs.recommend(str(copy), history="i4,i5")


def test_an_alternative_ranks_alone_where_the_network_adds_nothing(
    run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    part = {"name": "lagged Markov mix", "settings": {"recency": 0.3}, "weight": 1.0}
    (copy / "ranking.json").write_text(json.dumps({"parts": [part]}))
    found = hs.recommend(str(copy), history="i4,i5", top=5)
    assert "lagged Markov mix ranks in place of the network" in str(found)
    assert items(found)[0] == "i6"
    network = hs.recommend(str(copy), history="i4,i5", top=5, by="network")
    assert "lagged Markov mix" not in str(network)
    with pytest.raises(HeadstartError, match="adds nothing to lagged Markov mix"):
        hs.recommend(str(copy), history="i4,i5", by="both")


def test_a_list_of_different_items_takes_one_of_each_kind() -> None:
    table = np.array([[1.0, 0], [1, 0.01], [0, 1]])
    scores = np.array([3.0, 2.9, 1.0])
    pool = np.arange(3)
    assert _best(scores, pool, 2, 0.0, table).tolist() == [0, 1]
    assert _best(scores, pool, 2, 0.6, table).tolist() == [0, 2]


def test_a_user_who_has_had_everything_is_named(run: Path) -> None:
    every = ",".join(f"i{number}" for number in range(30))
    found = hs.recommend(str(run), history=every, top=3, reasons=True)
    assert items(found) == []
    assert "new user: no item is left to recommend" in str(found)


def test_rows_of_a_file_of_users_that_are_set_aside_are_said(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,item_id,timestamp\na,i4,1\na,i5,2\na,i6,\n")
    found = hs.recommend(str(run), users=str(path), top=1)
    assert items(found) == ["i6"]
    assert "it has no time, and others have one" in str(found)
