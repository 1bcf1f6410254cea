"""Every row of the sources is accounted for, in order, with its columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.data import reading
from headstart.data.audit import Audit
from headstart.data.ledger import Ledger
from headstart.data.sources import read
from headstart.modalities.text.content import TEXT


def rows(*sources: Path, drop: str = "", **columns: str) -> tuple[list[Any], Ledger]:
    """Return (number, reason, columns) of every row; records of the text ``drop`` are dropped."""
    ledger = Ledger()
    audit = Audit(ledger=ledger)
    named = [str(source) for source in sources]
    records = read(named, content=TEXT, columns=columns, document="line", audit=audit)
    for row in records.filter(lambda row: row["text"] == drop):
        audit.drop(row["id"], "it is not wanted")
    ledger.settle(records.filter(lambda row: row["text"] != drop), audit.reason_of())
    return [(row.id.rpartition(":")[2], row.reason, row.columns) for row in ledger], ledger


def test_rows_that_any_step_leaves_out_keep_their_place(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_bytes(b"nr,text\n1,one\n2, \n3,three,more\n4,\xff\n5,five\n6,s\xc3\xafx\n7\n")
    found, ledger = rows(table, drop="five")
    assert [(number, reason) for number, reason, _ in found] == [
        ("2", None),
        ("3", "it is blank"),
        ("4", "it has more or fewer fields than the first row"),
        ("5", "it is not UTF-8 text; convert it to UTF-8"),
        ("6", "it is not wanted"),
        ("7", None),
        ("8", "it has more or fewer fields than the first row"),
    ]
    assert [columns.get("nr") for *_, columns in found] == ["1", "2", None, "4", "5", "6", None]
    assert found[0][2] == {"nr": "1", "text": "one"}
    assert ledger.sentence("vector") == (
        "5 of 7 rows have no vector (2: it has more or fewer fields than the first row; 1: it is "
        "blank; 1: it is not UTF-8 text; convert it to UTF-8): a.csv:3, a.csv:4, a.csv:5, ..."
    )


def test_lines_have_no_columns_and_a_blank_one_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nthree\n")
    (tmp_path / "b.jsonl").write_text('{"text": "x", "n": [1, {"a": null}]}\nno\n\n[]\n')
    found, _ = rows(tmp_path / "a.txt", tmp_path / "b.jsonl")
    assert found == [
        ("1", None, {}),
        ("2", "it is blank", {}),
        ("3", None, {}),
        ("1", None, {"text": "x", "n": [1, {"a": None}]}),
        ("2", "it is not valid JSON", {}),
        ("4", "it is not a JSON object with a field for each column", {}),
    ]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_columns_that_begin_late_are_kept_and_read_once(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a field that begins late is a reason to read a file again."""
    monkeypatch.setattr("headstart.data.json_records.SAMPLE", 5)
    given = [
        {"text": f"record {n} {'x' * 2000}", f"key {n // 50}": n, "c": {"bytes": None}}
        for n in range(1000)
    ]
    written = json.dumps(given) if kind == "json" else "\n".join(map(json.dumps, given))
    path = tmp_path / f"a.{kind}"
    path.write_text(written)
    readings = []
    tables = reading.read_table
    monkeypatch.setattr(reading, "read_table", lambda *a: [readings.append(0), tables(*a)][1])
    found, _ = rows(path)
    assert [columns for *_, columns in found] == [
        {name: value for name, value in row.items() if name != "c"} for row in given
    ]
    assert readings == [0]


def test_a_broken_file_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\none\n"never closed\n')
    (tmp_path / "b.csv").write_text("text\ntwo\n")
    found, _ = rows(tmp_path)
    assert [(number, reason is None) for number, reason, _ in found] == [
        (f"{tmp_path.name}/a.csv", False),
        ("2", True),
    ]


def test_records_that_are_no_rows_stand_for_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n")
    ledger = Ledger()
    audit = Audit(ledger=ledger)
    records = read(
        [str(tmp_path / "a.txt")], content=TEXT, columns={}, document="line", audit=audit
    )
    ledger.settle(records.map(lambda row: {"id": "another"}), {})
    assert ledger.kept is None
    assert ledger.sentence("vector") == ""


@pytest.mark.parametrize("name", ["parquet", "saved"])
def test_columns_of_bytes_are_left_out(tmp_path: Path, name: str) -> None:
    from datasets import Dataset

    table = Dataset.from_dict({"text": ["a", ""], "raw": [b"\xff" * 9, b"\xfe"], "at": [1.5, None]})
    if name == "saved":
        table.save_to_disk(str(tmp_path / "saved"))
    else:
        table.to_parquet(str(tmp_path / "parquet.parquet"))
    source = tmp_path / ("saved" if name == "saved" else "parquet.parquet")
    assert [columns for *_, columns in rows(source)[0]] == [
        {"text": "a", "at": 1.5},
        {"text": "", "at": None},
    ]
