"""Tables of items: what is read, what is told, and that a run keeps a copy."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.interactions.item_table import (
    Item,
    ItemTable,
    categories_in,
    note_table,
    read_item_table,
)


def test_ids_are_those_of_the_events_whatever_the_format(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "movieId": [7.0, 8.0, None],
            "title": ["Seven", "Eight", "None"],
            "genres": ["a|b", "", "c"],
        }
    )
    for name in ("items.csv", "items.tsv", "items.jsonl", "items.parquet"):
        path = tmp_path / name
        if name.endswith("parquet"):
            frame.to_parquet(path)
        elif name.endswith("jsonl"):
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ",")
        table = read_item_table(str(path), {})
        assert list(table.items) == ["7", "8"]
        assert table.items["7"] == Item("7", "Seven", "", ("a", "b"))
        assert table.title_of("7") == "Seven"
        assert table.title_of("9") == "9"
        assert table.audit.quarantined == 1


def test_columns_may_have_any_name_and_categories_any_form(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    rows = [
        {"nr": 1, "heading": "One", "about": ["a", "text"], "kinds": [["x", "y"], ["x"]]},
        {"nr": 2, "heading": "Two", "about": "b", "kinds": [{"id": 3, "name": "z"}]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    named = {"item": "nr", "title": "heading", "description": "about", "label": "kinds"}
    table = read_item_table(str(path), named)
    assert table.items["1"] == Item("1", "One", "a text", ("x", "y"))
    assert table.items["2"].categories == ("z",)
    with pytest.raises(HeadstartError, match=r"no column 'no'.*--set interactions.title=no"):
        read_item_table(str(path), {"title": "no"})
    with pytest.raises(HeadstartError, match=r"--set interactions.item=COLUMN"):
        read_item_table(str(path), {})
    with pytest.raises(HeadstartError, match="does not exist"):
        read_item_table(str(tmp_path / "gone.csv"), {})


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("Action|Sci-Fi", ("Action", "Sci-Fi")),
        ("['Home & Garden', 'Tools']", ("Home & Garden", "Tools")),
        ('["a", "b"]', ("a", "b")),
        ("a, b, a", ("a", "b")),
        ("Science Fiction", ("Science Fiction",)),
        (3.0, ("3",)),
        ("", ()),
        (None, ()),
        ("[broken", ("[broken",)),
    ],
)
def test_categories_of_a_cell(cell: object, found: tuple[str, ...]) -> None:
    assert categories_in(cell) == found


def test_what_does_not_fit_the_events_is_told(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item_id,title\n1,One\n2,Two\n2,Again\n,None\n9,\n")
    table = read_item_table(str(path), {})
    audit = Audit()
    note_table(table, Counter({"1": 5, "2": 1, "3": 2}), str(path), audit)
    (note,) = [note for note in audit.notes if "no row" in note]
    assert "1 of 3 items with events have no row" in note
    assert "1 row is of an item without an event" in note
    assert "1 row repeats the id of an earlier one" in note
    assert "it has no id of an item" in note
    assert audit.findings["facts"]["items with a title"] == "2 (66.7%)"


def test_a_table_of_other_ids_is_told() -> None:
    audit = Audit()
    note_table(ItemTable([Item("x", "X")]), Counter({"1": 5}), "items.csv", audit)
    assert any("knows none of the items, such as '1'" in note for note in audit.notes)


def test_what_is_saved_is_what_was_read(tmp_path: Path) -> None:
    table = ItemTable([Item("1", "One", "text", ("a",)), Item("2")])
    table.save(tmp_path)
    again = ItemTable.load(tmp_path)
    assert again is not None
    assert again.items == table.items
    assert again.named == {"one": ["1"]}
    assert ItemTable.load(tmp_path / "other") is None
