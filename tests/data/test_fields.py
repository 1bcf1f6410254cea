"""A record may have several fields, and callers may ask for more: all come from one reading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import quarantined, write
from visits import VISITS

from headstart.data.audit import Audit
from headstart.data.block import Block
from headstart.data.columns import check_names
from headstart.data.content import Content
from headstart.data.field import raw, raw_values
from headstart.data.sources import read
from headstart.data.streams import Unreadable
from headstart.data.unit import Unit
from headstart.errors import HeadstartError
from headstart.evaluation.cache import digest_of_records
from headstart.modalities.image.content import IMAGE
from headstart.modalities.text.content import TEXT

TEXT_FIELD = TEXT.fields[0]


def records(path: Path, content: Content = TEXT, audit: Audit | None = None, **options: Any) -> Any:
    given = {"columns": {}, "document": "line", **options}
    return read([str(path)], content=content, audit=audit or Audit(), **given)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_several_fields_are_read_from_the_columns_of_a_row(tmp_path: Path, kind: str) -> None:
    rows = [{"user": f"u{n}", "product": f"p{n % 3}", "when": n, "label": "x"} for n in range(5)]
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        write(path, "\n".join(map(json.dumps, rows)))
    else:
        lines = [",".join(map(str, row.values())) for row in rows]
        write(path, "\n".join(["user,product,when,label", *lines]))
    found = records(path, VISITS, columns={"item": "product"})
    assert found.column_names == ["id", "user", "item", "time", "label"]
    assert found[3] == {"id": found["id"][3], "user": "u3", "item": "p0", "time": 3, "label": "x"}


def test_decimal_numbers_of_a_database_are_numbers(tmp_path: Path) -> None:
    numbers = [Decimal("1.00"), Decimal("2.50"), None, Decimal("1.00")]
    rows = [{"text": f"a text {n}", "label": number} for n, number in enumerate(numbers)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert records(tmp_path / "a.parquet")["label"][:] == ["1", "2.5", None, "1"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_of_two_columns_of_one_name_the_first_is_judged_and_read_and_it_is_told(
    tmp_path: Path, kind: str
) -> None:
    rows = [["text", "label", "label"], ["a text", 1, "x"], ["another", 2, "y"]]
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        write(path, "".join(f"{','.join(map(str, row))}\n" for row in rows))
    else:
        book = pytest.importorskip("openpyxl").Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    audit = Audit()
    assert records(path, audit=audit)["label"][:] == ["1", "2"]
    told = "of its 2 columns 'label' the first is read; give each its own name"
    assert any(told in note for note in audit.notes)


def test_a_row_without_one_of_its_fields_is_set_aside_and_an_empty_one_passed_over(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.csv", "user,item,time\nu,p,1\n,p,2\nu,p,soon\n,,\n")
    audit = Audit()
    assert len(records(path, VISITS, audit)) == 1
    assert quarantined(audit) == {"a.csv:3": "it has no user", "a.csv:4": "its time is no number"}
    assert audit.blank == 1


def test_all_fields_that_are_not_to_be_found_are_named_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user,product,when\nu,p,1\n")
    with pytest.raises(HeadstartError) as caught:
        records(path, VISITS)
    assert str(caught.value) == (
        "it is unclear which column of a.csv holds the item; name it with --column item=COLUMN "
        "(its columns are 'user', 'product', 'when')."
    )
    with pytest.raises(HeadstartError, match="the user and the item and the time; name them with"):
        records(write(tmp_path / "b.csv", "a,b,c\nx,y,z\n"), VISITS)


def test_further_columns_come_in_the_same_rows(tmp_path: Path) -> None:
    rows = [
        {"text": "one", "other": "eins", "marks": [1, {"a": None}]},
        {"text": "two", "other": " ", "marks": []},
        {"text": "", "other": "drei"},
        {"text": "four", "other": 4},
        {"text": "five", "other": "fünf"},
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    audit = Audit()
    fields = [TEXT_FIELD.again("pair", "it has no second text"), raw("marks", ("marks",))]
    found = records(path, audit=audit, columns={"pair": "other"}, fields=fields)
    assert found["text"][:] == ["one", "five"]
    assert found["pair"][:] == ["eins", "fünf"]
    assert raw_values(found, "marks") == [[1, {"a": None}], None]
    assert quarantined(audit) == dict.fromkeys(("a.jsonl:2", "a.jsonl:4"), "it has no second text")
    assert (audit.kept, audit.blank) == (2, 1)


def test_a_column_that_nobody_needs_is_left_out_where_it_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "one", "marks": null}')
    found = records(path, fields=[raw("marks", ("marks",))])
    assert found.column_names == ["id", "text"]
    assert raw_values(found, "marks") == [None]


def test_a_column_of_the_content_is_there_even_where_it_is_empty(tmp_path: Path) -> None:
    title = replace(VISITS.fields[0], name="title", names=("title",), required=False)
    content = replace(TEXT, fields=(TEXT_FIELD, title))
    path = write(tmp_path / "a.jsonl", '{"text": "one"}\n{"text": "two"}')
    found = records(path, content)
    assert found.column_names == ["id", "text", "title"]
    assert found["title"][:] == [None, None]
    assert digest_of_records(found, content)
    path = write(tmp_path / "b.jsonl", '{"text": "one", "other": null}')
    second = title.again("pair", "it has no second title")
    with pytest.raises(HeadstartError, match="it has no second title"):
        records(path, content, columns={"pair": "other"}, fields=[second])


def _numbers(unit: Unit, named: Mapping[str, str]) -> Iterator[Block]:
    """Read ``.num`` files, which a package could bring."""
    content = unit.path.read_text()
    if content == "refused":
        raise Unreadable("it is refused")
    if content == "ragged":
        yield Block(range(1, 4), {"text": ["a", "b"]})
    yield Block(range(1, 4), {"text": np.array(["a", "b", "c"]), "label": np.array([0, 1, 0])})
    if content == "odd":
        int("no\nnumber")


NUMBERS = replace(TEXT, stores=TEXT.stores | {".num"}, readers={".num": _numbers})


def test_a_reader_of_another_package_may_give_arrays(tmp_path: Path) -> None:
    found = records(write(tmp_path / "a.num", ""), NUMBERS)
    assert (found["text"][:], found["label"][:]) == (["a", "b", "c"], ["0", "1", "0"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("refused", "it is refused"),
        ("ragged", "its reader gives 2 values of 'text' for 3 records"),
        (
            "odd",
            "its reader cannot read it (ValueError: invalid literal for int() with base 10: "
            r"'no\nnumber')",
        ),
    ],
)
def test_a_file_that_a_reader_of_another_package_fails_at_is_set_aside(
    tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "files").mkdir()
    write(tmp_path / "files" / "a.num", content)
    write(tmp_path / "files" / "b.num", "")
    audit = Audit()
    found = records(tmp_path / "files", NUMBERS, audit)
    assert found["id"][:] == [f"files/b.num:{n}" for n in (1, 2, 3)]
    assert quarantined(audit) == {"files/a.num": reason}


def test_an_error_of_a_reader_of_our_own_is_none_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_numbers, "__module__", "headstart.modalities.text.content")
    with pytest.raises(ValueError, match="invalid literal"):
        records(write(tmp_path / "a.num", "odd"), NUMBERS)


def test_a_further_field_takes_the_place_of_one_of_the_same_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "one", "label": "x"}\n{"text": "two"}')
    label = replace(raw("label", ("label",)), required=True, missing="nobody judged it")
    audit = Audit()
    assert len(records(path, audit=audit, fields=[label])) == 1
    assert quarantined(audit) == {"a.jsonl:2": "nobody judged it"}


def test_a_column_named_for_one_field_is_not_guessed_for_another(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,body\none,two\n")
    pair = TEXT_FIELD.again("pair", "it has none")
    found = records(path, columns={"pair": "text"}, fields=[pair])
    assert (found["text"][0], found["pair"][0]) == ("two", "one")


def test_what_has_no_columns_is_refused_where_one_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one")
    pair = TEXT_FIELD.again("pair", "it has none")
    with pytest.raises(HeadstartError, match="has no column 'b'; leave out --column pair=b"):
        records(path, columns={"pair": "b"}, fields=[pair])
    assert len(records(path, columns={"text": "body", "pair": "b"})) == 1


def test_ten_columns_at_most_are_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", json.dumps({f"c{n}": f"v{n}" for n in range(30)}))
    with pytest.raises(HeadstartError, match=r"'c9', \.\.\.; check --column text=c99"):
        records(path, columns={"text": "c99"})


@pytest.mark.parametrize(
    ("named", "content", "message"),
    [
        ({"txet": "a"}, TEXT, "--column txet=a: 'txet' is nothing that is read here; did you mean"),
        ({"pair": "a"}, IMAGE, "choose one of: image, label"),
        ({"text": "a", "label": "a"}, TEXT, "--column text=a and --column label=a name one column"),
    ],
)
def test_names_that_nothing_reads_are_refused(
    named: dict[str, str], content: Content, message: str
) -> None:
    check_names({"label": "b"}, content)
    with pytest.raises(HeadstartError, match=message):
        check_names(named, content)
