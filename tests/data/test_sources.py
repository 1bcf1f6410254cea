"""Every kind of source becomes the same records."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headstart.data.audit import Audit
from headstart.data.discovery import check_sources
from headstart.data.sources import read
from headstart.errors import HeadstartError
from headstart.modalities.text.content import TEXT

ROWS = [
    {"text": "a fine film", "label": "good"},
    {"text": "a dull film", "label": "bad"},
]


def records(*sources: Path | str, audit: Audit | None = None, **options: Any) -> datasets.Dataset:
    defaults: dict[str, Any] = {
        "content": TEXT,
        "columns": {},
        "document": "line",
    }
    named = [str(source) for source in sources]
    return read(named, audit=audit or Audit(), **defaults | options)


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_text_file_gives_a_record_a_line_named_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\n\n   \ntwo é 中文\r\nthree".encode())
    audit = Audit()
    found = records(path, audit=audit)
    assert found.to_list() == [
        {"id": "a.txt:1", "text": "one"},
        {"id": "a.txt:4", "text": "two é 中文"},
        {"id": "a.txt:5", "text": "three"},
    ]
    assert (audit.kept, audit.blank, audit.quarantined) == (3, 2, 0)
    assert audit.sources == {str(path): 3}


def test_a_run_among_the_sources_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "runs" / "x" / "log.txt").write_text("reading the sources\n")
    assert len(records(tmp_path)) == 2
    (tmp_path / "runs" / "x" / "config.yaml").write_text("verb: pretrain\noptions: {}\n")
    audit = Audit()
    assert [row["text"] for row in records(tmp_path, audit=audit)] == ["one"]
    (note,) = audit.notes
    assert note.endswith("runs/x is a run of headstart and no data: it is skipped.")


def test_a_run_that_is_named_as_a_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("verb: pretrain\n")
    (tmp_path / "log.txt").write_text("no data\n")
    with pytest.raises(HeadstartError, match="is a run of headstart and no data"):
        records(tmp_path)
    assert [row["text"] for row in records(tmp_path / "log.txt")] == ["no data"]


def test_a_file_can_be_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert records(tmp_path / "a.txt", document="file").to_list() == [
        {"id": "a.txt", "text": "one\ntwo\n"}
    ]


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo", encoding="utf-8-sig")
    (tmp_path / "b.csv").write_text("text,label\nthree,x\n", encoding="utf-8-sig")
    (tmp_path / "c.json").write_text('[{"text": "four"}]', encoding="utf-8-sig")
    (tmp_path / "d.jsonl").write_text('{"text": "five"}', encoding="utf-8-sig")
    assert records(tmp_path)["text"][:] == ["one", "two", "three", "four", "five"]


def test_lines_longer_than_a_chunk_stay_whole(tmp_path: Path) -> None:
    texts = ["é" * 700_000, "short", "x" * 2_500_000, "end"]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    assert records(tmp_path / "a.txt")["text"][:] == texts


def test_a_folder_is_read_recursively_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    folder = tmp_path / "reviews"
    for name in ("b.txt", "a.txt", "deep/er/c.txt", ".hidden.txt", ".git/d.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    expected = ["reviews/a.txt:1", "reviews/b.txt:1", "reviews/deep/er/c.txt:1"]
    assert records(folder)["id"][:] == expected
    assert records(folder, document="file")["id"][:] == [name[:-2] for name in expected]


def test_globs_match_and_the_same_file_is_read_once(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.md"):
        (tmp_path / name).write_text(name)
    found = records(tmp_path / "*.txt", tmp_path / "a.txt")
    assert found["id"][:] == ["a.txt:1", "b.txt:1"]
    assert len(records(tmp_path / "**", tmp_path)) == 2


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.txt").write_text(folder)
    found = records(tmp_path / "x" / "train.txt", tmp_path / "y" / "train.txt")
    assert found["id"][:] == ["x/train.txt:1", "y/train.txt:1"]


def test_a_name_that_is_not_utf8_is_shown_and_read(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "w") as file:
        file.write("coffee")
    assert records(tmp_path)["id"][:] == [f"{tmp_path.name}/caf\ufffd.txt:1"]


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "json", "array.json", "array.json.gz"])
def test_json_comes_as_lines_or_an_array(tmp_path: Path, kind: str) -> None:
    text = json.dumps(ROWS, indent=1) if "array" in kind else "\n".join(map(json.dumps, ROWS))
    path = tmp_path / f"data.{kind}"
    opened = gzip.open if kind.endswith("gz") else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.write(text)
    found = records(path)
    assert found.remove_columns("id").to_list() == ROWS
    assert found["id"][:] == [f"{path.name}:1", f"{path.name}:2"]


def test_a_json_array_larger_than_a_chunk_keeps_every_item(tmp_path: Path) -> None:
    rows = [{"text": f"{number} é" * 5000, "label": number} for number in range(200)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    found = records(tmp_path / "a.json")
    assert found["text"][:] == [row["text"] for row in rows]
    assert found["label"][:] == [str(number) for number in range(200)]


@pytest.mark.parametrize(("kind", "comma"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
def test_delimited_files_are_numbered_by_the_line_where_a_record_starts(
    tmp_path: Path, kind: str, comma: str
) -> None:
    path = tmp_path / f"a.{kind}"
    lines = ["id,text,label", '7,"two\nlines, one ""text""",x', "8,plain,y"]
    path.write_text("\r\n".join(lines).replace(",", comma), encoding="utf-8")
    assert records(path).to_list() == [
        {"id": f"a.{kind}:2", "text": f'two\nlines{comma} one "text"', "label": "x"},
        {"id": f"a.{kind}:4", "text": "plain", "label": "y"},
    ]


