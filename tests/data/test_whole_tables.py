"""What is decided about a table is decided on all of it, and told where it is a guess."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import datasets
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import OPTIONS, refusal, texts, write

from headstart.data.audit import Audit
from headstart.data.sources import read
from headstart.data.tables import columns
from headstart.modalities.text.content import TEXT


def labels(path: Path, audit: Audit | None = None, **options: Any) -> list[str | None]:
    found = read([str(path)], audit=audit or Audit(), **OPTIONS | options)
    return found["label"][:] if "label" in found.column_names else []


# -- columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "saved"])
@pytest.mark.parametrize("named", [{}, {"label": "label"}])
def test_a_label_that_begins_late_is_seen(
    tmp_path: Path, kind: str, named: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("delimited", "json_records", "columnar"):
        monkeypatch.setattr(f"headstart.data.{module}.SAMPLE", 50)
    rows: list[dict[str, Any]] = [
        {"text": f"record {n} {'x' * 2000}"} | ({"label": "ab"[n % 2]} if n >= 1500 else {})
        for n in range(1600)
    ]
    path = tmp_path / f"a.{kind}"
    if kind == "jsonl":
        write(path, "\n".join(map(json.dumps, rows)))
    elif kind == "json":
        write(path, json.dumps(rows))
    elif kind == "saved":
        frame = pandas.DataFrame(rows).astype(object).where(lambda x: x.notna(), None)
        datasets.Dataset.from_pandas(frame).save_to_disk(path)
    else:
        save = {"csv": "to_csv", "parquet": "to_parquet"}[kind]
        getattr(pandas.DataFrame(rows), save)(path, index=False)
    found = labels(path, columns=named)
    assert [label for label in found if label] == ["a", "b"] * 50


def test_a_named_column_that_no_row_has_is_still_refused(tmp_path: Path) -> None:
    rows = [json.dumps({"text": "x" * 2000, "n": n}) for n in range(1600)]
    path = write(tmp_path / "a.jsonl", "\n".join(rows))
    assert "no column 'label'" in refusal(path, columns={"label": "label"})


# -- labels ----------------------------------------------------------------------------------


def test_a_label_is_the_same_from_every_format(tmp_path: Path) -> None:
    gap = pandas.DataFrame({"text": list("abc"), "label": [1.0, None, 0.0]})
    full = pandas.DataFrame({"text": list("de"), "label": [1, 0]})
    truth = pandas.DataFrame({"text": list("fg"), "label": [True, False]})
    found: dict[str, set[str | None]] = {}
    for kind in ("csv", "jsonl", "parquet"):
        found[kind] = set()
        for number, frame in enumerate((gap, full, truth)):
            path = tmp_path / f"{number}.{kind}"
            if kind == "jsonl":
                frame.to_json(path, orient="records", lines=True)
            else:
                save = {"csv": "to_csv", "parquet": "to_parquet"}[kind]
                getattr(frame, save)(path, index=False)
            found[kind] |= {label for label in labels(path) if label}
    assert found == {kind: {"0", "1", "true", "false"} for kind in found}


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_classes_that_hugging_face_noted_come_as_their_names(tmp_path: Path, kind: str) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    rows = {"text": ["a b", "c d", "e f"], "label": [0, 1, -1]}
    path = tmp_path / f"d.{kind}"
    data = datasets.Dataset.from_dict(rows, features=features)
    data.to_parquet(path) if kind == "parquet" else data.save_to_disk(path)
    assert labels(path) == ["neg", "pos", None]
    assert columns(str(path), TEXT)["label"] == ["neg", "pos", None]
    listed = datasets.Features(
        {
            "text": datasets.Value("string"),
            "tags": datasets.List(datasets.ClassLabel(names=["joy", "fear"])),
        }
    )
    data = datasets.Dataset.from_dict({"text": ["a"], "tags": [[1, 0]]}, features=listed)
    path = tmp_path / f"list.{kind}"
    data.to_parquet(path) if kind == "parquet" else data.save_to_disk(path)
    assert columns(str(path), TEXT)["tags"] == [["fear", "joy"]]


# -- delimited -------------------------------------------------------------------------------


def test_a_tsv_with_fields_of_several_lines_is_read_with_its_quotes(tmp_path: Path) -> None:
    rows = [f'First line {n}.\nSecond line {n}, "quoted".' for n in range(200)]
    frame = pandas.DataFrame({"text": rows, "label": ["neg", "pos"] * 100})
    frame.to_csv(tmp_path / "two.tsv", sep="\t", index=False)
    audit = Audit()
    assert texts(tmp_path / "two.tsv", audit=audit) == rows
    assert not audit.quarantined
    assert not audit.notes


def test_quotes_are_judged_on_a_file_whose_first_rows_exceed_a_chunk(tmp_path: Path) -> None:
    rows = [f'He said "no" {"river " * 30_000}{n}' for n in range(20)]
    frame = pandas.DataFrame({"text": rows, "label": ["neg", "pos"] * 10})
    frame.to_csv(tmp_path / "long.tsv", sep="\t", index=False)
    assert texts(tmp_path / "long.tsv") == rows


def test_quotes_of_a_tsv_without_quoting_are_text(tmp_path: Path) -> None:
    rows = ['"Hello" he said', 'they said "no"', '"never closed', "plain", '5" wide']
    data = "text\tlabel\n" + "".join(f"{row}\tx\n" for row in rows)
    assert texts(write(tmp_path / "a.tsv", data)) == rows
    doubtful = data + '"All of it."\tx\n'
    audit = Audit()
    assert texts(write(tmp_path / "b.tsv", doubtful), audit=audit) == [*rows, '"All of it."']
    assert audit.notes == [
        "b.tsv: its quotes are taken as characters of the text: 1 sampled fields are quoted, 4 "
        "have other quotes"
    ]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("named", ["", "sep=;"])
def test_line_ends_and_a_named_separator(tmp_path: Path, end: str, named: str) -> None:
    lines = ["text;label", "one, two; three".replace("; ", " "), "a|b;y", "c, d, e;z"]
    lines[1] += ";x"
    path = write(tmp_path / "a.csv", end.join([*([named] if named else []), *lines]) + end)
    assert texts(path) == ["one, two three", "a|b", "c, d, e"]
    assert labels(path) == ["x", "y", "z"]
    assert read([str(path)], audit=Audit(), **OPTIONS)["id"][0] == f"a.csv:{3 if named else 2}"


def test_the_separator_is_the_one_that_fits_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '"text, or more, or less";label\none, two;x\nthree;y\n')
    assert labels(path) == ["x", "y"]


def test_decimal_commas_are_read_where_they_are_certain(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text;label\na;3,25\nb;1.204,5\nc;2\n")
    audit = Audit()
    assert labels(path, audit) == ["3.25", "1204.5", "2"]
    assert audit.notes == ["a.csv: the commas of column 'label' are read as decimal commas"]
    assert labels(write(tmp_path / "b.csv", "text;label\na;3,250\nb;1,204\n")) == ["3,250", "1,204"]
    assert labels(write(tmp_path / "c.csv", "text;label\na;3,25\nb;x\n")) == ["3,25", "x"]


# -- JSON ------------------------------------------------------------------------------------

ROWS = [{"text": "one", "label": "x"}, {"text": "two", "label": "y"}]


@pytest.mark.parametrize("kind", ["json", "jsonl"])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "value", [ROWS, {"data": ROWS}, {"version": "1.0", "data": ROWS}, {"reviews": ROWS}]
)
def test_lists_of_records_are_found(
    tmp_path: Path, kind: str, indent: int | None, value: Any
) -> None:
    path = write(tmp_path / f"a.{kind}", json.dumps(value, indent=indent))
    assert texts(path) == ["one", "two"]
    assert labels(path) == ["x", "y"]


@pytest.mark.parametrize("orient", ["records", "columns", "split", "table"])
def test_what_pandas_writes_is_read(tmp_path: Path, orient: Any) -> None:
    pandas.DataFrame(ROWS).to_json(tmp_path / "a.json", orient=orient)
    assert labels(tmp_path / "a.json") == ["x", "y"]


def test_objects_over_several_lines_are_read_one_after_another(tmp_path: Path) -> None:
    data = "\n".join(json.dumps(row, indent=2) for row in ROWS)
    assert texts(write(tmp_path / "a.jsonl", data)) == ["one", "two"]
    assert "broken at line 6" in refusal(write(tmp_path / "b.jsonl", data.replace('"two"', "two")))


def test_what_follows_an_array_is_not_dropped_unnoticed(tmp_path: Path) -> None:
    data = f"{json.dumps(ROWS)}\n{json.dumps(ROWS)}\n"
    assert "more follows" in refusal(write(tmp_path / "a.json", data))
    assert "more follows" in refusal(write(tmp_path / "b.jsonl", data))


def test_one_record_stays_one(tmp_path: Path) -> None:
    row = {"text": "Anna went", "spans": [{"start": 0, "end": 4, "label": "PER"}]}
    assert texts(write(tmp_path / "a.json", json.dumps(row, indent=1))) == ["Anna went"]
    assert texts(write(tmp_path / "a.jsonl", json.dumps(row))) == ["Anna went"]


def test_several_lists_in_one_object_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"train": ROWS, "test": ROWS}))
    assert "several lists of records ('train', 'test')" in refusal(path)


# -- pages -----------------------------------------------------------------------------------


def test_a_page_is_one_text_without_its_code(tmp_path: Path) -> None:
    page = """<html><head><meta charset="cp1251"><title>no</title><style>p {}</style></head>
    <body><h1>Добрый день</h1><p>One <b>bold</b>&nbsp;word.</p><script>let x = 1</script></body>"""
    path = write(tmp_path / "a.html", page.encode("cp1251"))
    assert texts(path) == ["Добрый день\nOne bold word."]


# -- folders of texts ------------------------------------------------------------------------


def test_a_file_is_a_record_where_its_folder_names_its_class(tmp_path: Path) -> None:
    for name in ("ham", "spam"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.txt", f"a {name}\nof two lines\n")
    audit = Audit()
    found = read([str(tmp_path)], audit=audit, **OPTIONS | {"document": "auto"})
    assert found["text"][:] == ["a ham\nof two lines\n", "a spam\nof two lines\n"]
    assert found["label"][:] == ["ham", "spam"]
    assert "each file is one record" in audit.notes[0]
    assert "and 1 more" in audit.notes[0]
    assert len(texts(tmp_path, document="line")) == 4
    assert len(texts(tmp_path / "ham" / "a.txt", document="auto")) == 2


def test_a_table_with_every_kind_of_quote_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = ['a "b" c', "tab\there", "two\nlines", '"', "''", ", ; |", "", 'ends with quote"']
    for kind, separator in (("csv", ","), ("csv", ";"), ("tsv", "\t")):
        path = tmp_path / f"a.{kind}"
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerows([["text", "label"], *([text, "x"] for text in odd * 5)])
        assert texts(path) == [text for text in odd * 5 if text]
    pq.write_table(pa.table({"text": odd}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == [text for text in odd if text]


def test_a_label_that_begins_after_the_sample_of_a_small_file_is_seen(tmp_path: Path) -> None:
    rows: list[dict[str, str]] = [{"text": f"record {n}"} for n in range(1200)]
    for number in range(1100, 1200):
        rows[number]["label"] = "ab"[number % 2]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read([str(tmp_path / "a.jsonl")], audit=Audit(), **OPTIONS)["label"][:]
    assert found == [None] * 1100 + ["a", "b"] * 50
