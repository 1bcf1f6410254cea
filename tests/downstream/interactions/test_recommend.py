"""Recommending to new users and known ones: lists, filters, reasons."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.downstream.interactions.asked import typed_items
from headstart.downstream.interactions.recommend import _best
from headstart.errors import HeadstartError
from headstart.modalities.interactions.item_table import Item, ItemTable


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
    found = hs.recommend(str(run), history=["i3,i4", "i5"], count=5)
    listed = items(found)
    assert len(listed) == len(set(listed)) == 5
    assert listed[0] == "i6"
    assert not {"i3", "i4", "i5"} & {*listed}
    every = items(hs.recommend(str(run), history="i3,i4,i5", seen="keep", count=100))
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
    rows = hs.recommend(str(run), history="i20,i4,i5", count=1, reasons=True).to_dict()
    assert rows["recommendations"][0]["item"] == "i6"
    assert "i5" in rows["recommendations"][0]["reasons"]


def test_users_of_the_sources_and_of_a_file(run: Path, bought: Path, tmp_path: Path) -> None:
    one = hs.recommend(str(run), user="u7", count=3)
    out = tmp_path / "all.jsonl"
    hs.recommend(str(run), users=str(bought), count=3, out=str(out))
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
    assert items(hs.recommend(str(run), history=" i4 , i5", count=1)) == ["i6"]
    found = hs.recommend(str(run), history="i4,no such item,i5", count=1)
    assert items(found) == ["i6"]
    assert "1 item of the histories, 'no such item', is not in the catalogue" in str(found)


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
    both = hs.recommend(str(copy), history="i4,i5", count=5)
    alone = hs.recommend(str(copy), history="i4,i5", count=5, by="network")
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
    found = hs.recommend(str(copy), history="i4,i5", count=5)
    assert "lagged Markov mix ranks, as the network did not improve on it" in str(found)
    assert items(found)[0] == "i6"
    network = hs.recommend(str(copy), history="i4,i5", count=5, by="network")
    assert "lagged Markov mix" not in str(network)
    with pytest.raises(HeadstartError, match="did not improve on lagged Markov mix"):
        hs.recommend(str(copy), history="i4,i5", by="both")


def test_a_file_of_names_is_looked_up_in_the_sources_of_the_run(run: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("user_id\nu7\nu9\nnobody\n")
    found = hs.recommend(str(run), users=str(names), count=3)
    assert items(found, "u7") == items(hs.recommend(str(run), user="u7", count=3))
    assert len(items(found, "u9")) == 3
    assert "1 user, 'nobody', is not in the sources of the run" in str(found)
    assert items(hs.recommend(str(run), users=["u7", "u9"], count=3)) == items(found)
    only = hs.recommend(str(run), history="i4,i5", allow=["i6", "i9"], deny=["i9"], count=5)
    assert items(only) == ["i6"]
    names.write_text("nobody\n")
    with pytest.raises(HeadstartError, match="no user 'nobody'"):
        hs.recommend(str(run), users=str(names))


def test_users_of_a_file_with_sessions_have_their_latest_one(tmp_path: Path) -> None:
    rows = [
        (f"u{user}", f"s{user}-{visit}", f"i{(user + visit + n) % 9}", 100 * visit + n)
        for user in range(40)
        for visit in range(4)
        for n in range(4)
    ]
    file = tmp_path / "visits.csv"
    lines = [",".join(map(str, row)) for row in rows]
    file.write_text("\n".join(["user_id,session_id,item_id,timestamp", *lines]) + "\n")
    out = str(tmp_path / "run")
    options = {"interactions": {"hold_out": "session", "seen": "keep"}}
    hs.pretrain(str(file), out=out, budget="2steps", tracker="none", modality_options=options)
    every = hs.recommend(out, users=str(file), count=9).to_dict()["recommendations"]
    alone = hs.recommend(out, user="u7", count=9).to_dict()["recommendations"]
    assert [row["item"] for row in every if row["user"].startswith("u7#")] == [
        row["item"] for row in alone
    ]


def test_unknown_lines_of_lists_are_named_and_a_pipe_is_no_list(run: Path, tmp_path: Path) -> None:
    deny = tmp_path / "deny.txt"
    deny.write_text('"i6"\nfoo\n')
    found = hs.recommend(str(run), history="i4,i5", deny=str(deny), count=3)
    assert "i6" not in items(found)
    assert "1 item, 'foo', is not in the catalogue of the run" in str(found)
    deny.write_text("foo\nbar\n")
    assert items(hs.recommend(str(run), history="i4,i5", deny=str(deny), count=1)) == ["i6"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(HeadstartError, match="is no file"):
        hs.recommend(str(run), history="i4,i5", allow=str(pipe))


def test_whom_nothing_is_known_of_is_said(run: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id,item_id,timestamp\nx,zzz,1\ny,i4,1\n")
    found = hs.recommend(str(run), users=str(users), count=2)
    assert "1 user, 'x', is as new: no item of theirs is known" in str(found)


def test_what_is_typed_is_an_id_or_a_title_as_a_whole() -> None:
    table = ItemTable(
        [Item("5", "25"), Item("7", "English Patient, The"), Item("8", "Toy Story"), Item("a b")]
    )
    known = {"5", "7", "8", "25", "a b", "12"}
    typed = partial(typed_items, table=table, known=known)
    assert typed(["25"]) == ["25"], "an id comes before a title"
    assert typed(["English Patient, The"]) == ["7"]
    assert typed(["toy story,English Patient, The, 25"]) == ["8", "7", "25"]
    assert typed(["a b"]) == ["a b"]
    assert typed(["12 5"]) == ["12", "5"]
    assert typed(['["a b", "5"]']) == ["a b", "5"]
    assert typed(["Toy Tale,12"]) == ["Toy Tale", "12"], "what is unknown stays as it was typed"


def test_reasons_are_different_items(run: Path) -> None:
    found = hs.recommend(str(run), history="i5,i4,i5,i4,i5", count=3, reasons=True).to_dict()
    for row in found["recommendations"]:
        assert len(set(row["reasons"])) == len(row["reasons"])


def test_a_list_of_different_items_takes_one_of_each_kind() -> None:
    table = np.array([[1.0, 0], [1, 0.01], [0, 1]])
    scores = np.array([3.0, 2.9, 1.0])
    pool = np.arange(3)
    assert _best(scores, pool, 2, 0.0, table).tolist() == [0, 1]
    assert _best(scores, pool, 2, 0.6, table).tolist() == [0, 2]


def test_a_user_who_has_had_everything_is_named(run: Path) -> None:
    every = ",".join(f"i{number}" for number in range(30))
    found = hs.recommend(str(run), history=every, count=3, reasons=True)
    assert items(found) == []
    assert "new user: no item is left to recommend" in str(found)


def test_rows_of_a_file_of_users_that_are_set_aside_are_said(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("user_id,item_id,timestamp\na,i4,1\na,i5,2\na,i6,\n")
    found = hs.recommend(str(run), users=str(path), count=1)
    assert items(found) == ["i6"]
    assert "it has no time, and others have one" in str(found)
