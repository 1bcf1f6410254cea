"""Sheets of workbooks are tables."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest
from reading import OPTIONS, refusal, texts, write

from headstart.data import streams
from headstart.data.audit import Audit
from headstart.data.sources import read

openpyxl = pytest.importorskip("openpyxl", reason="reading .xlsx needs openpyxl")


def test_a_sheet_of_a_workbook_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    empty, first, second = book.active, book.create_sheet("one"), book.create_sheet("two")
    assert empty is not None
    for sheet, word in ((first, "good"), (second, "bad")):
        sheet.append([])
        sheet.append(["text", "label"])
        sheet.append([f"a {word} film", 1])
        sheet.append([None, None])
        sheet.append([f"another {word} one", 0])
    path = tmp_path / "a.xlsx"
    book.save(path)
    audit = Audit()
    found = read([str(path)], audit=audit, **OPTIONS)
    assert found["id"][:] == ["a.xlsx:3", "a.xlsx:5"]
    assert found["label"][:] == ["1", "0"]
    assert audit.notes == ["a.xlsx: only its sheet 'one' is read; name another as in FILE.xlsx#two"]
    assert texts(f"{path}#two") == ["a bad film", "another bad one"]
    assert "no sheet 'three'" in refusal(f"{path}#three")
    assert "broken" in refusal(write(tmp_path / "b.xlsx", b"no workbook"))


def test_a_blank_row_is_a_record_of_a_sheet_with_one_column(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cell in ("text", "first", None, "third", None):
        sheet.append([cell])
    sheet["A9"].number_format = "0.0"  # so that the sheet ends below its last row
    path = tmp_path / "a.xlsx"
    book.save(path)
    audit = Audit()
    assert texts(path, audit=audit) == ["first", "third"]
    assert audit.blank == 1


def test_a_label_that_begins_late_is_seen_and_is_a_whole_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.data.workbooks.SAMPLE", 5)
    rows = [{"text": f"record {n}", "label": n % 2 if n >= 20 else None} for n in range(30)]
    pandas.DataFrame(rows).to_excel(tmp_path / "a.xlsx", index=False)
    found = read([str(tmp_path / "a.xlsx")], audit=Audit(), **OPTIONS)["label"][:]
    assert found == [None] * 20 + ["0", "1"] * 5


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FREE", 2**16)
    monkeypatch.setattr(streams, "RATIO", 1)
    monkeypatch.setattr(streams, "PLAIN", 1)
    pandas.DataFrame({"text": ["word " * 1000] * 200}).to_excel(tmp_path / "a.xlsx", index=False)
    assert "bomb" in refusal(tmp_path / "a.xlsx")


def test_without_openpyxl_a_workbook_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    assert "headstart[excel]" in refusal(write(tmp_path / "a.xlsx", b"x"))
