"""Bad input of interactions: mixed times, lists in odd places, values upside down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from headstart.config import SourceOptions
from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.interactions.modality import InteractionsModality
from headstart.modalities.interactions.options import InteractionOptions
from headstart.modalities.interactions.worth import upside_down

HEAD = "user_id,item_id,timestamp"


def read(*paths: Path, **options: Any) -> tuple[dict[str, list[str]], Audit]:
    modality = InteractionsModality(InteractionOptions(**options))
    audit = Audit()
    records = modality.read(list(map(str, paths)), SourceOptions(), audit)
    return dict(zip(records["id"], records["items"], strict=True)), audit


def csv(path: Path, *rows: str, head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def noted(audit: Audit, words: str) -> bool:
    return any(words in note for note in audit.notes)


def test_milliseconds_of_one_file_and_seconds_of_another_are_one_clock(tmp_path: Path) -> None:
    one = csv(tmp_path / "s.csv", "a,1,1714700000", "a,2,1714700100")
    two = csv(tmp_path / "ms.csv", "a,3,1714700050000", "a,4,1714700150000")
    found, audit = read(one, two)
    assert found == {"a": ["1", "3", "2", "4"]}
    assert noted(audit, "read as milliseconds")
    assert read(two, session_gap=90)[0] == {"a#1": ["3"], "a#2": ["4"]}


def test_dates_beside_numbers_of_another_clock_are_refused(tmp_path: Path) -> None:
    mixed = csv(tmp_path / "mixed.csv", "a,1,2024-05-02", "a,2,17", "b,1,3", "b,2,2024-05-03")
    with pytest.raises(HeadstartError, match="write all in one way"):
        read(mixed)
    rows = [f"a,{n},2024-05-02" for n in range(200)]
    found, audit = read(csv(mixed, *rows, "a,odd,0"))
    assert "odd" not in found["a"]
    assert audit.reasons == {"its time 0 is no date, as those of the others are": 1}


def test_a_file_without_times_beside_one_with_times_is_named(tmp_path: Path) -> None:
    timed = csv(tmp_path / "timed.csv", "a,1,5", "b,2,3", "b,3,")
    bare = csv(tmp_path / "bare.csv", "a,9", "c,3", head="user_id,item_id")
    found, audit = read(timed, bare)
    assert found == {"a": ["1"], "b": ["2"]}
    assert audit.reasons == {"it has no time, and others have one": 3}
    assert [note for note in audit.notes if "no event has a time" in note] == [
        "bare.csv: no event has a time, and those of other sources have one, so that all 2 are set "
        "aside; name the column with --column time=COLUMN, or read these sources alone."
    ]


def test_a_time_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = csv(tmp_path / "days.csv", "a,1,02/05/2024 10:00", "a,2,01/05/2024 10:00")
    found, audit = read(path)
    assert found == {"a": ["1", "2"]}
    assert noted(audit, "'timestamp' is not read as the time, as values such as '02/05/2024 10:00'")


def test_lists_under_the_name_of_one_item_are_lists(tmp_path: Path) -> None:
    rows = [{"user_id": "a", "item_id": [1, 2, 3]}, {"user_id": "b", "item_id": [4, 5]}]
    expected = {"a": ["1", "2", "3"], "b": ["4", "5"]}
    assert read(jsonl(tmp_path / "a.jsonl", *rows))[0] == expected
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0] == expected
    cells = csv(tmp_path / "a.csv", "a,\"['1', '2', '3']\"", "b,[4 5]", head="user_id,item_id")
    assert read(cells)[0] == expected
    plain = csv(tmp_path / "b.csv", "a,1 2 3", "b,4 5", head="user_id,item_id")
    assert read(plain)[0] == expected
    names = csv(tmp_path / "c.csv", "a,The Matrix", "a,Heat", head="user_id,item_id")
    assert read(names)[0] == {"a": ["The Matrix", "Heat"]}


def test_lists_of_times_order_the_items_beside_them(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"user": "a", "items": [1, 2, 3], "times": [30, 10, 20]},
        {"user": "a", "items": [4], "times": [15]},
        {"user": "b", "items": [1, 2], "times": [1]},
        {"items": [7, None, 8], "times": [2, 3, 1]},
    ]
    path = jsonl(tmp_path / "lists.jsonl", *rows)
    found, audit = read(path)
    assert found == {"a": ["2", "4", "3", "1"], "lists.jsonl:4": ["8", "7"]}
    assert audit.reasons == {"its 2 items have 1 times": 1}
    assert noted(audit, "1 item of a list has no id")


def test_an_item_without_an_id_leaves_its_list_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    path.write_text('{"user":"a","items":[1,NaN,3,null]}\n{"user":"b","items":[[1],{"x":2}]}\n')
    found, audit = read(path)
    assert found == {"a": ["1", "3"]}
    assert noted(audit, "2 items of lists have no id")
    assert audit.reasons == {"it has no item": 1}


def test_what_leaves_nothing_says_what_was_missing(tmp_path: Path) -> None:
    path = csv(tmp_path / "events.csv", "a,1,5", "b,2,6")
    with pytest.raises(HeadstartError, match="no row has one; name their column"):
        read(path, least_value=3)
    users = csv(tmp_path / "items.csv", "1,5", "2,6", head="item_id,timestamp")
    with pytest.raises(HeadstartError, match="no row has both an item and a user"):
        read(users)
    with pytest.raises(HeadstartError, match="no event is left where"):
        read(path, least_users=2)


def test_copies_of_an_event_are_no_ties(tmp_path: Path) -> None:
    path = csv(tmp_path / "events.csv", *["a,1,5"] * 5, "a,2,6")
    found, audit = read(path)
    assert found == {"a": ["1", "2"]}
    assert not noted(audit, "have the time of another")


def rated(rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Return items and values 1 to 5: the better an item, the more often it is chosen."""
    worth = rng.normal(size=200)
    chance = np.exp(worth)
    items = rng.choice(200, 4000, p=chance / chance.sum())
    values = np.clip(np.round(3.5 + 0.6 * worth[items] + rng.normal(size=4000)), 1, 5)
    return [f"i{item}" for item in items], values


