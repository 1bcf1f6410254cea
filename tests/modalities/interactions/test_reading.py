"""Events and sequences become histories: order, thresholds, and what is set aside."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.guess import guess_content
from headstart.modalities.interactions.content import name_of, names_in
from headstart.modalities.interactions.modality import InteractionsModality
from headstart.modalities.interactions.options import InteractionOptions


def read(
    path: Path, *, columns: dict[str, str] | None = None, **options: object
) -> tuple[dict[str, list[str]], Audit]:
    modality = InteractionsModality(InteractionOptions(**options))
    audit = Audit()
    records = modality.read([str(path)], SourceOptions(columns=columns or {}), audit)
    return dict(zip(records["id"], records["items"], strict=True)), audit


def events(folder: Path, *rows: str, head: str = "user_id,item_id,timestamp,rating") -> Path:
    path = folder / "events.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_events_are_gathered_by_user_in_the_order_of_time(tmp_path: Path) -> None:
    path = events(tmp_path, "b,7,30,5", "a,1,20,5", "a,2,10,5", "b,8,5,5", "a,3,2.5,4")
    found, audit = read(path)
    assert found == {"b": ["8", "7"], "a": ["3", "2", "1"]}
    assert audit.kept == 2


def test_numbers_and_texts_are_one_id_and_blank_ids_are_set_aside(tmp_path: Path) -> None:
    one = tmp_path / "one.jsonl"
    rows = [
        {"user": 7, "item": 12.0, "time": 1},
        {"user": "7", "item": "12", "time": 3},
        {"user": 7.0, "item": 13, "time": 2},
        {"user": 7, "item": float("nan"), "time": 4},
        {"user": None, "item": 5, "time": 5},
        {"user": 8, "item": 5, "time": "soon"},
        {"user": 8, "item": 6, "time": -3},
    ]
    one.write_text("\n".join(map(json.dumps, rows)) + "\n")
    found, audit = read(one)
    assert found == {"7": ["12", "13", "12"], "8": ["6"]}
    assert sorted(audit.reasons.values()) == [1, 1, 1]
    assert audit.kept == 2


def test_dates_order_events_and_those_without_one_are_set_aside(tmp_path: Path) -> None:
    path = events(
        tmp_path, "a,1,2024-05-02", "a,2,2023-01-01", "a,3,", head="customer_id,product_id,date"
    )
    found, audit = read(path)
    assert found == {"a": ["2", "1"]}
    assert "it has no time, and others have one" in audit.reasons


def test_ties_keep_the_order_of_the_file_or_are_shuffled_and_are_told(tmp_path: Path) -> None:
    rows = [f"a,{item},1,5" for item in range(40)]
    path = events(tmp_path, *rows)
    found, audit = read(path)
    assert found["a"] == [str(item) for item in range(40)]
    assert any("100.0% of the events have the time of another" in note for note in audit.notes)
    shuffled, _ = read(path, ties="shuffle")
    assert shuffled["a"] != found["a"]
    assert sorted(shuffled["a"]) == sorted(found["a"])
    assert read(path, ties="shuffle")[0] == shuffled


@pytest.mark.parametrize(
    ("repeats", "expected"),
    [
        ("merge", ["1", "2", "1"]),
        ("first", ["1", "2"]),
        ("keep", ["1", "1", "2", "1"]),
    ],
)
def test_repeats(tmp_path: Path, repeats: str, expected: list[str]) -> None:
    path = events(tmp_path, "a,1,1,5", "a,1,2,5", "a,2,3,5", "a,1,4,5")
    assert read(path, repeats=repeats)[0]["a"] == expected


def test_low_values_do_not_count_and_a_core_is_taken_until_all_have_enough(tmp_path: Path) -> None:
    rows = ["a,1,1,5", "a,2,2,1", "a,3,3,4", "b,1,1,5", "b,3,2,5", "c,3,1,5", "c,4,2,5"]
    path = events(tmp_path, *rows)
    found, audit = read(path, least_value=4)
    assert found["a"] == ["1", "3"]
    assert any("have a value below 4" in note for note in audit.notes)
    cored, _ = read(path, least_value=4, least_events=2, least_users=2)
    assert cored == {"a": ["1", "3"], "b": ["1", "3"]}
    with pytest.raises(HeadstartError, match="no event is left"):
        read(path, least_events=50)
    with pytest.raises(HeadstartError, match="no event has a value of 9"):
        read(path, least_value=9)


def test_a_gap_divides_a_history_into_sessions(tmp_path: Path) -> None:
    path = events(tmp_path, "a,1,0,5", "a,2,10,5", "a,3,500,5", "b,1,0,5")
    found, _ = read(path, session_gap=100)
    assert found == {"a#1": ["1", "2"], "a#2": ["3"], "b#1": ["1"]}


def test_lines_of_a_user_and_its_items_are_read_also_compressed(tmp_path: Path) -> None:
    path = tmp_path / "sequences.txt.gz"
    path.write_bytes(gzip.compress(b"u1 3 1 4\n\nu2 1 5\nu3\n"))
    found, audit = read(path)
    assert found == {"u1": ["3", "1", "4"], "u2": ["1", "5"]}
    assert audit.reasons == {"it has no item": 1}


def test_a_table_of_lists_has_a_sequence_in_each_row(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    rows = [{"user": "x", "items": [1, 2]}, {"user": "y", "items": "5 6 7"}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert read(path)[0] == {"x": ["1", "2"], "y": ["5", "6", "7"]}


def test_columns_can_be_named_and_a_table_without_items_is_refused(tmp_path: Path) -> None:
    path = events(tmp_path, "a,x,1", "a,y,2", head="who,what,when_")
    named = {"user": "who", "item": "what", "time": "when_"}
    assert read(path, columns=named)[0] == {"a": ["x", "y"]}
    with pytest.raises(HeadstartError, match="--column"):
        read(path)


def test_users_of_two_files_with_one_name_are_one_user(tmp_path: Path) -> None:
    events(tmp_path, "a,1,1,5", "a,2,9,5")
    (tmp_path / "more.csv").write_text("user_id,item_id,timestamp\na,3,4\n")
    assert read(tmp_path)[0] == {"a": ["1", "3", "2"]}


def test_the_kind_of_data_is_seen_by_its_columns(tmp_path: Path) -> None:
    assert guess_content([str(events(tmp_path, "a,1,1,5"))]) == "interactions"
    reviews = tmp_path / "reviews.csv"
    reviews.write_text("user_id,item_id,text\na,1,a long and winding review\n")
    assert guess_content([str(reviews)]) == "text"


def test_cells_of_several_items() -> None:
    assert names_in("3,1,4") == names_in("3 1 4") == names_in("[3, 1, 4]") == ["3", "1", "4"]
    assert names_in(5) is None
    assert name_of(float("inf")) is None
    assert name_of("NaN") is None


def test_what_training_may_see_ends_before_what_is_tested(tmp_path: Path) -> None:
    records = Dataset.from_dict(
        {
            "id": ["a", "b", "c"],
            "items": [["1", "2", "3", "4"], ["5", "6"], ["7", "8", "9"]],
            "times": [[1.0, 2.0, 3.0, 40.0], [1.0, 2.0], [1.0, 39.0, 41.0]],
        }
    )
    last = InteractionsModality().trained_on(records)
    assert last["items"] == [["1", "2"], ["5", "6"], ["7"]]
    by_time = InteractionsModality(InteractionOptions(hold_out="time")).trained_on(records)
    assert by_time["items"] == [["1", "2", "3"], ["5", "6"], ["7", "8"]]
    whole = InteractionsModality(InteractionOptions(hold_out="none")).trained_on(records)
    assert whole["items"] == records["items"]
    timeless = records.remove_columns(["times"])
    with pytest.raises(HeadstartError, match="needs the time of each event"):
        InteractionsModality(InteractionOptions(hold_out="time")).trained_on(timeless)


def test_a_label_is_that_of_its_user_also_in_sessions_and_names_may_have_marks(
    tmp_path: Path,
) -> None:
    rows = ["bob,1,1,yes", "bob#1,2,1,no", "C#,3,1,no", "bob,4,900,yes"]
    path = events(tmp_path, *rows, head="user_id,item_id,timestamp,label")
    modality = InteractionsModality()
    records = modality.read([str(path)], SourceOptions(), Audit())
    assert dict(zip(records["id"], records["label"], strict=True)) == {
        "bob": "yes", "bob#1": "no", "C#": "no",
    }  # fmt: skip
    modality = InteractionsModality(InteractionOptions(session_gap=100))
    records = modality.read([str(path)], SourceOptions(), Audit())
    assert dict(zip(records["id"], records["label"], strict=True))["bob#2"] == "yes"
    timeless = events(tmp_path, "a,1", "a,2", head="user_id,item_id")
    with pytest.raises(HeadstartError, match="session_gap needs the time"):
        read(timeless, session_gap=100)


def test_events_of_some_kinds_alone_count(tmp_path: Path) -> None:
    rows = ["a,1,1,view", "a,2,2,view", "a,3,3,buy", "b,1,1,view", "b,4,2,buy", "b,5,3,"]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["user_id,item_id,timestamp,event_type", *rows]) + "\n")

    def read(**options: Any) -> tuple[list[list[str]], list[str]]:
        audit = Audit()
        modality = InteractionsModality(InteractionOptions(**options))
        records = modality.read([str(path)], SourceOptions(), audit)
        return records["items"][:], audit.notes

    every, notes = read()
    assert every == [["1", "2", "3"], ["1", "4", "5"]]
    assert any("count alike: view (50.0%), buy (33.3%)" in note for note in notes)
    some, notes = read(kinds="buy")
    assert some == [["3"], ["4"]]
    assert any("4 of 6 events are of other kinds" in note for note in notes)
    with pytest.raises(HeadstartError, match=r"of the kind 'sell'; the kinds are view \(50.0%\)"):
        read(kinds="buy, sell")


def test_ties_are_shuffled_by_their_seed(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    rows = [f"u{user},i{item},1" for user in range(5) for item in range(20)]
    path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")

    def order(seed: int) -> list[list[str]]:
        options = InteractionOptions(ties="shuffle", ties_seed=seed)
        read = InteractionsModality(options).read([str(path)], SourceOptions(), Audit())
        return list(read["items"])

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert [sorted(items) for items in order(0)] == [sorted(items) for items in order(1)]


def test_the_order_of_a_file_without_times_is_said(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id,when it was\na,1,5\na,2,6\n")
    audit = Audit()
    InteractionsModality().read([str(path)], SourceOptions(), audit)
    assert any("No column of times is read" in note for note in audit.notes)
    path.write_text("customer,sku,ordered_at\na,1,2024-05-02\na,2,2024-05-01\n")
    records = InteractionsModality().read([str(path)], SourceOptions(), Audit())
    assert records["items"][0] == ["2", "1"]


def test_users_in_several_files_are_one_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id,timestamp\nu,1,1\nv,2,1\n")
    (tmp_path / "b.csv").write_text("user_id,item_id,timestamp\nu,3,2\nw,2,1\n")
    audit = Audit()
    records = InteractionsModality().read([str(tmp_path)], SourceOptions(), audit)
    assert dict(zip(records["id"], records["items"], strict=True))["u"] == ["1", "3"]
    (said,) = [note for note in audit.notes if "several files" in note]
    assert said.startswith("1 user has events in several files, such as 'u' in ")
    assert "a.csv and " in said


def test_a_saved_data_set_is_read(tmp_path: Path) -> None:
    events = {"user_id": [1, 1, 2], "item_id": [7, 8, 7], "timestamp": [2.0, 1.0, 1.0]}
    Dataset.from_dict(events).save_to_disk(tmp_path / "saved")
    records = InteractionsModality().read([str(tmp_path / "saved")], SourceOptions(), Audit())
    assert records["items"][:] == [["8", "7"], ["7"]]


def test_a_history_of_a_million_events_is_one_record(tmp_path: Path) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 1_000_000
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "user_id": pa.array(["one"] * count + ["two"] * 3),
            "item_id": pa.array(np.append(rng.integers(50, size=count), [1, 2, 3])),
            "timestamp": pa.array(np.append(rng.permutation(count), [1, 2, 3])),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    audit = Audit()
    options = InteractionOptions(repeats="keep")
    modality = InteractionsModality(options)
    records = modality.read([str(tmp_path / "events.parquet")], SourceOptions(), audit)
    assert [len(items) for items in records["items"]] == [count, 3]
    assert len(modality.trained_on(records)["items"][0]) == count - 2
