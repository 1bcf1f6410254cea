"""Divisions by hand: the last items, one time, and sessions; training sees nothing of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.interactions.held_out import LONGEST, HeldOut, Targets, held_out
from headstart.modalities.interactions.modality import InteractionsModality
from headstart.modalities.interactions.options import InteractionOptions

HEAD = "user_id,session_id,item_id,timestamp"
#: Two users with three sessions and more, one with two, and their events in no order.
ROWS = (
    *("a,s9,5,90", "a,s1,1,10", "a,s1,2,11", "a,s4,3,40", "a,s4,4,41", "a,s9,1,91", "a,s9,6,92"),
    *("b,t1,1,5", "b,t2,2,15", "b,t2,3,16", "b,t3,4,25", "b,t3,2,26", "b,t4,7,35"),
    *("c,v1,1,1", "c,v1,3,2", "c,v2,8,50"),
)


def divided(records: Dataset, **options: Any) -> HeldOut:
    return held_out(records, InteractionOptions(**options))


def read(path: Path, rows: tuple[str, ...], head: str = HEAD, **options: Any) -> Dataset:
    path.write_text("\n".join([head, *rows]) + "\n")
    modality = InteractionsModality(InteractionOptions(**options))
    return modality.read([str(path)], SourceOptions(), Audit())


def ranked(records: Dataset, found: Targets) -> list[tuple[str, list[str], str]]:
    """Return the record, what is before it, and the item of each target."""
    return [
        (records[i]["id"], records[i]["items"][:at], records[i]["items"][at])
        for i, at in zip(found.records.tolist(), found.positions.tolist(), strict=True)
    ]


def trained(found: HeldOut) -> dict[str, list[str]]:
    return dict(zip(found.train["id"], found.train["items"], strict=True))


def test_the_last_session_of_each_user_tests_and_the_one_before_validates(tmp_path: Path) -> None:
    records = read(tmp_path / "events.csv", ROWS, hold_out="session")
    found = divided(records, hold_out="session")
    assert ranked(records, found.testing) == [
        ("a#3", ["5"], "1"),
        ("a#3", ["5", "1"], "6"),
    ]  # the last session of b has one item, after which nothing comes
    assert ranked(records, found.validating) == [("a#2", ["3"], "4"), ("b#3", ["4"], "2")]
    assert trained(found) == {
        "a#1": ["1", "2"],
        "b#1": ["1"],
        "b#2": ["2", "3"],
        "c#1": ["1", "3"],
        "c#2": ["8"],
    }


def test_sessions_of_a_gap_are_divided_like_those_that_have_names(tmp_path: Path) -> None:
    rows = tuple(",".join(row.split(",")[::2] + row.split(",")[3:]) for row in ROWS)
    head = "user_id,item_id,timestamp"
    options = {"hold_out": "session", "session_gap": 5}
    records = read(tmp_path / "events.csv", rows, head, **options)
    found = divided(records, **options)
    assert ranked(records, found.testing) == [("a#3", ["5"], "1"), ("a#3", ["5", "1"], "6")]
    assert "b#4" not in trained(found)


def test_of_users_with_one_session_the_latest_are_tested(tmp_path: Path) -> None:
    rows = tuple(f"s{n},{n % 4},{50 - n}\ns{n},{9 + n % 3},{50.5 - n}" for n in range(20))
    records = read(tmp_path / "a.csv", rows, "session_id,item_id,timestamp", hold_out="session")
    found = divided(records, hold_out="session")
    assert [name for name, *_ in ranked(records, found.testing)] == ["s0#1", "s1#1"]
    assert [name for name, *_ in ranked(records, found.validating)] == ["s2#1", "s3#1"]
    assert len(found.train) == 16


def test_sessions_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(HeadstartError, match="needs sessions; name their column"):
        read(tmp_path / "a.csv", ("a,1,2",), "user_id,item_id,timestamp", hold_out="session")
    records = Dataset.from_dict({"id": ["a#1", "a#2", "b#1"], "items": [["1", "2"]] * 3})
    with pytest.raises(HeadstartError, match="no user has 3 sessions"):
        divided(records, hold_out="session")


def test_lists_of_a_user_are_sessions(tmp_path: Path) -> None:
    rows = ('a,"1,2",10', 'a,"5,6,7",30', 'a,"3,4",20', 'b,"1,2",5')
    records = read(tmp_path / "lists.csv", rows, "user,items,time", hold_out="session")
    found = divided(records, hold_out="session")
    assert trained(found) == {"a#1": ["1", "2"], "b#1": ["1", "2"]}
    assert ranked(records, found.validating) == [("a#2", ["3"], "4")]
    assert ranked(records, found.testing) == [("a#3", ["5"], "6"), ("a#3", ["5", "6"], "7")]


def test_a_very_long_session_is_ranked_in_part() -> None:
    items = [["1", "2"], ["1", "2"], [str(n) for n in range(5000)]]
    records = Dataset.from_dict({"id": ["a#1", "a#2", "a#3"], "items": items})
    assert len(divided(records, hold_out="session").testing.positions) == LONGEST


def test_one_time_cuts_all_users() -> None:
    times = [[1.0, 2.0, 81.0, 92.0, 93.0], [3.0, 4.0, 5.0], [95.0, 96.0], [10.0, 84.0]]
    times += [[20.0 + n / 4 for n in range(19)]]
    items = [[str(n) for n in range(len(each))] for each in times]
    names = ["a", "b", "new", "one", "many"]
    records = Dataset.from_dict({"id": names, "items": items, "times": times})
    found = divided(records, hold_out="time")  # 31 events: the last 3 test, 3 before them validate
    assert trained(found) == {
        "a": ["0", "1"], "b": ["0", "1", "2"], "one": ["0"], "many": items[-1],
    }  # fmt: skip
    assert ranked(records, found.validating) == [
        ("a", ["0", "1"], "2"),
        ("a", ["0", "1", "2"], "3"),
        ("one", ["0"], "1"),
    ]
    assert ranked(records, found.testing) == [
        ("a", ["0", "1", "2", "3"], "4"),
        ("new", ["0"], "1"),  # the first item of a user comes after nothing
    ]


def test_after_a_time_a_hundred_items_of_a_user_are_ranked() -> None:
    early = [float(n) for n in range(3000)]
    late = [5000.0 + n for n in range(500)]
    records = Dataset.from_dict(
        {"id": ["a", "b"], "items": [["x"] * 3000, ["y"] * 500], "times": [early, late]}
    )
    found = divided(records, hold_out="time")
    assert len(found.testing.positions) == LONGEST
    assert set(found.testing.records.tolist()) == {1}


def test_leave_one_out_keeps_users_of_two_items() -> None:
    records = Dataset.from_dict({"id": ["a", "b"], "items": [["1", "2", "3", "4"], ["5", "6"]]})
    found = divided(records)
    assert trained(found) == {"a": ["1", "2"], "b": ["5", "6"]}
    assert ranked(records, found.validating) == [("a", ["1", "2"], "3")]
    assert ranked(records, found.testing) == [("a", ["1", "2", "3"], "4")]


@pytest.mark.parametrize("how", ["last", "time", "session"])
def test_training_never_sees_what_is_tested(tmp_path: Path, how: str) -> None:
    """Each event has an item of its own, so that one that is seen shows."""
    rows = tuple(
        f"u{user},s{visit},i{user}-{visit}-{n},{100 * visit + 10 * n + user}"
        for user in range(9)
        for visit in range(5)
        for n in range(3)
    )
    records = read(tmp_path / "events.csv", rows, hold_out=how)
    found = divided(records, hold_out=how)
    modality = InteractionsModality(InteractionOptions(hold_out=how))
    seen = {item for items in modality.trained_on(records)["items"] for item in items}
    for targets in (found.validating, found.testing):
        named = ranked(records, targets)
        assert named
        assert not seen & {item for *_, item in named}
    before = {item for _, items, _ in ranked(records, found.validating) for item in items}
    assert not before & {item for *_, item in ranked(records, found.testing)}


def test_a_column_of_session_names_is_no_list_of_items(tmp_path: Path) -> None:
    rows = ("a,x,1", "a,x,2", "b,y,3")
    found = read(tmp_path / "events.csv", rows, "user,session,item")
    assert dict(zip(found["id"], found["items"], strict=True)) == {"a": ["1", "2"], "b": ["3"]}