def test_tsv_with_stray_quotes_is_read_as_unquoted(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"Tis fine\t1\nsaid "no\t0\n"odd" end\t1\n')
    assert records(tmp_path / "a.tsv")["text"][:] == ['"Tis fine', 'said "no', '"odd" end']


def test_a_blank_line_is_a_record_of_a_table_with_one_column(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("text\nfirst\n\nthird\n")
    two.write_text("text,label\nfirst,a\n\nthird,b\n")
    for path, blank in ((one, 1), (two, 0)):
        audit = Audit()
        assert records(path, audit=audit)["text"][:] == ["first", "third"]
        assert audit.blank == blank


def test_columns_that_were_guessed_are_told_once_for_all_files_alike(tmp_path: Path) -> None:
    lines = ["nr,what,intent", f"1,{'the first of two ' * 3},x", f"2,{'the second one ' * 3},y"]
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    audit = Audit()
    records(tmp_path, audit=audit)
    (note,) = audit.notes
    assert note.startswith(f"{tmp_path.name}/a.csv and 1 more: column 'what' is read as the text")
    records(tmp_path, audit=(sure := Audit()), columns={"text": "what", "label": "intent"})
    assert sure.notes == []


def test_csv_gz_and_txt_gz_are_unpacked(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wt") as file:
        file.write("text\nhello there\n")
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("one\ntwo")
    assert records(tmp_path)["text"][:] == ["hello there", "one", "two"]


def test_parquet_is_read_with_rows_numbered_from_one(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": [b"\x89PNG", b"\x89PNG"],
            "text": pa.array([row["text"] for row in ROWS]).dictionary_encode(),
            "label": [1.0, 0.0],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    assert records(tmp_path / "a.parquet").to_list() == [
        {"id": "a.parquet:1", "text": "a fine film", "label": "1"},
        {"id": "a.parquet:2", "text": "a dull film", "label": "0"},
    ]


def test_a_zip_gives_its_members(tmp_path: Path) -> None:
    jsonl(tmp_path / "rows.jsonl", ROWS[:1])
    pq.write_table(pa.table({"text": ["from parquet"]}), tmp_path / "p.parquet")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "rows.jsonl", "in/rows.jsonl")
        archive.write(tmp_path / "p.parquet", "in/p.parquet")
        archive.writestr("in/b.txt.gz", gzip.compress(b"one\ntwo"))
        archive.writestr("__MACOSX/._b.txt", "rubbish")
    found = records(tmp_path / "a.zip")
    assert dict(zip(found["id"], found["text"], strict=True)) == {
        "a.zip/in/b.txt.gz:1": "one",
        "a.zip/in/b.txt.gz:2": "two",
        "a.zip/in/p.parquet:1": "from parquet",
        "a.zip/in/rows.jsonl:1": "a fine film",
    }


def test_a_saved_dataset_gives_all_splits_and_names_of_classes(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    rows = {"text": ["dull", "fine"], "label": [0, 1]}
    train = datasets.Dataset.from_dict(rows, features=features)
    train.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=train, test=train.select([1])).save_to_disk(tmp_path / "two")
    assert records(tmp_path / "one").to_list() == [
        {"id": "one:1", "text": "dull", "label": "bad"},
        {"id": "one:2", "text": "fine", "label": "good"},
    ]
    assert records(tmp_path / "two")["id"][:] == ["two/test:1", "two/train:1", "two/train:2"]
    assert len(records(tmp_path)) == 5


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("document", ["file", "line"])
def test_one_folder_a_class_gives_labels(tmp_path: Path, document: str, packed: bool) -> None:
    source = tmp_path / "mail"
    for name in ("spam/1.txt", "ham/1.txt", "ham/2.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    if packed:
        with zipfile.ZipFile(tmp_path / "mail.zip", "w") as archive:
            for file in source.rglob("*.txt"):
                archive.write(file, file.relative_to(tmp_path))
        source = tmp_path / "mail.zip"
    assert records(source, document=document)["label"][:] == ["ham", "ham", "spam"]


@pytest.mark.parametrize(
    "names",
    [
        ("train/1.txt", "test/1.txt"),
        ("1.txt", "a/1.txt", "b/1.txt"),
        ("a/1.txt",),
        ("a/1.txt", "b/deeper/1.txt"),
    ],
)
def test_other_folders_give_no_labels(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    assert records(tmp_path, document="file").column_names == ["id", "text"]


def test_labels_are_strings_and_may_be_missing_where_nobody_asked(tmp_path: Path) -> None:
    values = [1, "1", " 1 ", 1.0, True, 0.5, None, "", ["no"]]
    rows = [{"text": f"t{index}", "label": value} for index, value in enumerate(values)]
    path = jsonl(tmp_path / "a.jsonl", [{"text": "first", "label": "x"}, *rows])
    audit = Audit()
    found = records(path, columns={"label": "label"}, audit=audit)
    assert found["label"][:] == ["x", "1", "1", "1", "1", "true", "0.5"]
    assert sum(audit.reasons.values()) == 3
    (tmp_path / "b.txt").write_text("unlabeled")
    jsonl(path, ROWS)
    assert records(tmp_path)["label"][:] == ["good", "bad", None]


def test_labels_stay_out_where_there_are_none(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": None}])
    assert records(path).column_names == ["id", "text"]


def test_reading_twice_gives_the_same_and_leaves_the_first_readable(tmp_path: Path) -> None:
    path, cache = jsonl(tmp_path / "a.jsonl", ROWS), tmp_path / "cache"
    first = records(path, cache=cache)
    file = Path(first.cache_files[0]["filename"])
    content = file.read_bytes()
    second = records(path, cache=cache)
    assert second.to_list() == first.to_list()
    assert [child.name for child in cache.iterdir()] == [file.name]
    assert file.read_bytes() == content
    jsonl(path, ROWS[:1])
    assert len(records(path, cache=cache)) == 1
    assert len(first) == 2
    assert first[1]["label"] == "bad"


def test_a_failed_reading_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(HeadstartError, match="blank"):
        records(tmp_path / "a.txt", cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_duplicates_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One  two\none TWO\nthree\none two")
    audit = Audit()
    assert len(records(tmp_path / "a.txt", audit=audit)) == 4
    assert audit.duplicates == 2
    assert audit.summary()["duplicates"] == 2


def test_memory_stays_flat_when_the_corpus_grows(tmp_path: Path) -> None:
    peaks = []
    for lines in (100, 8_000, 80_000):
        path = tmp_path / f"{lines}.txt"
        path.write_text("".join(f"{n} " + "x" * 400 + "\n" for n in range(lines)))
        tracemalloc.start()
        assert len(records(path)) == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    _, small, large = peaks  # the first reading warms up
    # 30 MB more text may cost its 8-byte hashes, sorted once more, and one more batch
    assert large - small < 6_000_000


def test_real_reviews_are_read_whole(shared_data: Any) -> None:
    found = records(shared_data("banking77") / "train.jsonl")
    assert len(found) > 9000
    assert len(set(found["label"])) == 77


@pytest.mark.parametrize("name", ["-", "pipe"])
def test_what_can_be_read_only_once_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(HeadstartError, match=rf"^{name} is no regular file.*; write it to a file"):
        check_sources([name], TEXT)