def test_a_scale_that_is_upside_down_is_seen(tmp_path: Path) -> None:
    items, values = rated(np.random.default_rng(0))
    names, both = pa.chunked_array([items]), zip(items, values, strict=True)
    assert not upside_down(names, pa.chunked_array([values]))
    assert upside_down(names, pa.chunked_array([6 - values]))
    rows = [f"u{n % 50},{item},{6 - value:g}" for n, (item, value) in enumerate(both)]
    path = csv(tmp_path / "events.csv", *rows, head="user_id,item_id,rating")
    assert noted(read(path, least_value=3)[1], "upside down")
    counts = pa.chunked_array([np.random.default_rng(0).geometric(0.05, 4000).astype(float)])
    assert not upside_down(names, counts)  # numbers of plays are no scale


def test_where_every_row_is_set_aside_the_commonest_reason_is_said(tmp_path: Path) -> None:
    rows = ["a,,1", "b,,2", ",1,", "a,2,"]
    with pytest.raises(HeadstartError, match=r"no row is an event: it has no item \(2 rows\)"):
        read(csv(tmp_path / "events.csv", *rows))


def test_half_of_a_character_is_no_id_and_nested_brackets_are_no_list(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    rows = ['{"user_id": "a", "item_id": "\\ud800"}', '{"user_id": "a", "item_id": "1"}']
    path.write_text("\n".join(rows) + "\n")
    audit = Audit()
    records = InteractionsModality().read([str(path)], SourceOptions(), audit)
    assert records["items"][:] == [["1"]]
    assert audit.quarantined == 1
    lists = tmp_path / "lists.csv"
    lists.write_text(f'user_id,items\nu,"{"[" * 100_000}{"]" * 100_000}"\nv,1 2\n')
    records = InteractionsModality().read([str(lists)], SourceOptions(), Audit())
    assert records["items"][:] == [["1", "2"]]


def test_of_two_columns_of_one_name_the_first_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(["a", "a"]), pa.array(["1", "2"]), pa.array(["8", "9"])]
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table(columns, names=["user_id", "item_id", "item_id"]), path)
    records = InteractionsModality().read([str(path)], SourceOptions(), Audit())
    assert records["items"][:] == [["1", "2"]]
