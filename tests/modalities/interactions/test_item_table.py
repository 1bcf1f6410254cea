"""Tables of items: what is read, what is told, and that a run keeps a copy."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from headstart.data.audit import Audit
from headstart.errors import HeadstartError
from headstart.modalities.interactions.item_cells import categories_in, price_in
from headstart.modalities.interactions.item_reading import read_item_table
from headstart.modalities.interactions.item_table import Item, ItemTable, note_table


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
    table = ItemTable([Item("1", "One", "text", ("a",), 12.5, "/shop/one.png"), Item("2")])
    table.save(tmp_path)
    again = ItemTable.load(tmp_path)
    assert again is not None
    assert again.items == table.items
    assert again.named == {"one": ["1"]}
    assert ItemTable.load(tmp_path / "other") is None


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"id": ["1"], "title": ["One"], "text": [""], "categories": [["a"]]}
    pq.write_table(pa.table(columns), tmp_path / "item_table.parquet")
    again = ItemTable.load(tmp_path)
    assert again is not None
    assert again.items == {"1": Item("1", "One", "", ("a",))}


@pytest.mark.parametrize(
    ("cell", "price"),
    [
        (12, 12.0),
        (12.5, 12.5),
        ("12.5", 12.5),
        ("$1,299.00", 1299.0),
        ("1.299,00 €", 1299.0),
        ("12,99 €", 12.99),
        ("1,299", 1299.0),
        ("1 299,5", 1299.5),
        ("12 - 15", 12.0),
        ("from 9.99", 9.99),
        ("-3", None),
        (-3, None),
        (True, None),
        (float("nan"), None),
        ("free", None),
        ("9" * 400, None),
        (10**400, None),
        ("0.999", 0.999),
        ("12.990", 12.99),
        ("1e3", 1000.0),
        ("1e400", None),
        ("$.99", 99.0),
        ("$0.125", 0.125),
        ("0,125 €", 0.125),
        ("€1.234.567,89", 1234567.89),
        ("1.234.567", 1234567.0),
        (None, None),
        ([12], None),
    ],
)
def test_the_price_of_a_cell(cell: object, price: float | None) -> None:
    assert price_in(cell) == price


def test_prices_and_pictures_are_read_and_what_is_missing_is_said(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    (shop / "photos").mkdir(parents=True)
    (shop / "photos" / "one.png").write_bytes(b"a picture")
    (tmp_path / "outside.png").write_bytes(b"another one")
    path = shop / "items.csv"
    path.write_text(
        "item_id,price,image\n1,$3.50,photos/one.png\n2,,../outside.png\n"
        f"3,0,{tmp_path}/outside.png\n4,9,https://shop.example/four.png\n5,,\n"
    )
    table = read_item_table(str(path), {})
    assert table.items["1"] == Item("1", price=3.5, image=str(shop / "photos" / "one.png"))
    assert [row.price for row in table.items.values()] == [3.5, None, 0.0, 9.0, None]
    assert [bool(row.image) for row in table.items.values()] == [True, *[False] * 4]
    audit = Audit()
    note_table(table, Counter({"1": 5, "2": 1}), str(path), audit)
    assert "3 pictures are no files inside its folder, such as '../outside.png'" in audit.notes[0]
    assert audit.findings["facts"]["items with a price"] == "1 (50.0%)"
    assert audit.findings["facts"]["items with a picture"] == "1 (50.0%)"
    with pytest.raises(HeadstartError, match=r"no column 'cost'.*--set interactions.price=cost"):
        read_item_table(str(path), {"price": "cost"})
